package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// defaultServer is where `signalbox up` answers unless told otherwise.
const defaultServer = "http://localhost:4316"

// queryFlags are those that every query command has.
type queryFlags struct {
	server  string
	output  string
	since   time.Duration
	start   string
	end     string
	timeout time.Duration
	explain bool
}

func newQuery() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "query",
		Short: "Ask a running Signalbox about traces, logs, metrics and services",
		Long: `Query asks a running Signalbox and prints the answer as a table, a waterfall, or
with -o json as the server gave it.

Conditions are those of TraceQL's braces, which may be left out:
  resource.service.name = "checkout" && span.http.response.status_code >= 500
  duration > 40ms && status = error
  .db.system = "postgresql" || name =~ "SELECT.*"`,
		Example: `  signalbox query traces 'status = error && duration > 1s'
  signalbox query trace 5b8aa5a2d2c872e8321cf37308d69df2
  signalbox query logs 'severity >= warn && "connection refused"' --since 24h
  signalbox query metrics 'sum by (job) (rate(http_server_request_duration_seconds_count[5m]))'
  signalbox query services`,
		Args: noCommand,

		SuggestionsMinimumDistance: 2,

		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newQueryTraces(), newQueryTrace(), newQueryLogs(), newQueryMetrics(), newQueryServices())
	return cmd
}

// addQueryFlags adds the flags that every query command has; formats are those
// of -o besides table and json. A since of 0 leaves out the time range.
func addQueryFlags(cmd *cobra.Command, f *queryFlags, since time.Duration, formats ...string) {
	server := defaultServer
	if env := os.Getenv("SIGNALBOX_SERVER"); env != "" {
		server = env
	}
	cmd.Flags().StringVar(&f.server, "server", server, "address of the running Signalbox; SIGNALBOX_SERVER sets the default")
	cmd.Flags().DurationVar(&f.timeout, "timeout", 30*time.Second, "give up after this long")
	outputFlag(cmd, &f.output, append([]string{"table", "json"}, formats...)...)
	if since > 0 {
		f.since = since
		cmd.Flags().Var(span{&f.since}, "since", "look back this far")
		cmd.Flags().StringVar(&f.start, "start", "", "begin of the range instead of --since: RFC 3339, Unix seconds, or now-2h")
		cmd.Flags().StringVar(&f.end, "end", "", "end of the range (default now)")
	}
}

// addExplainFlag adds the flag of commands whose answers can be explained.
func addExplainFlag(cmd *cobra.Command, f *queryFlags) {
	cmd.Flags().BoolVar(&f.explain, "explain", false, "say how the answer was found: blocks and pages read or ruled out, and why")
}

// rangeQuery puts the time range into URL parameters.
func (f *queryFlags) rangeQuery(v url.Values) url.Values {
	v.Set("start", f.start)
	if f.start == "" {
		v.Set("start", "now-"+f.since.String())
	}
	if f.end != "" {
		v.Set("end", f.end)
	}
	return v
}

// apiError is what our API answers when it cannot do what was asked.
type apiError struct {
	Message  string `json:"error"`
	Kind     string `json:"kind"`
	Position *int   `json:"position"`
}

// get asks the own API, or that at a path with a slash before it, and gives the
// answer's body, which the caller closes.
func (f *queryFlags) get(ctx context.Context, path string, v url.Values) (io.ReadCloser, error) {
	if !strings.HasPrefix(path, "/") {
		path = "/api/signalbox/v1/" + path
	}
	u := f.address() + path
	if len(v) > 0 {
		u += "?" + v.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u, nil)
	if err != nil {
		return nil, usageError{fmt.Errorf("--server %q: %w", f.server, err)}
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, f.unreachable(err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp.Body, nil
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	var problem apiError
	if json.Unmarshal(body, &problem) != nil || problem.Message == "" {
		return nil, fmt.Errorf("%s answered %s: %s", f.server, resp.Status, strings.TrimSpace(string(body)))
	}
	if q := v.Get("q"); problem.Position != nil && *problem.Position <= len(q) {
		return nil, fmt.Errorf("%s\n  %s\n  %s^", problem.Message, q, strings.Repeat(" ", len([]rune(q[:*problem.Position]))))
	}
	return nil, errors.New(problem.Message)
}

// address is the server's URL; http:// may be left out.
func (f *queryFlags) address() string {
	address := strings.TrimRight(f.server, "/")
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	return address
}

// unreachable explains an error of the connection.
func (f *queryFlags) unreachable(err error) error {
	var op *net.OpError
	switch {
	case errors.As(err, &op) && op.Op == "dial":
		return fmt.Errorf("%s: %w: %w", f.server, op.Err, errNoServer)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%s did not answer within %s: %w; give it more with --timeout", f.server, f.timeout, err)
	}
	return err
}

// answer asks the own API and either copies the JSON answer to w, when that is
// the output wanted, or decodes it into v and calls show.
func (f *queryFlags) answer(ctx context.Context, w io.Writer, path string, params url.Values, v any, show func(width int, st style) error) error {
	ctx, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	if f.explain {
		params.Set("explain", "true")
	}
	body, err := f.get(ctx, path, params)
	if err != nil {
		return err
	}
	defer body.Close()
	if f.output == "json" {
		_, err := io.Copy(w, body)
		return err
	}
	var found explainedAnswer
	var whole bytes.Buffer // also decoded as found
	if f.explain {
		body = struct {
			io.Reader
			io.Closer
		}{io.TeeReader(body, &whole), body}
	}
	err = json.NewDecoder(body).Decode(v)
	if err == nil && f.explain {
		err = json.NewDecoder(&whole).Decode(&found)
	}
	if err != nil {
		return fmt.Errorf("reading the answer of %s: %w", f.server, err)
	}
	width, st := terminalOf(w)
	if err := show(width, st); err != nil || !f.explain {
		return err
	}
	return found.write(w, width, st)
}
