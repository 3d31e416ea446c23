package app

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/signalbox-otel/signalbox/internal/load"
)

// loadSettings is what the flags of `signalbox load` say.
type loadSettings struct {
	host        string
	users       int
	spawnRate   float64
	runTime     time.Duration
	timeout     time.Duration
	wait        string
	tasks       string
	maxFailures string
	endpoint    string
}

func newLoad() *cobra.Command {
	var s loadSettings
	cmd := &cobra.Command{
		Use:   "load",
		Short: "Make load: users of a web server, or OTLP at a rate",
		Long: `Load runs users who ask a web server for something, think, and ask again, so a
slow server is asked less. Only the server that --host names is asked; ask only
servers that are yours.

Without --tasks the users read and write the guestbook of 'signalbox demo'. A
task file looks like this; {1..5} is a random number:

  wait: { min: 1s, max: 5s }
  tasks:
    - path: /
      weight: 3
    - name: search
      path: /search?q={1..100}
    - method: POST
      path: /post
      form: { name: somebody, message: "message {1..5}" }

The exit code is 1 when more tasks failed than --max-failures allows.`,
		Example: `  signalbox load
  signalbox load --users 100 --spawn-rate 5 --run-time 2m
  signalbox load --host http://shop.test --tasks shop.yaml --max-failures 1%
  signalbox load --otlp-endpoint http://localhost:4318`,
		Args: exactArgs(0, "none: whom to ask is said by --host"),
	}
	f := cmd.Flags()
	f.StringVar(&s.host, "host", "http://localhost:8080", "server to ask")
	f.IntVar(&s.users, "users", 10, "how many users there are at once")
	f.Float64Var(&s.spawnRate, "spawn-rate", 1, "how many users come per second, until all are there")
	f.DurationVar(&s.runTime, "run-time", 0, "stop after this long (default: until Ctrl-C)")
	f.DurationVar(&s.timeout, "timeout", 10*time.Second, "a task that takes longer has failed")
	f.StringVar(&s.wait, "wait", "", "how long users think between tasks, as 1s,5s; instead of the task file's")
	f.StringVar(&s.tasks, "tasks", "", "YAML file of what users do (default: the guestbook's readers and writers)")
	f.StringVar(&s.maxFailures, "max-failures", "0", "how many tasks may fail, a number or a share as 1%")
	f.StringVar(&s.endpoint, "otlp-endpoint", "", "send spans and metrics of the requests to this OTLP/HTTP endpoint, as http://localhost:4318")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return s.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
	}
	return cmd
}

func (s *loadSettings) run(ctx context.Context, stdout, stderr io.Writer) error {
	allowed, err := parseAllowance(s.maxFailures)
	if err != nil {
		return usageError{err}
	}
	set, err := s.settings()
	if err != nil {
		return usageError{err}
	}
	if s.endpoint != "" {
		endpoint, err := otlpEndpoint(s.endpoint)
		if err != nil {
			return err
		}
		if set.Telemetry, err = load.NewTelemetry(ctx, endpoint, Version); err != nil {
			return err
		}
	}
	swarm, err := load.New(set)
	if err != nil {
		return usageError{err}
	}
	done := make(chan struct{})
	go func() {
		swarm.Run(ctx)
		close(done)
	}()
	fmt.Fprintf(stdout, "Asking %s.\n", set.Host)
	r := load.Reporter{Out: stdout, Live: isTerminal(stdout), Users: set.Users, RunTime: set.RunTime, Source: swarm.Snapshot}
	if err := r.Watch(done); err != nil {
		return err
	}
	if set.Telemetry != nil {
		flush, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if err := set.Telemetry.Shutdown(flush); err != nil {
			fmt.Fprintf(stderr, "The last telemetry was lost: %v\n", err)
		}
	}
	return allowed.check(swarm.Snapshot().Total())
}

// settings is the flags as settings; load.New checks them.
func (s *loadSettings) settings() (load.Settings, error) {
	set := load.Settings{Scenario: load.Guestbook(), Users: s.users, SpawnRate: s.spawnRate, RunTime: s.runTime, Timeout: s.timeout}
	var err error
	if set.Host, err = url.Parse(s.host); err != nil {
		return set, fmt.Errorf("--host: %w", err)
	}
	if s.tasks != "" {
		if set.Scenario, err = load.ReadScenario(s.tasks); err != nil {
			return set, fmt.Errorf("--tasks: %w", err)
		}
	}
	if s.wait != "" {
		from, to, two := strings.Cut(s.wait, ",")
		if !two {
			to = from
		}
		set.Scenario.Wait.Min, err = time.ParseDuration(from)
		if err == nil {
			set.Scenario.Wait.Max, err = time.ParseDuration(to)
		}
		if err != nil {
			return set, fmt.Errorf("--wait %s: %w; want two durations, as 1s,5s", s.wait, err)
		}
	}
	return set, nil
}

// allowance is how many failures are no failure of the run.
type allowance struct {
	text  string
	count uint64
	share float64
}

func parseAllowance(text string) (allowance, error) {
	a := allowance{text: text}
	var err error
	if percent, ok := strings.CutSuffix(text, "%"); ok {
		a.share, err = strconv.ParseFloat(percent, 64)
		a.share /= 100
	} else {
		a.count, err = strconv.ParseUint(text, 10, 64)
	}
	if err != nil || !(a.share >= 0 && a.share <= 1) {
		return a, fmt.Errorf("--max-failures %s: want a number or a share, as 10 or 1%%", text)
	}
	return a, nil
}

func (a allowance) check(total load.TaskStats) error {
	if total.Failures > max(a.count, uint64(a.share*float64(total.Count))) {
		return fmt.Errorf("%d of %d tasks failed; --max-failures allows %s", total.Failures, total.Count, a.text)
	}
	return nil
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
