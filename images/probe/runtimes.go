package main

import (
	"path"
	"slices"
	"strings"

	"github.com/signalbox-otel/signalbox/internal/inject/verdict"
)

// finding is a runtime that was found, and the libc that it uses.
type finding struct {
	verdict.Runtime
	libc string
}

// maxFindings bounds how many runtimes are told of.
const maxFindings = 16

// folders are where runtimes are, as images have them.
func (im image) folders() []string {
	all := strings.Split(im.env("PATH"), ":")
	for _, variable := range []string{"JAVA_HOME", "VIRTUAL_ENV", "CONDA_PREFIX", "NVM_BIN", "DOTNET_ROOT"} {
		if home := im.env(variable); home != "" {
			all = append(all, path.Join(home, "bin"), home)
		}
	}
	for _, name := range []string{".", "bin", ".venv/bin", "venv/bin", "jre/bin", "jdk/bin", "runtime/bin"} {
		all = append(all, path.Join("/", im.dir, name))
	}
	for _, pattern := range []string{
		"/usr/local/bin", "/usr/bin", "/bin", "/usr/local/sbin", "/usr/local/*/bin", "/opt/*/bin", "/opt/*/*/bin", "/opt/*",
		"/usr/lib/jvm/*/bin", "/usr/lib/jvm/*/jre/bin", "/usr/java/*/bin",
		"/nodejs/bin", "/usr/local/nvm/versions/node/*/bin", "/root/.nvm/versions/node/*/bin", "/home/*/.nvm/versions/node/*/bin",
		"/venv/bin", "/*/.venv/bin", "/*/venv/bin", "/layers/*/*/bin", "/root/.pyenv/versions/*/bin",
		"/usr/share/dotnet", "/usr/lib/dotnet", "/usr/lib64/dotnet", "/dotnet",
	} {
		all = append(all, im.expanded(pattern)...)
	}
	seen := map[string]bool{}
	return slices.DeleteFunc(all, func(folder string) bool {
		real, err := im.real(folder)
		bad := folder == "" || err != nil || seen[real]
		seen[real] = true
		return bad
	})
}

// languageOf is the language of a program by its name, or nothing.
func languageOf(name string) string {
	switch name = path.Base(name); {
	case strings.HasPrefix(name, "python") && strings.Trim(name[len("python"):], "0123456789.") == "":
		return verdict.Python
	case name == "node" || name == "nodejs":
		return verdict.NodeJS
	case name == "java":
		return verdict.Java
	case name == "dotnet":
		return verdict.DotNet
	}
	return ""
}

// runtimes are all that the image has.
func (im image) runtimes() []finding {
	var all []finding
	seen := map[string]bool{}
	for _, folder := range im.folders() {
		for _, name := range im.entries(folder) {
			language := languageOf(name)
			if language == "" {
				continue
			}
			p, ok := im.program(path.Join(folder, name))
			if !ok || seen[language+" "+p.path] || len(all) >= maxFindings {
				continue
			}
			seen[language+" "+p.path] = true
			all = append(all, im.runtime(language, path.Join(folder, name), p))
		}
	}
	if f, ok := im.selfContained(); ok {
		all = append(all, f)
	}
	return all
}

// runtime is what is known of one, besides its name without judgement.
func (im image) runtime(language, name string, p program) finding {
	f := finding{verdict.Runtime{Language: language, Path: name}, p.libc}
	switch language {
	case verdict.Java:
		f.Version = im.javaVersion(p.path)
		if !im.loadsAgents(p.path) {
			f.Reason, f.Message = verdict.Incomplete, "this JVM was made without the module java.instrument: add it where the runtime is made (jlink)"
		}
	case verdict.NodeJS:
		f.Version = im.nodeVersion(p.path)
	case verdict.Python:
		f.Version = im.pythonVersion(p.path)
	case verdict.DotNet:
		f.Version = im.dotnetVersion(p.path)
		if f.Version == "" {
			f.Reason, f.Message = verdict.Incomplete, "there is the program dotnet, and no runtime beside it"
		}
	}
	return f
}

// selfContained is a .NET runtime that lies beside the application.
func (im image) selfContained() (finding, bool) {
	for _, dir := range []string{im.dir, "/app"} {
		for _, name := range []string{"libcoreclr.so", "libhostpolicy.so"} {
			library := path.Join("/", dir, name)
			if !im.has(library) {
				continue
			}
			version := ""
			for _, deps := range im.expanded(path.Join("/", dir, "*.deps.json")) {
				if _, after, ok := strings.Cut(im.text(deps), "Microsoft.NETCore.App.Runtime."); ok {
					_, after, _ = strings.Cut(after, "/")
					version = numbers(after)
					break
				}
			}
			return finding{verdict.Runtime{Language: verdict.DotNet, Version: version, Path: library}, im.libc()}, true
		}
	}
	return finding{}, false
}

// maxPrograms bounds how many files are looked at for programs of Go.
const maxPrograms = 64

// goPrograms are those in the folders where images of one program have it.
func (im image) goPrograms() []finding {
	looked := 0
	var all []finding
	for _, folder := range []string{"/", im.dir, "/app", "/bin", "/usr/local/bin", "/ko-app", "/workspace"} {
		for _, name := range im.entries(folder) {
			if looked++; looked > maxPrograms || len(all) == 3 {
				return all
			}
			if p, ok := im.program(path.Join(folder, name)); ok && p.goVersion != "" && !slices.ContainsFunc(all, func(f finding) bool { return f.Path == p.path }) {
				all = append(all, ofGo(p))
			}
		}
	}
	return all
}

func ofGo(p program) finding {
	return finding{verdict.Runtime{
		Language: verdict.Go, Version: p.goVersion, Path: p.path,
		Reason: verdict.NoAgent, Message: "programs of Go are instrumented from beside them: see the annotation inject-go",
	}, p.libc}
}

// wrappers start the program that their arguments name.
var wrappers = []string{"env", "tini", "tini-static", "dumb-init", "catatonit", "nice", "exec", "setpriv"}

// entry is the program that a command starts, as far as can be seen, and the
// language of it: a script is of its interpreter's.
func (im image) entry(command []string) (name, language string) {
	for range maxLinks {
		if len(command) == 0 {
			return name, ""
		}
		found, ok := im.look(command[0])
		if !ok {
			return command[0], ""
		}
		name = found
		if slices.Contains(wrappers, path.Base(command[0])) {
			command = wrapped(command[1:])
			continue
		}
		if language = languageOf(command[0]); language != "" {
			return name, language
		}
		line, _, _ := strings.Cut(im.text(name), "\n")
		interpreter, script := strings.CutPrefix(line, "#!")
		if !script {
			return name, ""
		}
		command = strings.Fields(interpreter)
	}
	return name, ""
}

// wrapped are the arguments from the first on that is a program's name.
func wrapped(args []string) []string {
	for i, a := range args {
		if a == "--" {
			return args[i+1:]
		}
		if !strings.HasPrefix(a, "-") && !strings.Contains(a, "=") {
			return args[i:]
		}
	}
	return nil
}

// look finds a program as an exec does.
func (im image) look(name string) (string, bool) {
	if strings.Contains(name, "/") {
		real, err := im.real(name)
		return real, err == nil
	}
	for folder := range strings.SplitSeq(im.env("PATH"), ":") {
		if real, err := im.real(path.Join("/", folder, name)); folder != "" && err == nil {
			return real, true
		}
	}
	return "", false
}
