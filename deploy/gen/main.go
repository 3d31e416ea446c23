// Command gen writes the files of deploy/: one manifest, a base for kustomize and
// a Helm chart, all from what `signalbox install` prints. make deploy runs it, with
// the version of Signalbox and the folder to write into.
package main

import (
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/signalbox-otel/signalbox/internal/install"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: gen VERSION FOLDER")
		os.Exit(2)
	}
	if err := write(os.Args[1], os.Args[2]); err != nil {
		slog.Error("writing deploy", "error", err)
		os.Exit(1)
	}
}

func write(version, dir string) error {
	files, err := install.Deploy(version)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, files[name], 0o644); err != nil {
			return err
		}
	}
	return nil
}
