package clients

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"
)

// box is the Signalbox that all tests but those that end theirs send to.
var box *signalbox

func TestMain(m *testing.M) { os.Exit(runTests(m)) }

// runTests starts the shared Signalbox, and holds its end to a standard too: a
// SIGTERM after all tests must give exit code 0 within ten seconds.
func runTests(m *testing.M) (code int) {
	dir, err := os.MkdirTemp("", "signalbox-clients-")
	if err == nil {
		defer os.RemoveAll(dir)
		box, err = startShared(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code = m.Run()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := box.stop(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

func startShared(dir string) (*signalbox, error) {
	// A build with an empty cache compiles every collector component.
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Minute)
	defer cancel()
	if err := buildBinary(ctx); err != nil {
		return nil, err
	}
	return start(ctx, dir)
}
