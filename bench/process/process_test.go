package process

import (
	"context"
	"errors"
	"strings"
	"testing"
)

func TestProcess(t *testing.T) {
	p, err := Start("sleep", "60")
	if err != nil {
		t.Fatal(err)
	}
	defer p.Kill()
	if _, err := p.CPU(); err != nil {
		t.Error(err)
	}
	if memory, err := p.Memory(); err != nil || memory["VmHWM"] == 0 {
		t.Errorf("got memory %v, error %v; want some at its peak", memory, err)
	}
	if err := p.End(t.Context()); err != nil {
		t.Errorf("ending: %v", err)
	}
	if _, err := p.CPU(); err == nil {
		t.Error("got no error for the processor time of a program that has ended")
	}
}

// What a program says before it ends is in the error.
func TestAwaitEnded(t *testing.T) {
	p, err := Start("sh", "-c", "echo no such port >&2; exit 3")
	if err != nil {
		t.Fatal(err)
	}
	err = p.Await(t.Context(), func(context.Context) error { return errors.New("not ready") })
	if err == nil || !strings.Contains(err.Error(), "no such port") || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("got error %v; want one with what it said and how it ended", err)
	}
}

// A program that does not end when it is asked to is killed.
func TestEndKills(t *testing.T) {
	p, err := Start("sh", "-c", "trap '' TERM; echo ready; while :; do :; done")
	if err != nil {
		t.Fatal(err)
	}
	err = p.Await(t.Context(), func(context.Context) error {
		if p.output.String() == "" {
			return errors.New("not ready")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.End(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v; want that ending took too long", err)
	}
}
