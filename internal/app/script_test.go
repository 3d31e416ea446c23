package app

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"
)

// TestMain lets the scripts run the real main: testscript starts this test
// binary again under the name signalbox.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"signalbox":      func() { os.Exit(Main()) },
		"otelcol":        func() { os.Exit(Main()) },
		"otelcontribcol": func() { os.Exit(Main()) },
	})
}

// TestScripts runs testdata/*.txtar: exit code, stdout and stderr of real
// commands, a few of which leave a real server running for the next line.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("XDG_DATA_HOME", env.WorkDir+"/data-home")
			env.Setenv("HOME", env.WorkDir)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"freeports": freePorts,
			"awaiturl":  awaitURL,
			"awaitout":  awaitOut,
			"holdport":  holdPort,
			"now":       setNow,
			"post":      post,
			"fetch":     fetch,
			"damage":    damage,
		},
	})
}

// freePorts sets each variable that its arguments name to a port that is free
// for TCP and UDP now.
func freePorts(ts *testscript.TestScript, _ bool, names []string) {
	for _, name := range names {
		for {
			l, err := net.Listen("tcp", "localhost:0")
			ts.Check(err)
			defer l.Close()
			u, err := net.ListenPacket("udp", l.Addr().String())
			if err != nil {
				continue
			}
			defer u.Close()
			_, port, _ := net.SplitHostPort(l.Addr().String())
			ts.Setenv(name, port)
			break
		}
	}
}

// awaitURL waits, for at most 20 s, until a URL answers 200. The server is
// another process, so there is nothing else to wait on.
func awaitURL(ts *testscript.TestScript, _ bool, args []string) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		resp, err := http.Get(args[0])
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case <-ctx.Done():
			ts.Fatalf("%s does not answer: %v", args[0], err)
		case <-tick.C:
		}
	}
}

// awaitOut runs a command again and again, for at most 20 s, until its output
// matches a regular expression. What it asks for is on its way through another
// process, so there is nothing else to wait on.
func awaitOut(ts *testscript.TestScript, _ bool, args []string) {
	want, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ts.Exec(args[1], args[2:]...)
		out := ts.ReadFile("stdout")
		if err == nil && want.MatchString(out) {
			return
		}
		select {
		case <-ctx.Done():
			ts.Fatalf("%q: got %v and\n%s\nwant a match for %s", args[1:], err, out, want)
		case <-tick.C:
		}
	}
}

// holdPort sets a variable to a port that stays taken until the script ends.
func holdPort(ts *testscript.TestScript, _ bool, args []string) {
	l, err := net.Listen("tcp", "localhost:0")
	ts.Check(err)
	ts.Defer(func() { l.Close() })
	_, port, _ := net.SplitHostPort(l.Addr().String())
	ts.Setenv(args[0], port)
}

// setNow sets NOW to the Unix time in seconds, NEXT to the second after it.
func setNow(ts *testscript.TestScript, _ bool, _ []string) {
	now := time.Now().Unix() - 2
	ts.Setenv("NOW", strconv.FormatInt(now, 10))
	ts.Setenv("NEXT", strconv.FormatInt(now+1, 10))
}

// post sends a JSON file to a URL, its ${NAME}s replaced by the script's
// variables, and wants 200.
func post(ts *testscript.TestScript, _ bool, args []string) {
	body := os.Expand(ts.ReadFile(args[1]), ts.Getenv)
	resp, err := http.Post(args[0], "application/json", strings.NewReader(body))
	ts.Check(err)
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	ts.Check(err)
	if resp.StatusCode != http.StatusOK {
		ts.Fatalf("posting %s to %s: got %s %s", args[1], args[0], resp.Status, answer)
	}
}

// fetch prints what a URL answers to stdout.
func fetch(ts *testscript.TestScript, _ bool, args []string) {
	resp, err := http.Get(args[0])
	ts.Check(err)
	defer resp.Body.Close()
	_, err = io.Copy(ts.Stdout(), resp.Body)
	ts.Check(err)
}

// damage overwrites a part of a file in the middle.
func damage(ts *testscript.TestScript, _ bool, args []string) {
	path := ts.MkAbs(args[0])
	content, err := os.ReadFile(path)
	ts.Check(err)
	clear(content[8192:])
	ts.Check(os.WriteFile(path, content, 0o600))
}

// A waterfall names a service where it changes, draws branches, and scales bars
// to the whole trace.
func TestWaterfall(t *testing.T) {
	at := time.Unix(1700000000, 0)
	spans := []waterfallSpan{
		{0, "frontend", "GET /", at, 100 * time.Millisecond, ""},
		{1, "frontend", "render", at.Add(10 * time.Millisecond), 20 * time.Millisecond, ""},
		{1, "backend", "GET /messages", at.Add(40 * time.Millisecond), 50 * time.Millisecond, "timeout"},
		{2, "backend", "SELECT\x1b[31m", at.Add(45 * time.Millisecond), 0, ""},
	}
	var b strings.Builder
	if err := writeWaterfall(&b, spans, 80, style{}); err != nil {
		t.Fatal(err)
	}
	want := `SERVICE AND OPERATION       DURATION  0                                   100 ms
frontend: GET /               100 ms  ██████████████████████████████████████████
├ render                     20.0 ms      █████████
└ backend: GET /messages     50.0 ms                  ██████████████████████  ✗ timeout
  └ SELECT·[31m                 0 ns                    ▏
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

// Wide letters take two columns, and nothing in a name breaks a line or moves
// the cursor.
func TestWideLettersStayAligned(t *testing.T) {
	table := newTable("ROOT", ">N", "LAST")
	table.add("注文🚀", "1", "a")
	table.add("e\u0301te\x1b[2J", "注", "b\u202ec")
	var b strings.Builder
	if err := table.write(&b, 0, style{}); err != nil {
		t.Fatal(err)
	}
	want := "ROOT      N  LAST\n" + "注文🚀    1  a\n" + "e\u0301te·[2J  注  b·c\n"
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
	for in, want := range map[string]string{"注文を": "注… ", "注文": "注文", "abcde": "abc…", "a注b": "a注b", "a注文": "a注…"} {
		if got := pad(in, 4); got != want {
			t.Errorf("pad(%q, 4): got %q; want %q", in, got, want)
		}
	}
}

// A trace of any shape is drawn in time that grows with its spans, and whatever
// its times are the bars stay inside.
func TestWaterfallOfOddTraces(t *testing.T) {
	draw := func(spans []waterfallSpan) []string {
		var b strings.Builder
		if err := writeWaterfall(&b, spans, 80, style{}); err != nil {
			t.Fatal(err)
		}
		return strings.Split(strings.TrimSpace(b.String()), "\n")[1:]
	}
	var chain []waterfallSpan
	for i := range 100_000 {
		chain = append(chain, waterfallSpan{Depth: i, Service: "a", Name: "b", Start: time.Unix(1, 0), Duration: 1})
	}
	lines := draw(chain)
	if want := "…99999 └ b"; !strings.HasPrefix(lines[99_999], want) || columns(lines[99_999]) > 80 {
		t.Errorf("got %q; want it to begin with %q, in 80 columns", lines[99_999], want)
	}
	lines = draw([]waterfallSpan{
		{Service: "a", Name: "1970", Start: time.Unix(0, 0), Duration: 1},
		{Service: "a", Name: "2026", Start: time.Unix(1795000000, 0), Duration: time.Hour},
	})
	if !strings.HasSuffix(lines[0], "  █") || !strings.HasSuffix(lines[1], " █") || columns(lines[1]) != 80 {
		t.Errorf("got\n%s\nwant bars at the left and at the right end", strings.Join(lines, "\n"))
	}
}

func TestSpanFlag(t *testing.T) {
	for in, want := range map[string]string{"7d": "1w", "168h": "1w", "36h": "1d12h", "90m": "1h30m", "1.5h": "1h30m", "250ms": "250ms", "0": "0s", "-1h": "", "7 days": "", "": ""} {
		var v time.Duration
		f := span{&v}
		if err := f.Set(in); (err != nil) != (want == "") || err == nil && f.String() != want {
			t.Errorf("Set(%q): got %s, %v; want %q", in, f, err, want)
		}
	}
}

// Whoever asks a command for help sees how it is used.
func TestEveryCommandHasExamples(t *testing.T) {
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		if cmd.Example == "" {
			t.Errorf("%s has no examples", cmd.CommandPath())
		}
		if usage := cmd.LocalFlags().FlagUsages(); len(usage) > 4000 {
			t.Errorf("%s describes its flags in %d bytes", cmd.CommandPath(), len(usage))
		}
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	walk(newRoot())
}

func TestFormatDuration(t *testing.T) {
	for in, want := range map[time.Duration]string{
		0: "0 ns", 999: "999 ns", 1500: "1.50 µs", 12345678: "12.3 ms", 999 * time.Millisecond: "999 ms",
		1234 * time.Millisecond: "1.23 s", 90 * time.Second: "1m30s",
		49 * time.Hour: "2.04 d",
	} {
		if got := formatDuration(in); got != want {
			t.Errorf("formatDuration(%d): got %q; want %q", in, got, want)
		}
	}
}
