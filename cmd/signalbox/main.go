// Command signalbox is the whole of Signalbox in one binary.
package main

import (
	"fmt"

	"github.com/signalbox-otel/signalbox/internal/collector"
)

func main() {
	fmt.Println(collector.Factories())
}
