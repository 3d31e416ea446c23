// Command build builds the payload images' files and prints where each is. It is
// what `make payloads` runs; the packages that it installs are kept in the user's
// cache folder, so that the second run takes no time.
//
// Invariant: it changes nothing in the repository.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	"github.com/signalbox-otel/signalbox/images/payload"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	names := os.Args[1:]
	if len(names) == 0 {
		names = payload.Names
	}
	for _, name := range names {
		dir, err := payload.Build(ctx, ".", name, os.Stderr)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(name, dir)
	}
}
