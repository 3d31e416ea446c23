package main

import (
	"bytes"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"
)

// numbers is the version that a text begins with, as 20.11.1.
func numbers(text string) string {
	end := strings.IndexFunc(text, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
	if end >= 0 {
		text = text[:end]
	}
	return strings.Trim(text, ".")
}

// parts are the numbers of a version.
func parts(version string) []int {
	var all []int
	for part := range strings.SplitSeq(version, ".") {
		n, err := strconv.Atoi(part)
		if err != nil {
			break
		}
		all = append(all, n)
	}
	return all
}

// older reports whether a version is below another. One that is not known is not.
func older(version string, than ...int) bool {
	return version != "" && slices.Compare(parts(version), than) < 0
}

// javaHome is the folder of a JVM, which the program java is in the folder bin of.
func javaHome(java string) string { return path.Dir(path.Dir(java)) }

// javaVersion is in the file release, which the runtime within a JDK 8 does not
// have itself. Before 9, versions began with 1.
func (im image) javaVersion(java string) string {
	home := javaHome(java)
	for _, release := range []string{path.Join(home, "release"), path.Join(home, "../release")} {
		if _, after, ok := strings.Cut(im.text(release), "JAVA_VERSION=\""); ok {
			return numbers(strings.TrimPrefix(after, "1."))
		}
	}
	return ""
}

// loadsAgents reports whether a JVM has what loads agents: one that is made for
// its program may not, and does not start with an agent.
func (im image) loadsAgents(java string) bool {
	home := javaHome(java)
	for _, pattern := range []string{"lib/libinstrument.so", "lib/*/libinstrument.so", "jre/lib/*/libinstrument.so"} {
		if len(im.expanded(path.Join(home, pattern))) > 0 {
			return true
		}
	}
	return false
}

// nodeVersion is in a header that lies beside the program, or in the address that
// an official program says its sources are at.
func (im image) nodeVersion(node string) string {
	header := im.text(path.Join(node, "../../include/node/node_version.h"))
	var version []string
	for _, part := range []string{"MAJOR", "MINOR", "PATCH"} {
		_, after, ok := strings.Cut(header, "#define NODE_"+part+"_VERSION ")
		if !ok {
			break
		}
		version = append(version, numbers(strings.TrimSpace(after)))
	}
	if len(version) == 3 {
		return strings.Join(version, ".")
	}
	return numbers(im.behind(node, "/download/release/v"))
}

// maxScan is how much of a program is searched, in bytes.
const maxScan = 256 << 20

// behind is the text behind the first place where a file has a mark.
func (im image) behind(name, mark string) string {
	f, err := im.open(name)
	if err != nil {
		return ""
	}
	defer f.Close()
	const piece, text = 1 << 20, 32
	keep := len(mark) + text
	window := make([]byte, 0, piece+keep)
	for read := 0; read < maxScan; {
		n, err := io.ReadFull(f, window[len(window):cap(window)])
		window, read = window[:len(window)+n], read+n
		if at := bytes.Index(window, []byte(mark)); at >= 0 && (at+keep <= len(window) || err != nil) {
			at += len(mark)
			return string(window[at:min(at+text, len(window))])
		}
		if err != nil {
			break
		}
		window = window[:copy(window, window[len(window)-keep:])]
	}
	return ""
}

// pythonVersion is in the program's name, or that of its library's folder, and
// where headers are installed with its last number.
func (im image) pythonVersion(python string) string {
	version := numbers(strings.TrimPrefix(path.Base(python), "python"))
	if !strings.Contains(version, ".") {
		for _, folder := range im.expanded(path.Join(python, "../../lib/python*.*")) {
			if v := numbers(strings.TrimPrefix(path.Base(folder), "python")); version == "" || strings.HasPrefix(v, version+".") {
				version = v
			}
		}
	}
	header := im.text(path.Join(python, "../../include/python"+version+"/patchlevel.h"))
	if _, after, ok := strings.Cut(header, "#define PY_VERSION"); ok {
		if exact := numbers(strings.TrimLeft(after, " \t\"")); strings.HasPrefix(exact, version+".") {
			return exact
		}
	}
	return version
}

// dotnetVersion is the newest of the runtimes beside the program.
func (im image) dotnetVersion(dotnet string) string {
	newest := ""
	for _, folder := range im.expanded(path.Join(dotnet, "../shared/Microsoft.NETCore.App/*")) {
		v := numbers(path.Base(folder))
		if newest == "" || older(newest, parts(v)...) {
			newest = v
		}
	}
	return newest
}
