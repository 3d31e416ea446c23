// Command copy is cp in the images of payloads: what puts an agent's files into
// the volume of a pod, run by the init container that injection adds. The images
// have nothing else to run, so they need no distribution below them.
//
// Invariant: it understands what injection and upstream's manifests call, `cp
// [-r] SOURCE TARGET`, and refuses anything else.
package main

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "cp:", err)
		os.Exit(1)
	}
}

// run copies as cp does: a SOURCE that ends in "/." is the content of a folder,
// and a TARGET that is a folder receives the SOURCE.
func run(args []string) error {
	recursive := false
	var paths []string
	for _, a := range args {
		switch {
		case a == "-r" || a == "-R" || a == "-a" || a == "--":
			recursive = recursive || a != "--"
		case strings.HasPrefix(a, "-"):
			return fmt.Errorf("flag %s is not known here; want cp [-r] SOURCE TARGET", a)
		default:
			paths = append(paths, a)
		}
	}
	if len(paths) != 2 {
		return fmt.Errorf("got %q; want cp [-r] SOURCE TARGET", args)
	}
	source, target := paths[0], paths[1]
	info, err := os.Stat(source)
	if err != nil {
		return err
	}
	if there, err := os.Stat(target); err == nil && there.IsDir() && !strings.HasSuffix(source, "/.") {
		target = filepath.Join(target, filepath.Base(source))
	}
	if !info.IsDir() {
		return file(source, target, info.Mode())
	}
	if !recursive {
		return fmt.Errorf("%s is a folder; want cp -r", source)
	}
	return tree(source, target)
}

// tree copies a folder's content into target, which may exist. What is there
// already under the same names is replaced: an init container may run twice.
func tree(source, target string) error {
	return filepath.WalkDir(source, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(source, path)
		if err != nil {
			return err
		}
		to := filepath.Join(target, rel)
		info, err := os.Stat(path) // of what a link leads to
		if err != nil {
			return err
		}
		if d.IsDir() {
			return os.MkdirAll(to, 0o755)
		}
		return file(path, to, info.Mode())
	})
}

// file copies one file.
func file(source, target string, mode fs.FileMode) error {
	in, err := os.Open(source)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(target, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, mode.Perm())
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		out.Close()
		return fmt.Errorf("copying %s: %w", source, err)
	}
	return out.Close()
}
