package main

import (
	"debug/elf"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/signalbox-otel/signalbox/internal/inject/verdict"
)

// image is the file system that is looked at. Names in it are as a program in the
// container has them.
type image struct {
	// root is the folder that is its root.
	root string
	// dir is the folder that programs start in.
	dir string
	// env is its environment.
	env func(string) string
}

// host is where a name of the image is for us.
func (im image) host(name string) string { return filepath.Join(im.root, filepath.FromSlash(name)) }

// maxLinks bounds how many links a name leads through.
const maxLinks = 40

// real is a name without links. Links that are absolute stay within the image.
func (im image) real(name string) (string, error) {
	if !path.IsAbs(name) {
		name = path.Join("/", im.dir, name)
	}
	done, rest := "/", elements(name)
	for links := 0; len(rest) > 0; {
		next := path.Join(done, rest[0])
		rest = rest[1:]
		target, err := os.Readlink(im.host(next))
		switch {
		case errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission):
			return "", err
		case err != nil: // no link
			done = next
			continue
		}
		if links++; links > maxLinks {
			return "", &fs.PathError{Op: "readlink", Path: name, Err: errors.New("too many links")}
		}
		if path.IsAbs(target) {
			done = "/"
		}
		rest = append(elements(target), rest...)
	}
	if _, err := os.Lstat(im.host(done)); err != nil {
		return "", err
	}
	return done, nil
}

func elements(name string) []string {
	return strings.FieldsFunc(name, func(r rune) bool { return r == '/' })
}

// maxText is how much is read of a text, in bytes.
const maxText = 1 << 20

// text is the beginning of a file; empty where there is none.
func (im image) text(name string) string {
	f, err := im.open(name)
	if err != nil {
		return ""
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxText))
	if err != nil {
		return ""
	}
	return string(content)
}

// open opens a regular file: anything else may block.
func (im image) open(name string) (*os.File, error) {
	real, err := im.real(name)
	if err != nil {
		return nil, err
	}
	if info, err := os.Lstat(im.host(real)); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(err, fs.ErrInvalid)
	}
	return os.Open(im.host(real))
}

func (im image) has(name string) bool {
	_, err := im.real(name)
	return err == nil
}

// maxEntries bounds how many entries of one folder are looked at.
const maxEntries = 10_000

// entries are the names in a folder, sorted; none where it cannot be read.
func (im image) entries(name string) []string {
	real, err := im.real(name)
	if err != nil {
		return nil
	}
	f, err := os.Open(im.host(real))
	if err != nil {
		return nil
	}
	defer f.Close()
	names, _ := f.Readdirnames(maxEntries)
	slices.Sort(names)
	return names
}

// expanded are the names that a pattern means: an element of it that has a star
// stands for all entries that begin and end as it does.
func (im image) expanded(pattern string) []string {
	all := []string{"/"}
	for _, e := range elements(pattern) {
		var next []string
		before, after, star := strings.Cut(e, "*")
		for _, dir := range all {
			if !star {
				if name := path.Join(dir, e); im.has(name) {
					next = append(next, name)
				}
				continue
			}
			for _, entry := range im.entries(dir) {
				if len(entry) >= len(before)+len(after) && strings.HasPrefix(entry, before) && strings.HasSuffix(entry, after) {
					next = append(next, path.Join(dir, entry))
				}
			}
		}
		all = next
	}
	return all
}

// program is an executable file.
type program struct {
	path string // without links
	// libc is that of its interpreter; empty for a static program.
	libc string
	// goVersion is that of Go's compiler, of a program of Go.
	goVersion string
}

// program reads an executable of Linux; false for anything else, as a script.
func (im image) program(name string) (program, bool) {
	real, err := im.real(name)
	if err != nil {
		return program{}, false
	}
	f, err := im.open(real)
	if err != nil {
		return program{}, false
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || info.Mode()&0o111 == 0 {
		return program{}, false
	}
	e, err := elf.NewFile(f)
	if err != nil {
		return program{}, false
	}
	p := program{path: real}
	for _, segment := range e.Progs {
		if segment.Type == elf.PT_INTERP {
			content, _ := io.ReadAll(io.LimitReader(segment.Open(), 4096))
			p.libc = libcOf(string(content))
		}
	}
	if section := e.Section(".go.buildinfo"); section != nil {
		p.goVersion = goVersion(section)
	}
	return p, true
}

// goVersion is what a program of Go says of its compiler: a header of 32 bytes,
// and a length and a text behind it. Compilers before 1.18 wrote pointers.
func goVersion(section *elf.Section) string {
	content, _ := io.ReadAll(io.LimitReader(section.Open(), 256))
	const header, inline = 32, 2
	if len(content) < header+2 || content[15]&inline == 0 {
		return "before 1.18"
	}
	length := int(content[header]) // of one byte: versions are short
	if length >= 0x80 || header+1+length > len(content) {
		return "unknown"
	}
	return strings.TrimPrefix(string(content[header+1:header+1+length]), "go")
}

// libcOf is the libc that a dynamic loader belongs to.
func libcOf(loader string) string {
	switch base := path.Base(strings.TrimRight(loader, "\x00")); {
	case strings.HasPrefix(base, "ld-musl-"):
		return verdict.Musl
	case strings.HasPrefix(base, "ld-linux") || strings.HasPrefix(base, "ld64.so") || strings.HasPrefix(base, "ld.so"):
		return verdict.GNU
	}
	return ""
}

// libc is that of the image as a whole: that of its shell, else the one whose
// loader is there. Images may have the other's loader too, for a few programs.
func (im image) libc() string {
	for _, shell := range []string{"/bin/sh", "/bin/busybox", "/usr/bin/env"} {
		if p, ok := im.program(shell); ok && p.libc != "" {
			return p.libc
		}
	}
	for _, loader := range []string{"/lib/ld-musl-*", "/lib*/ld-linux*", "/lib*/ld64.so*", "/lib/*/ld-linux*", "/usr/lib/ld-musl-*", "/usr/lib*/ld-linux*"} {
		if found := im.expanded(loader); len(found) > 0 {
			return libcOf(found[0])
		}
	}
	return ""
}
