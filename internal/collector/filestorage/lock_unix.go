//go:build unix

package filestorage

import (
	"errors"
	"os"
	"syscall"
)

// lock takes the lock that the database takes, which closing the file gives
// back; held is false when another process has it.
func lock(f *os.File) (held bool, err error) {
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}
