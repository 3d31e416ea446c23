package clients

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// program is a client that is ready to run: its command line and the folder to
// run it in.
type program struct {
	args []string
	dir  string
}

// run runs the program with these variables added to the environment and
// returns the last line that it prints: the id of its trace. A program that
// writes to stderr or leaves another exit code than 0 fails the test.
func (p program) run(t *testing.T, env map[string]string, args ...string) string {
	t.Helper()
	out, err := p.output(t, env, args...)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	return lines[len(lines)-1]
}

// output runs the program and returns what it prints to stdout.
func (p program) output(t *testing.T, env map[string]string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	args = append(p.args[1:len(p.args):len(p.args)], args...)
	cmd := exec.CommandContext(ctx, p.args[0], args...)
	cmd.Dir = p.dir
	cmd.Env = os.Environ()
	for k, v := range env {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("running %s: %w\n%s%s", cmd, err, &stdout, &stderr)
	}
	return stdout.String(), nil
}

// goProgram builds a Go program of this tree: the package at path of the module
// in folder module, both as `go build` wants them.
func goProgram(t *testing.T, name, module, path string) program {
	t.Helper()
	return goBuild(t, name, module, path)
}

// oldGoProgram builds the program in folder name with an older release of its
// client: with the requirements of name/release.mod. Where a program must know,
// the tag release2019 tells it.
func oldGoProgram(t *testing.T, name, release string) program {
	t.Helper()
	return goBuild(t, name+"-"+release, name, "-tags=release2019", "-modfile="+release+".mod", ".")
}

func goBuild(t *testing.T, name, module string, args ...string) program {
	t.Helper()
	bin := filepath.Join(cacheDir(t), "bin", key(mustAbs(t, module)), name)
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"build", "-o", bin}, args...)...)
	cmd.Dir = module
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building %s: %v\n%s", name, err, out)
	}
	return program{args: []string{bin}}
}

// nodeProgram is clients/name/script with the packages of name's lock file.
func nodeProgram(t *testing.T, name, script string) program {
	t.Helper()
	need(t, "npm")
	installed := install(t, name, need(t, "node"), []string{"package.json", "package-lock.json", ".npmrc"}, func(ctx context.Context, dir string) *exec.Cmd {
		return exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--no-update-notifier", "--prefix", dir)
	})
	// Node looks for packages beside the script, and the script is not part of
	// what is installed.
	dir := t.TempDir()
	if err := os.Symlink(filepath.Join(installed, "node_modules"), filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	base := filepath.Base(script)
	copyFile(t, filepath.Join(name, script), filepath.Join(dir, base))
	return program{args: []string{"node", base}, dir: dir}
}

// pythonProgram is clients/name/script with the packages of its requirements.
func pythonProgram(t *testing.T, name, script string) program {
	t.Helper()
	installed := install(t, name, need(t, "python3"), []string{"requirements.txt"}, func(ctx context.Context, dir string) *exec.Cmd {
		const steps = `python3 -m venv "$1/venv" && "$1/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps -r "$1/requirements.txt"`
		return exec.CommandContext(ctx, "sh", "-c", steps, "sh", dir)
	})
	return program{args: []string{filepath.Join(installed, "venv", "bin", "python"), mustAbs(t, filepath.Join(name, script))}}
}

// installing lets one test at a time install; two of them may want the same.
var installing sync.Mutex

// install returns a folder that holds these files of clients/name and what the
// command made of them. It is kept in the user's cache, named by the files'
// content and the interpreter's version, so a change of one installs anew and
// nothing else does.
func install(t *testing.T, name, version string, files []string, command func(ctx context.Context, dir string) *exec.Cmd) string {
	t.Helper()
	installing.Lock()
	defer installing.Unlock()
	contents := []string{version}
	for _, file := range files {
		b, err := os.ReadFile(filepath.Join(name, file))
		if err != nil {
			t.Fatal(err)
		}
		contents = append(contents, string(b))
	}
	parent := cacheDir(t)
	done := filepath.Join(parent, name+"-"+key(contents...))
	if _, err := os.Stat(done); err == nil {
		return done
	}
	// Another process may install the same: each in a folder of its own, and
	// the first to finish gives it the name.
	dir, err := os.MkdirTemp(parent, name+"-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	for _, file := range files {
		copyFile(t, filepath.Join(name, file), filepath.Join(dir, file))
	}
	if out, err := command(t.Context(), dir).CombinedOutput(); err != nil {
		t.Fatalf("installing packages of clients/%s: %v\n%s", name, err, out)
	}
	if err := os.Rename(dir, done); err != nil {
		if _, missing := os.Stat(done); missing != nil {
			t.Fatal(err)
		}
	}
	return done
}

// cacheDir is where what the tests install and build is kept between runs.
func cacheDir(t *testing.T) string {
	t.Helper()
	user, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(user, "signalbox", "clients")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// key names contents.
func key(contents ...string) string {
	h := sha256.New()
	for _, c := range contents {
		fmt.Fprintf(h, "%d\n%s", len(c), c)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// need returns the version of an interpreter. It fails the test when there is
// none, and says what brings it.
func need(t *testing.T, command string) string {
	t.Helper()
	version, err := exec.CommandContext(t.Context(), command, "--version").Output()
	if err != nil {
		t.Fatalf("%s is needed: %v; clients/setup.sh installs it", command, err)
	}
	return string(version)
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, b, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func mustAbs(t *testing.T, path string) string {
	t.Helper()
	abs, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return abs
}
