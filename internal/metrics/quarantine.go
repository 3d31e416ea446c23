package metrics

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/prometheus/tsdb"
)

// corruptSuffix marks a block's directory that was set aside. Its name is no
// longer a ULID, so the TSDB leaves it alone.
const corruptSuffix = ".corrupt"

// quarantine sets aside the blocks of dir that cannot be opened and returns
// their number: the TSDB would refuse to open at all, or skip them unsaid. The
// caller holds the directory's lock.
func quarantine(dir string, log *slog.Logger) (int, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	n := 0
	for _, e := range entries {
		if _, err := ulid.ParseStrict(e.Name()); err != nil || !e.IsDir() {
			continue
		}
		path := filepath.Join(dir, e.Name())
		cause := readable(path)
		if cause == nil {
			continue
		}
		if passing(cause) {
			return n, fmt.Errorf("opening block %s: %w", e.Name(), cause)
		}
		if err := os.Rename(path, path+corruptSuffix); err != nil {
			return n, fmt.Errorf("setting aside block %s: %w", e.Name(), err)
		}
		n++
		log.Error("an unreadable block was set aside: its time range has no metrics now", "dir", path+corruptSuffix, "error", cause)
	}
	return n, nil
}

// readable opens a block as the TSDB will.
func readable(path string) error {
	b, err := tsdb.OpenBlock(nil, path, nil, nil)
	if err != nil {
		return err
	}
	return b.Close()
}

// passing reports whether err says something about this process or machine
// rather than about the bytes of a block.
func passing(err error) bool {
	for _, errno := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.EACCES, syscall.EPERM} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}
