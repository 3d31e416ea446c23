package store

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/signalbox-otel/signalbox/internal/store/vfs"
)

// killDir in the environment makes the test binary a sender that appends to
// the store there until it is killed; killFrom is its first id.
const (
	killDir  = "SIGNALBOX_STORE_KILL_DIR"
	killFrom = "SIGNALBOX_STORE_KILL_FROM"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(killDir); dir != "" {
		from, err := strconv.Atoi(os.Getenv(killFrom))
		if err == nil {
			err = appendUntilKilled(dir, from)
		}
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	// The decoder's channels must not belong to the synctest bubble that
	// happens to use it first.
	if _, err := zstdDecoder(); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

func killOptions() Options {
	o := testOptions(vfs.OS)
	o.SealRows = 100
	return o
}

// appendUntilKilled appends batches of two records with four senders and
// prints the first id of each that was acknowledged. Blocks are made again and
// again before they are full, and merged.
func appendUntilKilled(dir string, from int) error {
	s, err := Open(dir, killOptions())
	if err != nil {
		return err
	}
	var mu sync.Mutex
	next := from
	failed := make(chan error)
	go func() {
		for range time.Tick(3 * time.Millisecond) {
			if err := s.Flush(context.Background()); err != nil {
				failed <- err
			}
			s.mergeSmall()
		}
	}()
	for range 4 {
		go func() {
			for {
				mu.Lock()
				id := next
				next += 2
				mu.Unlock()
				err := s.Append(context.Background(), testBatch(Spans, testDay, id, id+1))
				var refused *OverloadError
				if err != nil && !errors.As(err, &refused) {
					failed <- err
				}
				if err == nil {
					mu.Lock()
					fmt.Println(id)
					mu.Unlock()
				}
			}
		}()
	}
	return <-failed
}

// A real process with real files, killed at a random moment: what it printed
// as acknowledged is there once, from every one of its lives.
func TestKill(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	acked := map[int]bool{}
	const span = 1 << 20 // ids of one life
	for life := range 4 {
		cmd := exec.Command(exe)
		cmd.Env = append(os.Environ(), killDir+"="+dir, fmt.Sprintf("%s=%d", killFrom, life*span))
		cmd.Stderr = t.Output()
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewReader(out)
		for left := 50 + rng.IntN(300); ; left-- {
			if left == 0 {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
			line, err := lines.ReadString('\n')
			if err == io.EOF {
				if left > 0 {
					t.Fatal("the sender ended by itself")
				}
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			id, err := strconv.Atoi(line[:len(line)-1])
			if err != nil {
				t.Fatal(err)
			}
			acked[id], acked[id+1] = true, true
		}
		cmd.Wait() // says that it was killed
		checkAfterKill(t, dir, acked)
	}
	t.Logf("%d records acknowledged", len(acked))
}

func checkAfterKill(t *testing.T, dir string, acked map[int]bool) {
	t.Helper()
	s, err := Open(dir, killOptions())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	seen := map[int]bool{}
	for _, id := range idsOf(t, s, Spans) {
		if seen[id] {
			t.Errorf("record %d is there twice", id)
		}
		seen[id] = true
	}
	for id := range acked {
		if !seen[id] {
			t.Errorf("record %d was acknowledged but is lost", id)
		}
	}
	t.Logf("%d blocks, of which %d have more than 10 batches", s.Stats().Blocks, largeBlocks(s))
	if got := s.Stats().Quarantined; got != 0 {
		t.Errorf("%d files set aside; a kill is no corruption", got)
	}
}

// largeBlocks is the number of blocks with more than 10 batches: heads are sealed
// every few milliseconds, so most of them were merged.
func largeBlocks(s *Store) (n int) {
	l := s.lane(Spans)
	l.view.RLock()
	defer l.view.RUnlock()
	for _, b := range l.blocks {
		if b.entry.Last-b.entry.First > 10 {
			n++
		}
	}
	return n
}
