package app

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
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
	coordinator string
	workers     int
	worker      bool
	join        string
	web         string
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

While it runs a page shows rates, percentiles and failures, and changes the users;
--web says where, and --web= that there is none. It has no authentication: let it
listen where only you reach it.

Several machines share the users when one command coordinates and the others
work; a worker asks only the server that its own --host names:

  signalbox load --coordinator :5557 --workers 2 --users 1000 --host http://shop.test
  signalbox load --worker --join coordinator:5557 --host http://shop.test

The exit code is 1 when more tasks failed than --max-failures allows.`,
		Example: `  signalbox load
  signalbox load --users 100 --spawn-rate 5 --run-time 2m
  signalbox load --host http://shop.test --tasks shop.yaml --max-failures 1%
  signalbox load --otlp-endpoint http://localhost:4318
  signalbox load otlp traces --rate 1000`,
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
	f.StringVar(&s.coordinator, "coordinator", "", "make no load, but listen on this address, as :5557, for workers that do")
	f.IntVar(&s.workers, "workers", 1, "how many workers the coordinator waits for before it starts")
	f.BoolVar(&s.worker, "worker", false, "make load as the coordinator at --join orders")
	f.StringVar(&s.join, "join", "", "address of the coordinator, as machine:5557")
	f.StringVar(&s.web, "web", defaultLoadWeb, "address of the page that shows and steers the load; empty for none")
	cmd.MarkFlagsMutuallyExclusive("coordinator", "worker")
	cmd.MarkFlagsMutuallyExclusive("web", "worker")
	cmd.MarkFlagsRequiredTogether("worker", "join")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return s.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
	}
	cmd.AddCommand(newLoadOTLP())
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
		logUndelivered(slog.New(slog.NewTextHandler(stderr, nil)))
		if set.Telemetry, err = load.NewTelemetry(ctx, endpoint, Version); err != nil {
			return err
		}
		defer func() {
			flush, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			if err := set.Telemetry.Shutdown(flush); err != nil {
				fmt.Fprintf(stderr, "The last telemetry was lost: %v\n", err)
			}
		}()
	}
	var total load.TaskStats
	switch {
	case s.coordinator != "":
		total, err = s.coordinate(ctx, set, stdout)
	case s.worker:
		total, err = s.work(ctx, set, stdout)
	default:
		total, err = s.swarm(ctx, set, stdout)
	}
	if err != nil {
		return err
	}
	return allowed.check(total)
}

// swarm makes the load in this process.
func (s *loadSettings) swarm(ctx context.Context, set load.Settings, stdout io.Writer) (load.TaskStats, error) {
	swarm, err := load.New(set)
	if err != nil {
		return load.TaskStats{}, usageError{err}
	}
	page, err := s.openPage(stdout)
	if err != nil {
		return load.TaskStats{}, err
	}
	session := load.NewSession(set, swarm)
	done := make(chan struct{})
	go func() {
		swarm.Run(ctx)
		close(done)
	}()
	go session.Record(done)
	fmt.Fprintf(stdout, "Asking %s.\n", set.Host)
	defer s.servePage(page, shownLoad{session, nil}, stdout)()
	width, _ := terminalOf(stdout)
	r := load.Reporter{Out: stdout, Live: isTerminal(stdout), Width: width, RunTime: set.RunTime, Source: swarm.Snapshot}
	err = r.Watch(done)
	return swarm.Snapshot().Total(), err
}

// coordinate has workers make the load.
func (s *loadSettings) coordinate(ctx context.Context, set load.Settings, stdout io.Writer) (load.TaskStats, error) {
	c, err := load.NewCoordinator(set, s.workers)
	if err != nil {
		return load.TaskStats{}, usageError{err}
	}
	l, err := net.Listen("tcp", s.coordinator)
	if err != nil {
		return load.TaskStats{}, fmt.Errorf("waiting for workers on --coordinator %s: %w", s.coordinator, err)
	}
	page, err := s.openPage(stdout)
	if err != nil {
		l.Close()
		return load.TaskStats{}, err
	}
	fmt.Fprintf(stdout, "Waiting on %s for %d workers to ask %s.\n", l.Addr(), s.workers, set.Host)
	done := make(chan struct{})
	var failed error
	go func() {
		failed = c.Run(ctx, l)
		close(done)
	}()
	session := load.NewSession(set, c)
	go session.Record(done)
	defer s.servePage(page, shownLoad{session, c}, stdout)()
	width, _ := terminalOf(stdout)
	r := load.Reporter{Out: stdout, Live: isTerminal(stdout), Width: width, RunTime: set.RunTime, Source: c.Snapshot}
	if err := r.Watch(done); err != nil {
		return load.TaskStats{}, err
	}
	if _, lost := c.Workers(); lost > 0 {
		fmt.Fprintf(stdout, "\n%d workers were lost; what they did until then is counted.\n", lost)
	}
	return c.Snapshot().Total(), failed
}

// work makes the load that a coordinator orders, which has the results.
func (s *loadSettings) work(ctx context.Context, set load.Settings, stdout io.Writer) (load.TaskStats, error) {
	fmt.Fprintf(stdout, "Working for the coordinator at %s, asking %s.\n", s.join, set.Host)
	w := load.Worker{Join: s.join, Host: set.Host, Telemetry: set.Telemetry}
	if err := w.Run(ctx); err != nil {
		return load.TaskStats{}, err
	}
	fmt.Fprintf(stdout, "Done; %d tasks.\n", w.Snapshot().Total().Count)
	return load.TaskStats{}, nil
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

// of is how many of so many may fail.
func (a allowance) of(count uint64) uint64 {
	return max(a.count, uint64(a.share*float64(count)))
}

func (a allowance) check(total load.TaskStats) error {
	if total.Failures > a.of(total.Count) {
		return fmt.Errorf("%d of %d tasks failed; --max-failures allows %s", total.Failures, total.Count, a.text)
	}
	return nil
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
