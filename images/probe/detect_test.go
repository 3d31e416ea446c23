package main

import (
	"debug/elf"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/signalbox-otel/signalbox/internal/inject/verdict"
)

// Loaders of programs.
const (
	gnuLoader  = "/lib64/ld-linux-x86-64.so.2"
	muslLoader = "/lib/ld-musl-x86_64.so.1"
)

// executable is a program that has nothing but a dynamic loader, or not even one.
func executable(t testing.TB, loader string) string {
	t.Helper()
	var b strings.Builder
	put := func(v any) {
		if err := binary.Write(&b, binary.LittleEndian, v); err != nil {
			t.Fatal(err)
		}
	}
	h := elf.Header64{Type: uint16(elf.ET_EXEC), Machine: uint16(elf.EM_X86_64), Version: 1, Ehsize: 64, Phentsize: 56, Shentsize: 64}
	copy(h.Ident[:], "\x7fELF\x02\x01\x01")
	if loader != "" {
		h.Phoff, h.Phnum = 64, 1
	}
	put(h)
	if loader != "" {
		text := loader + "\x00"
		put(elf.Prog64{Type: uint32(elf.PT_INTERP), Off: 64 + 56, Filesz: uint64(len(text))})
		b.WriteString(text)
	}
	return b.String()
}

// folder makes a root of the files: names that end in "@" are links to what is
// given, those that end in "*" executable.
func folder(t testing.TB, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		path := filepath.Join(root, strings.TrimRight(name, "@*"))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		switch {
		case strings.HasSuffix(name, "@"):
			err = os.Symlink(content, path)
		case strings.HasSuffix(name, "*"):
			err = os.WriteFile(path, []byte(content), 0o755)
		default:
			err = os.WriteFile(path, []byte(content), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// told is a verdict in short: libc, then language, version, path and reason of
// each runtime.
func told(v verdict.Verdict) []string {
	all := []string{v.Libc}
	for _, r := range v.Runtimes {
		text := strings.Join(strings.Fields(r.Language+" "+r.Version+" "+r.Path+" "+string(r.Reason)), " ")
		if r.Used {
			text += " used"
		}
		all = append(all, text)
	}
	return all
}

// detects runs install and detect on an image, with variables as injection writes
// them.
func detects(t *testing.T, im image, command ...string) (verdict.Verdict, string) {
	t.Helper()
	dir := t.TempDir()
	if err := install(dir, []string{"app"}, []string{"SIGNALBOX_BASE_0_NODE_OPTIONS=--of-the-pod"}); err != nil {
		t.Fatal(err)
	}
	v, err := detect(im, detection{
		dir: dir, container: "app", command: command,
		languages: []string{verdict.Java, verdict.NodeJS, verdict.Python, verdict.DotNet},
		ready:     []string{verdict.Java, verdict.NodeJS, verdict.Python, verdict.DotNet},
		environ: []string{
			"SIGNALBOX_ADD_JAVA_JAVA_TOOL_OPTIONS={} -javaagent:/j/agent.jar", "SIGNALBOX_SET_NODEJS_NODE_OPTIONS=--of-the-pod --require /n.js",
			"SIGNALBOX_ADD_PYTHON_PYTHONPATH=/p/first:{}:/p", "SIGNALBOX_SET_PYTHON_OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf",
			"SIGNALBOX_ADD_DOTNET_DOTNET_STARTUP_HOOKS={}:/d/hook.dll",
			"SIGNALBOX_SET_DOTNET_CORECLR_PROFILER_PATH=/otel-auto-instrumentation-dotnet/linux/x.so",
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	written, err := os.ReadFile(variablesFile(dir, "app"))
	if err != nil {
		t.Fatal(err)
	}
	return v, string(written)
}

// Images as they are made, with what is found in them and the variables that come
// of it.
func TestImages(t *testing.T) {
	self, err := os.ReadFile(must(os.Executable()))
	if err != nil {
		t.Fatal(err)
	}
	gnu, musl, static := executable(t, gnuLoader), executable(t, muslLoader), executable(t, "")
	const jdk = "/usr/lib/jvm/java-17"
	base := "NODE_OPTIONS='--of-the-pod'\n"
	for name, c := range map[string]struct {
		files   map[string]string
		env     map[string]string
		dir     string
		command []string
		want    []string
		written string
	}{
		"python slim": {
			files: map[string]string{
				"/bin/sh*": gnu, "/usr/local/bin/python3.12*": gnu, "/usr/local/bin/python3@": "python3.12", "/usr/local/bin/python@": "/usr/local/bin/python3",
				"/usr/local/include/python3.12/patchlevel.h": "#define PY_VERSION      \t\"3.12.4\"\n", "/usr/local/bin/python3-config*": "#!/bin/sh\n",
			},
			env:     map[string]string{"PATH": "/usr/local/bin:/usr/bin:/bin", "PYTHONPATH": "/app:/lib"},
			want:    []string{"glibc", "python 3.12.4 /usr/local/bin/python used"},
			written: base + "OTEL_EXPORTER_OTLP_PROTOCOL='http/protobuf'\nPYTHONPATH='/p/first:/app:/lib:/p'\n",
		},
		"python alpine": {
			files:   map[string]string{"/bin/busybox*": musl, "/bin/sh@": "/bin/busybox", "/usr/bin/python3.11*": musl},
			env:     map[string]string{"PATH": "/usr/bin"},
			want:    []string{"musl", "python 3.11 /usr/bin/python3.11 used"},
			written: base + "OTEL_EXPORTER_OTLP_PROTOCOL='http/protobuf'\nPYTHONPATH='/p/first:/p'\n",
		},
		"python in a virtual environment, too old": {
			files:   map[string]string{"/srv/.venv/bin/python@": "/opt/python3.9/bin/python3.9", "/opt/python3.9/bin/python3.9*": gnu},
			dir:     "/srv",
			want:    []string{"glibc", "python 3.9 /srv/.venv/bin/python TooOld"},
			written: base,
		},
		"node, distroless": {
			files: map[string]string{
				"/nodejs/bin/node*": gnu + strings.Repeat("x", 3<<20) + "https://nodejs.org/download/release/v20.11.1/node-v20.11.1.tar.gz", "/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2*": gnu,
			},
			want:    []string{"glibc", "nodejs 20.11.1 /nodejs/bin/node used"},
			written: "NODE_OPTIONS='--of-the-pod --require /n.js'\n",
		},
		"node, too old, and an agent": {
			files: map[string]string{
				"/usr/bin/node*": musl, "/usr/include/node/node_version.h": "#define NODE_MAJOR_VERSION 20\n#define NODE_MINOR_VERSION 5\n#define NODE_PATCH_VERSION 1\n",
				jdk + "/bin/java*": musl, jdk + "/lib/libinstrument.so": "", jdk + "/release": "JAVA_VERSION=\"17.0.2\"\n",
			},
			env:     map[string]string{"JAVA_TOOL_OPTIONS": "-javaagent:/opentelemetry-javaagent.jar"},
			want:    []string{"musl", "nodejs 20.5.1 /usr/bin/node TooOld", "java 17.0.2 /usr/lib/jvm/java-17/bin/java OtherAgent"},
			written: base,
		},
		"java": {
			files: map[string]string{
				"/opt/java/openjdk/bin/java*": gnu, "/opt/java/openjdk/lib/libinstrument.so": "", "/opt/java/openjdk/release": "IMPLEMENTOR=\"x\"\nJAVA_VERSION=\"21.0.1\"\n",
			},
			env:     map[string]string{"JAVA_TOOL_OPTIONS": "-Xmx1g"},
			want:    []string{"glibc", "java 21.0.1 /opt/java/openjdk/bin/java used"},
			written: "JAVA_TOOL_OPTIONS='-Xmx1g -javaagent:/j/agent.jar'\n" + base,
		},
		"java 8": {
			files: map[string]string{
				"/usr/lib/jvm/java-8/jre/bin/java*": gnu, "/usr/lib/jvm/java-8/jre/lib/amd64/libinstrument.so": "", "/usr/lib/jvm/java-8/release": "JAVA_VERSION=\"1.8.0_402\"\n",
			},
			want:    []string{"glibc", "java 8.0 /usr/lib/jvm/java-8/jre/bin/java used"},
			written: "JAVA_TOOL_OPTIONS=' -javaagent:/j/agent.jar'\n" + base,
		},
		"java without what loads agents": {
			files:   map[string]string{"/opt/jre/bin/java*": gnu, "/opt/jre/release": "JAVA_VERSION=\"21\"\n"},
			want:    []string{"glibc", "java 21 /opt/jre/bin/java Incomplete"},
			written: base,
		},
		"a variable that cannot be kept": {
			files:   map[string]string{"/opt/jre/bin/java*": gnu, "/opt/jre/lib/libinstrument.so": ""},
			env:     map[string]string{"JAVA_TOOL_OPTIONS": "-Dname='a b'"},
			want:    []string{"glibc", "java /opt/jre/bin/java BadVariable"},
			written: base,
		},
		".NET on musl": {
			files:   map[string]string{"/usr/share/dotnet/dotnet*": musl, "/usr/bin/dotnet@": "/usr/share/dotnet/dotnet", "/usr/share/dotnet/shared/Microsoft.NETCore.App/8.0.11/x": "", "/usr/share/dotnet/shared/Microsoft.NETCore.App/8.0.2/x": ""},
			env:     map[string]string{"PATH": "/usr/bin"},
			want:    []string{"musl", "dotnet 8.0.11 /usr/bin/dotnet used"},
			written: "CORECLR_PROFILER_PATH='/otel-auto-instrumentation-dotnet/linux-musl/x.so'\nDOTNET_STARTUP_HOOKS='/d/hook.dll'\n" + base,
		},
		".NET that is part of the application": {
			files: map[string]string{
				"/app/shop*": gnu, "/app/libcoreclr.so": "", "/lib64/ld-linux-x86-64.so.2*": static,
				"/app/shop.deps.json": `{"targets": {"runtimepack.Microsoft.NETCore.App.Runtime.linux-x64/9.0.1": {}}}`,
			},
			env:     map[string]string{"DOTNET_STARTUP_HOOKS": "/own.dll"},
			dir:     "/app",
			want:    []string{"glibc", "dotnet 9.0.1 /app/libcoreclr.so used"},
			written: "CORECLR_PROFILER_PATH='/otel-auto-instrumentation-dotnet/linux/x.so'\nDOTNET_STARTUP_HOOKS='/own.dll:/d/hook.dll'\n" + base,
		},
		".NET with another profiler": {
			files:   map[string]string{"/usr/share/dotnet/dotnet*": gnu, "/usr/share/dotnet/shared/Microsoft.NETCore.App/8.0.11/x": ""},
			env:     map[string]string{"CORECLR_PROFILER": "{X}"},
			want:    []string{"glibc", "dotnet 8.0.11 /usr/share/dotnet/dotnet OtherAgent"},
			written: base,
		},
		"what the pod starts": {
			files:   map[string]string{"/usr/bin/python3.11*": gnu, "/usr/bin/node*": gnu, "/app/run*": "#!/usr/bin/env -S node --x\n", "/usr/bin/env*": gnu},
			env:     map[string]string{"PATH": "/usr/bin"},
			command: []string{"/app/run"},
			want:    []string{"glibc", "nodejs /usr/bin/node used", "python 3.11 /usr/bin/python3.11 NotStarted"},
			written: "NODE_OPTIONS='--of-the-pod --require /n.js'\n",
		},
		"two languages": {
			files:   map[string]string{"/usr/bin/python3.11*": gnu, "/usr/bin/node*": gnu, "/bin/sh*": gnu},
			env:     map[string]string{"PATH": "/usr/bin:/bin"},
			command: []string{"sh", "-c", "node x & exec python3 y"},
			want:    []string{"glibc", "nodejs /usr/bin/node used", "python 3.11 /usr/bin/python3.11 used"},
			written: "NODE_OPTIONS='--of-the-pod --require /n.js'\nOTEL_EXPORTER_OTLP_PROTOCOL='http/protobuf'\nPYTHONPATH='/p/first:/p'\n",
		},
		"scratch": {
			files:   map[string]string{"/shop*": string(self)},
			want:    []string{"", "go " + strings.TrimPrefix(runtime.Version(), "go") + " /shop NoAgent"},
			written: base,
		},
		"nothing":     {want: []string{""}, written: base},
		"other files": {files: map[string]string{"/usr/bin/python3": gnu, "/usr/bin/node*": "#!/bin/sh\n", "/usr/bin/java@": "/usr/bin/java", "/usr/bin/dotnet@": "/gone"}, env: map[string]string{"PATH": "/usr/bin"}, want: []string{""}, written: base},
	} {
		t.Run(name, func(t *testing.T) {
			root := folder(t, c.files)
			v, written := detects(t, image{root: root, dir: c.dir, env: func(name string) string { return c.env[name] }}, c.command...)
			if diff := cmp.Diff(c.want, told(v)); diff != "" {
				t.Errorf("verdict (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.written, written); diff != "" {
				t.Errorf("variables (-want +got):\n%s", diff)
			}
			if _, err := verdict.Parse(v.Message()); err != nil || v.Container != "app" {
				t.Errorf("message %s: %v", v.Message(), err)
			}
		})
	}
}

func must(path string, err error) string {
	if err != nil {
		panic(err)
	}
	return path
}

// What this machine has is found, as it says itself.
func TestThisMachine(t *testing.T) {
	v, _ := detects(t, image{root: "/", dir: "/", env: os.Getenv})
	if want := map[bool]string{true: verdict.GNU, false: v.Libc}[exec.Command("ldd", "--version").Run() == nil]; v.Libc != want {
		t.Errorf("libc is %s; want %s", v.Libc, want)
	}
	for _, c := range []struct{ language, program, flag string }{
		{verdict.Python, "python3", "--version"}, {verdict.NodeJS, "node", "--version"}, {verdict.Java, "java", "-version"},
	} {
		if _, err := exec.LookPath(c.program); err != nil {
			t.Logf("there is no %s here", c.program)
			continue
		}
		said, err := exec.Command(c.program, c.flag).CombinedOutput()
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, r := range v.Runtimes {
			found = found || r.Language == c.language && r.Version != "" && strings.Contains(string(said), r.Version)
		}
		if !found {
			t.Errorf("%s says %s; got %q", c.program, said, told(v))
		}
	}
}

// Whatever files are called runtimes, looking at them ends well, and what is said
// of them can be read.
func FuzzRuntimes(f *testing.F) {
	f.Add([]byte("\x7fELF"), "JAVA_VERSION=\"17.0.1\"", "#define NODE_MAJOR_VERSION 20")
	f.Add([]byte("#!/usr/bin/env python3"), "JAVA_VERSION=\"", "#define PY_VERSION")
	f.Add([]byte(executable(f, muslLoader)), "JAVA_VERSION=\"1.8.0_402\"", "#define PY_VERSION \"3.11.2\"")
	f.Fuzz(func(t *testing.T, content []byte, release, header string) {
		text := string(content)
		im := image{root: folder(t, map[string]string{
			"/usr/bin/python3*": text, "/usr/bin/node*": text, "/usr/bin/dotnet*": text, "/bin/sh*": text, "/opt/jre/bin/java*": text, "/opt/jre/release": release,
			"/opt/jre/lib/libinstrument.so": "", "/usr/include/node/node_version.h": header, "/usr/include/python3.11/patchlevel.h": header,
			"/usr/lib/python3.11/x": "", "/usr/bin/shared/Microsoft.NETCore.App/8.0.1/x": "",
		}), dir: "/usr/bin", env: func(name string) string {
			return map[string]string{"PATH": "/usr/bin", "JAVA_TOOL_OPTIONS": release}[name]
		}}
		v := verdict.Verdict{Container: "app", Libc: im.libc()}
		v.Entry, _ = im.entry([]string{"/usr/bin/python3"})
		for _, f := range append(im.runtimes(), im.goPrograms()...) {
			im.judge(&f.Runtime, detection{languages: []string{verdict.Java, verdict.NodeJS}}, "", map[string]map[string]string{})
			v.Runtimes = append(v.Runtimes, f.Runtime)
		}
		if _, err := verdict.Parse(v.Message()); err != nil {
			t.Error(err)
		}
	})
}
