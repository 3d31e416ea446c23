// Package buildcache keeps what tests build and every clone can use again:
// Kubernetes, the payloads of images. Each build has a folder, named by a hash of
// all that goes into it, in the user's cache folder.
//
// Invariant: a folder is whole or not there, whatever interrupts a build. Builds
// of the same kind at the same time, also in other processes, wait for each other.
package buildcache

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Folder returns the folder of a kind of builds, as "kube", for a key. When it is
// not there, build fills a new one first; then all but the newest keep of those
// that were there before are removed.
func Folder(kind, key string, keep int, build func(dir string) error) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	cache = filepath.Join(cache, "signalbox", filepath.FromSlash(kind))
	dir := filepath.Join(cache, key)
	if isDir(dir) {
		return dir, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	unlock, err := lock(filepath.Join(cache, "lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	if isDir(dir) { // the build that was waited for made it
		return dir, nil
	}
	if err := removeOld(cache, keep); err != nil {
		return "", err
	}
	temp, err := os.MkdirTemp(cache, "building-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(temp)
	if err := build(temp); err != nil {
		return "", err
	}
	if err := os.Chmod(temp, 0o755); err != nil {
		return "", err
	}
	return dir, os.Rename(temp, dir)
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// removeOld removes what interrupted builds left, and all but the newest of the
// finished ones. The caller holds the lock.
func removeOld(cache string, keep int) error {
	entries, err := os.ReadDir(cache)
	if err != nil {
		return err
	}
	built := map[string]time.Time{}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !e.IsDir() {
			continue
		}
		built[e.Name()] = info.ModTime()
		if strings.HasPrefix(e.Name(), "building-") {
			built[e.Name()] = time.Time{}
		}
	}
	names := make([]string, 0, len(built))
	for name := range built {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return built[b].Compare(built[a]) })
	for i, name := range names {
		if i >= keep || built[name].IsZero() {
			if err := os.RemoveAll(filepath.Join(cache, name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// lock waits for the lock file and holds it until the returned function is
// called, or the process ends.
func lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		f.Close()
		return nil, fmt.Errorf("locking %s: %w", path, err)
	}
	return func() { f.Close() }, nil
}
