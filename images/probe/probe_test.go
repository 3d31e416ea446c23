package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/signalbox-otel/signalbox/internal/inject/verdict"
)

// built is the probe as its image has it.
func built(t *testing.T) string {
	t.Helper()
	out := t.TempDir()
	if said, err := exec.Command("./rootfs.sh", out).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	program := filepath.Join(out, "root", "probe")
	info, err := os.Stat(program)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("the probe has %d bytes", info.Size())
	if most := int64(3 << 20); info.Size() > most {
		t.Errorf("the probe has %d bytes; want at most %d", info.Size(), most)
	}
	return program
}

// within runs the probe as a container does whose image is root. The volume is
// the folder /v in it. A nobody runs it, so that it must do without rights.
func within(t *testing.T, root string, environ []string, args ...string) string {
	t.Helper()
	cmd := exec.Command("/v/probe", args...)
	cmd.Dir, cmd.Env = "/", append([]string{}, environ...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("probe %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// The real probe in real roots: what is installed once chooses for each container,
// and an agent is copied when a container wants it.
func TestRoots(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("changes its root, which only root may")
	}
	program := built(t)
	shared, err := os.MkdirTemp("/tmp", "probe-volume-") // a temporary folder of the test has parents that are closed to nobody
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(shared) })
	if err := os.Chmod(shared, 0o777); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "install", shared, "here", "scratch", "musl")
	cmd.Env = []string{"SIGNALBOX_BASE_1_NODE_OPTIONS=--of-the-pod"}
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	// Each root has the volume at /v.
	mounted := func(files map[string]string) string {
		root := folder(t, files)
		for dir := root; dir != "/tmp" && dir != "/"; dir = filepath.Dir(dir) {
			if err := os.Chmod(dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Mkdir(filepath.Join(root, "v"), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Mount(shared, filepath.Join(root, "v"), "", syscall.MS_BIND, ""); err != nil {
			t.Skip("mounts are not allowed here:", err)
		}
		t.Cleanup(func() {
			if err := syscall.Unmount(filepath.Join(root, "v"), 0); err != nil {
				t.Error(err)
			}
		})
		return root
	}
	environ := []string{"PATH=/usr/bin", "SIGNALBOX_SET_PYTHON_PYTHONPATH=/p", "SIGNALBOX_SET_NODEJS_NODE_OPTIONS=--require /n"}
	scratch := mounted(nil)
	musl := mounted(map[string]string{"/usr/bin/python3.12*": executable(t, muslLoader), "/lib/ld-musl-x86_64.so.1*": executable(t, "")})
	message := within(t, scratch, environ, "detect", "/v", "scratch", "nodejs,python", "", "/shop")
	if want := `{"container":"scratch","entry":"/shop"}` + "\n"; message != want {
		t.Errorf("scratch: got %s; want %s", message, want)
	}
	message = within(t, musl, environ, "detect", "/v", "musl", "nodejs,python", "")
	if want := `{"container":"musl","libc":"musl","runtimes":[{"language":"python","version":"3.12","path":"/usr/bin/python3.12","used":true}]}` + "\n"; message != want {
		t.Errorf("musl: got %s; want %s", message, want)
	}
	out, err := exec.Command(filepath.Join(shared, "probe"), "detect", shared, "here", "python", "").Output()
	if v, parsed := verdict.Parse(string(out)); err != nil || parsed != nil || v.Libc != verdict.GNU && v.Libc != verdict.Musl {
		t.Errorf("here: %v, %s", err, out)
	}

	// Nobody uses Node.js, so that nothing is run; what runs and fails is told; what
	// works brings the variables.
	file := func(container string) string {
		content, err := os.ReadFile(variablesFile(shared, container))
		if err != nil {
			t.Fatal(err)
		}
		return string(content)
	}
	agent := mounted(map[string]string{"/autoinstrumentation/x": "", "/autoinstrumentation-musl/x": "of musl"})
	if got, want := within(t, agent, nil, "deliver", "/v", "nodejs", "/no/such/program"), `{"delivered":"nodejs"}`+"\n"; got != want {
		t.Errorf("got %s; want %s", got, want)
	}
	d, err := verdict.ParseDelivery(within(t, agent, nil, "deliver", "/v", "python", "/no/such/program"))
	if err != nil || len(d.Failed) == 0 || !strings.Contains(d.Error, "no such file") {
		t.Errorf("got %+v, %v; want an error", d, err)
	}
	if got := file("musl"); got != "" {
		t.Errorf("an agent that is not there gives variables: %s", got)
	}
	if got, want := file("scratch"), "NODE_OPTIONS='--of-the-pod'\n"; got != want {
		t.Errorf("got %q; want %q", got, want)
	}
}

// An agent whose image has a folder for each libc is copied from the one that
// fits; what fits nobody's is told.
func TestByLibc(t *testing.T) {
	if _, err := os.Stat(muslTree); err == nil {
		t.Skip("this machine has", muslTree)
	}
	command, left := byLibc([]string{"cp", "-r", gnuTree, "/x"}, map[string]*plan{"a": {Verdict: verdict.Verdict{Libc: verdict.Musl}}})
	if diff := cmp.Diff([]string{"cp", "-r", gnuTree, "/x"}, command); diff != "" || len(left) > 0 {
		t.Errorf("of one folder for all: %v, %s", left, diff)
	}
}

// Whatever is wrong, the probe ends well, and says so in its message.
func TestNeverFails(t *testing.T) {
	f := func(want string, args ...string) {
		t.Helper()
		if got := run(args); !strings.Contains(got, want) {
			t.Errorf("probe %q: got %s; want %q", args, got, want)
		}
	}
	dir := t.TempDir()
	f("want install, detect, deliver or native")
	f("want install", "detect")
	f(`{"container":"app","error":"reading the plan of container app: open `, "detect", dir, "app", "python", "")
	f(`{"delivered":"python","error":"reading the plans: open `, "deliver", dir, "python", "cp")
	if got, want := bounded([]string{"detect", dir, "app", "python", ""}, 0), `{"container":"app","error":"`; !strings.HasPrefix(got, want) {
		t.Errorf("without time: got %s; want %s", got, want)
	}
	f("linking", "native", "/dev/null/x", "a", "b")
	if err := install(dir, []string{"app"}, nil); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(planFile(dir, "app"), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	f("unexpected end of JSON", "detect", dir, "app", "python", "")
	f("unexpected end of JSON", "deliver", dir, "python", "cp")
}

// Installing again, as a pod whose sandbox is made anew does, begins again.
func TestAgain(t *testing.T) {
	dir := t.TempDir()
	for range 2 {
		if err := install(dir, []string{"a", "b"}, []string{"SIGNALBOX_BASE_1_X=it's", "SIGNALBOX_BASE_1_Y=$(Z)\nz"}); err != nil {
			t.Fatal(err)
		}
		content, err := os.ReadFile(variablesFile(dir, "b"))
		if err != nil || string(content) != "Y='$(Z)\nz'\n" {
			t.Errorf("got %q, %v; want what can be quoted", content, err)
		}
		p, err := load(dir, "a")
		if err != nil {
			t.Fatal(err)
		}
		p.Verdict = verdict.Verdict{Container: "a", Runtimes: []verdict.Runtime{{Language: verdict.Python, Used: true}}}
		p.Variables = map[string]map[string]string{verdict.Python: {"P": "1"}, verdict.Java: {"J": "2"}}
		if err := p.save(dir, "a"); err != nil {
			t.Fatal(err)
		}
		if d := deliver(dir, verdict.Python, []string{"/bin/true"}); len(d.Containers) != 1 || d.Error != "" {
			text, _ := json.Marshal(d)
			t.Errorf("got %s", text)
		}
		if content, err = os.ReadFile(variablesFile(dir, "a")); err != nil || string(content) != "P='1'\n" {
			t.Errorf("got %q, %v; want the variables of Python", content, err)
		}
	}
}

// native leads to what fits, and to glibc's where nothing is known.
func TestNative(t *testing.T) {
	f := func(want string, files map[string]string) {
		t.Helper()
		link := filepath.Join(t.TempDir(), "app", "native")
		for range 2 {
			native(image{root: folder(t, files), env: func(string) string { return "" }}, link, "../linux", "../linux-musl")
		}
		if got, err := os.Readlink(link); err != nil || got != want {
			t.Errorf("%v: got %q, %v; want %q", files, got, err, want)
		}
	}
	f("../linux", nil)
	f("../linux", map[string]string{"/lib64/ld-linux-x86-64.so.2*": ""})
	f("../linux-musl", map[string]string{"/lib/ld-musl-aarch64.so.1*": ""})
	f("../linux", map[string]string{"/lib/ld-musl-x86_64.so.1*": "", "/bin/sh*": executable(t, gnuLoader)})
}
