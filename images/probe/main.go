// Command probe finds out what runs in a container, and gives it the agents that
// fit. Injection runs it in init containers of a pod that wants instrumentation
// of whatever language it is:
//
//	probe install DIR CONTAINER...
//	    from its own image: puts itself into the volume DIR, and for each container
//	    the variables that it has without an agent
//	probe detect DIR CONTAINER LANGUAGES READY [COMMAND...]
//	    from the container's image: looks for libc and runtimes, chooses among
//	    LANGUAGES, and adds the variables of those that are READY
//	probe deliver DIR LANGUAGE COMMAND...
//	    from an agent's image: runs COMMAND, which copies the agent, if a container
//	    uses the language, and adds its variables
//	probe native LINK GLIBC MUSL
//	    from the container's image: makes LINK lead to what fits its libc
//
// The kubelet reads the variables from the files as it starts the containers, so
// that nothing refers to an agent that is not there. What was found is said in
// the message that the init container ends with; package verdict has its form.
//
// Invariants: it writes only into the volume. But for install, without which there
// is nothing to run, it ends well whatever happens, so that the pod starts. It is
// static, needs no shell and no file of the image, and no right but to read.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/signalbox-otel/signalbox/internal/inject/verdict"
)

// messageFile is where the kubelet reads what an init container ends with.
const messageFile = "/dev/termination-log"

func main() {
	args := os.Args[1:]
	if len(args) >= 2 && args[0] == "install" {
		if err := install(args[1], args[2:], os.Environ()); err != nil {
			fmt.Fprintln(os.Stderr, "probe:", err)
			os.Exit(1)
		}
		return
	}
	message := bounded(args, patience)
	fmt.Println(message)
	if f, err := os.OpenFile(messageFile, os.O_WRONLY|os.O_TRUNC, 0); err == nil {
		fmt.Fprint(f, message)
		f.Close()
	}
}

// patience is how long a pod waits for the probe to look around.
const patience = 30 * time.Second

// bounded is run for as long as that may take. Copying takes what it takes, as it
// does without the probe.
func bounded(args []string, most time.Duration) string {
	if len(args) > 0 && args[0] == "deliver" {
		return run(args)
	}
	message := make(chan string, 1)
	go func() { message <- run(args) }()
	select {
	case m := <-message:
		return m
	case <-time.After(most):
		return said(args, fmt.Sprintf("looking at the image takes more than %s", most))
	}
}

// said is a problem as the message of the command.
func said(args []string, problem string) string {
	switch {
	case len(args) > 2 && args[0] == "detect":
		return verdict.Verdict{Container: args[2], Error: problem}.Message()
	case len(args) > 2 && args[0] == "deliver":
		return verdict.Delivery{Delivered: args[2], Error: problem}.Message()
	}
	return problem
}

// run does what must not fail, and returns its message.
func run(args []string) (message string) {
	defer func() {
		if p := recover(); p != nil {
			message = said(args, fmt.Sprintf("defect: %v", p))
		}
	}()
	switch {
	case len(args) >= 5 && args[0] == "detect":
		v, err := detect(here(), detection{
			dir: args[1], container: args[2], languages: list(args[3]), ready: list(args[4]), command: args[5:], environ: os.Environ(),
		})
		if err != nil {
			return said(args, err.Error())
		}
		return v.Message()
	case len(args) >= 4 && args[0] == "deliver":
		return deliver(args[1], args[2], args[3:]).Message()
	case len(args) == 4 && args[0] == "native":
		return native(here(), args[1], args[2], args[3])
	}
	return said(args, fmt.Sprintf("got %q; want install, detect, deliver or native", args))
}

func list(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' })
}

// here is the image that the probe runs in.
func here() image {
	dir, err := os.Getwd()
	if err != nil {
		dir = "/"
	}
	return image{root: "/", dir: dir, env: os.Getenv}
}

// Where in the volume things are.
func variablesFile(dir, container string) string { return filepath.Join(dir, "env", container) }
func planFile(dir, container string) string      { return filepath.Join(dir, "plan", container) }

// install puts the probe and what each container has without an agent into dir.
func install(dir string, containers, environ []string) error {
	for _, folder := range []string{"env", "plan"} {
		if len(containers) == 0 {
			break
		}
		path := filepath.Join(dir, folder)
		if err := os.MkdirAll(path, 0o777); err != nil {
			return fmt.Errorf("making %s: %w", path, err)
		}
		// The probe runs as another user in each image.
		if err := os.Chmod(path, 0o777); err != nil && !writable(path) {
			return fmt.Errorf("opening %s to all: %w", path, err)
		}
	}
	program, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		return fmt.Errorf("reading the probe itself: %w", err)
	}
	if err := write(filepath.Join(dir, "probe"), program, 0o755); err != nil {
		return err
	}
	for i, c := range containers {
		p := plan{Base: prefixed(environ, fmt.Sprintf("%s%d_", verdict.BasePrefix, i))}
		if err := p.save(dir, c); err != nil {
			return err
		}
	}
	return nil
}

// writable reports whether files can be made in a folder.
func writable(folder string) bool {
	f, err := os.CreateTemp(folder, ".try-")
	if err != nil {
		return false
	}
	f.Close()
	os.Remove(f.Name())
	return true
}

// write replaces a file at once: whoever reads it sees all of it or what was there
// before.
func write(path string, content []byte, mode os.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-")
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Chmod(mode)
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}

// native makes a link to one of two folders, by the libc of the image. Where none
// is known it is glibc's, as without a probe.
func native(im image, link, gnu, musl string) string {
	target := gnu
	libc := im.libc()
	if libc == verdict.Musl {
		target = musl
	}
	err := os.MkdirAll(filepath.Dir(link), 0o777)
	if err == nil {
		os.Remove(link)
		err = os.Symlink(target, link)
	}
	if err != nil {
		return fmt.Sprintf("linking %s: %v", link, err)
	}
	return fmt.Sprintf("%s leads to %s (libc: %q)", link, target, libc)
}
