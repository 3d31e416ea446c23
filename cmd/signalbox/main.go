// Command signalbox is the whole of Signalbox in one binary.
package main

import (
	"os"

	"github.com/signalbox-otel/signalbox/internal/app"
)

func main() { os.Exit(app.Main()) }
