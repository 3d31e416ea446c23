// Command startup measures what a payload adds to the start of a program: the
// processor time, user and system, and the wall time of programs that load a
// framework and end, with and without it.
//
// Invariants: the runs of both take turns, so that a busy machine slows both; what
// they send is accepted at once, by a server of this process.
package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/signalbox-otel/signalbox/images/payload"
)

// rounds is how often each program runs with and without the payload.
const rounds = 5

// subject is a program to start, and how its payload is loaded from root.
type subject struct {
	name string
	args []string
	env  func(root string) []string
}

var subjects = []subject{
	{"python", []string{"python3", "-c", "import http.server, json, logging"}, func(root string) []string {
		root += "/autoinstrumentation"
		// A container's first start finds nothing compiled.
		return []string{"PYTHONDONTWRITEBYTECODE=1", "PYTHONPATH=" + root + "/opentelemetry/instrumentation/auto_instrumentation:" + root}
	}},
	{"nodejs", []string{"node", "-e", "require('http')"}, func(root string) []string {
		return []string{"NODE_OPTIONS=--require " + root + "/autoinstrumentation/autoinstrumentation.js"}
	}},
	{"java", []string{"java", "-version"}, func(root string) []string {
		return []string{"JAVA_TOOL_OPTIONS=-javaagent:" + root + "/javaagent.jar"}
	}},
}

// cost is what one run took.
type cost struct{ cpu, wall time.Duration }

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	sink := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, "{}")
	}))
	defer sink.Close()
	fmt.Printf("median of %d runs\n%-8s %12s %12s %12s %12s\n", rounds, "", "plain CPU", "payload CPU", "added CPU", "added wall")
	for _, s := range subjects {
		dir, err := payload.Build(ctx, ".", s.name, os.Stderr)
		if err != nil {
			return err
		}
		env := append(s.env(filepath.Join(dir, "out", "root")), "OTEL_EXPORTER_OTLP_ENDPOINT="+sink.URL)
		var plain, loaded []cost
		for range rounds {
			for costs, env := range map[*[]cost][]string{&plain: nil, &loaded: env} {
				c, err := start(ctx, s, env)
				if err != nil {
					return err
				}
				*costs = append(*costs, c)
			}
		}
		p, l := median(plain), median(loaded)
		fmt.Printf("%-8s %12s %12s %12s %12s\n", s.name, ms(p.cpu), ms(l.cpu), ms(l.cpu-p.cpu), ms(l.wall-p.wall))
	}
	return nil
}

// start runs a program to its end.
func start(ctx context.Context, s subject, env []string) (cost, error) {
	cmd := exec.CommandContext(ctx, s.args[0], s.args[1:]...)
	cmd.Env = append(os.Environ(), env...)
	began := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		return cost{}, fmt.Errorf("running %s: %w\n%s", cmd, err, out)
	}
	return cost{cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), time.Since(began)}, nil
}

// median takes that of the processor times and that of the wall times.
func median(costs []cost) cost {
	var cpu, wall []time.Duration
	for _, c := range costs {
		cpu, wall = append(cpu, c.cpu), append(wall, c.wall)
	}
	slices.Sort(cpu)
	slices.Sort(wall)
	return cost{cpu[len(cpu)/2], wall[len(wall)/2]}
}

func ms(d time.Duration) string { return fmt.Sprintf("%d ms", d.Milliseconds()) }
