package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/signalbox-otel/signalbox/internal/collector"
	"github.com/signalbox-otel/signalbox/internal/doctor"
)

// doctorSettings is what the flags of `signalbox doctor` say.
type doctorSettings struct {
	server     string
	configs    []string
	sets       []string
	headers    map[string]string
	attributes map[string]string
	endpoint   string
	protocol   string
	timeout    time.Duration
	output     string
}

// doctorHelp says what the command does.
const doctorHelp = `Doctor examines the cluster of your kubeconfig, for the workloads of one namespace:
are the definitions, the operator, its webhooks, certificates and rights as they
should be; are collectors and store ready; are pods instrumented that ask for it;
do they send to what exists, and speaks their protocol; are metrics found where
annotations say? Then a pod in the namespace sends a span, a metric and a log
record to where its programs send to, and they are followed through Service,
collector and store. The pod is removed; nothing else is changed. What is wrong
comes with the command that mends it.

With --local it examines a collector on this machine instead: it sends a span, a
metric and a log record through every receiver that can take one, and follows
them: did the receiver take it, did a processor drop it, did each exporter send
it, does the store have it? Where a probe stops it says why, and what mends it.

It finds the collector by its API (--server; signalbox up has it at port 4316). A
collector without a query extension is described by its configuration: give the
same --config and --set as it got. What happens on the way comes from its own
metrics.

Probes have the resource attribute service.name = signalbox-doctor, and
signalbox.doctor.probe; --attribute adds others, to pass a filter as your data does.

--endpoint and --protocol say where your programs send to; without them
OTEL_EXPORTER_OTLP_ENDPOINT and OTEL_EXPORTER_OTLP_PROTOCOL do, when they are set.

✓ is seen to be good, ✗ stops data, ! may be meant, · could not be seen. The exit
code is 1 when there is a ✗.`

func newDoctor() *cobra.Command {
	s := doctorSettings{server: defaultServer, timeout: 15 * time.Second}
	var c clusterDoctor
	if env := os.Getenv("SIGNALBOX_SERVER"); env != "" {
		s.server = env
	}
	var local bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Find out why no data arrives: examine a cluster, or follow probes through a collector",
		Long:  doctorHelp,
		Example: `  signalbox doctor -n shop
  signalbox doctor -n shop --metric flask_http_request
  signalbox doctor --local
  signalbox doctor --local --config collector.yaml
  signalbox doctor --local --endpoint http://localhost:4317 --protocol http/protobuf
  signalbox doctor --local -o json`,
		Args: exactArgs(0, "none: what to examine is said by flags"),
	}
	f := cmd.Flags()
	f.BoolVar(&local, "local", false, "examine a collector on this machine")
	f.StringVar(&s.server, "server", s.server, "address of the running Signalbox; SIGNALBOX_SERVER sets the default")
	f.StringArrayVar(&s.configs, "config", nil, "configuration of the collector, when it has no API; may be repeated")
	f.StringArrayVar(&s.sets, "set", nil, "one value of its configuration, as exporters.otlp.endpoint=localhost:4317; may be repeated")
	f.StringToStringVar(&s.headers, "header", nil, "sent with probes, as authorization=Bearer\\ …; may be repeated")
	f.StringToStringVar(&s.attributes, "attribute", nil, "resource attribute of the probes, as deployment.environment.name=test; may be repeated")
	f.StringVar(&s.endpoint, "endpoint", os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT"), "where your programs send to, as http://localhost:4318")
	f.DurationVar(&s.timeout, "timeout", s.timeout, "how long a probe may take to the last exporter")
	s.protocol = os.Getenv("OTEL_EXPORTER_OTLP_PROTOCOL")
	choiceFlag(cmd, choice{&s.protocol, []string{"grpc", "http/protobuf", "http/json"}, "protocol"}, "protocol", "", "how they send: ")
	outputFlag(cmd, &s.output, "text", "json")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := apart(cmd, local); err != nil {
			return err
		}
		if !local {
			c.timeout, c.output = s.timeout, s.output
			return c.run(cmd.Context(), cmd.OutOrStdout())
		}
		return s.run(cmd.Context(), cmd.OutOrStdout(), cmd.Flags().Changed("server"))
	}
	c.register(cmd)
	cmd.AddCommand(newDoctorProbe())
	return cmd
}

// apart refuses flags of a collector on this machine for a cluster, and the other
// way round.
func apart(cmd *cobra.Command, local bool) error {
	of := map[bool][]string{
		true:  {"server", "config", "set", "header", "attribute", "endpoint", "protocol"},
		false: {"namespace", "kubeconfig", "context", "metric", "no-probe", "image"},
	}
	for _, name := range of[!local] {
		if !cmd.Flags().Changed(name) {
			continue
		}
		if local {
			return usageError{fmt.Errorf("--%s is about a cluster, and --local about a collector on this machine", name)}
		}
		return usageError{fmt.Errorf("--%s is about a collector on this machine: add --local", name)}
	}
	return nil
}

// errUnwell is what the command ends with when it found something.
var errUnwell = errors.New("data is stopped")

func (s *doctorSettings) run(ctx context.Context, w io.Writer, serverGiven bool) error {
	o := doctor.Options{
		Server:  (&queryFlags{server: s.server}).address(),
		Headers: s.headers, Attributes: s.attributes, Timeout: s.timeout,
	}
	if s.endpoint != "" {
		if s.protocol == "" {
			s.protocol = "http/protobuf" // the default of most SDKs
		}
		o.Program = &doctor.Program{Endpoint: s.endpoint, Protocol: s.protocol}
	}
	if len(s.configs) > 0 {
		query, err := s.describe(ctx, &o)
		if err != nil {
			return err
		}
		if !serverGiven {
			if o.Server = ""; query != "" {
				o.Server = "http://" + dialable(query)
			}
		}
	}
	report, err := doctor.Examine(ctx, o)
	if err != nil {
		return err
	}
	if s.output == "json" {
		err = writeJSON(w, report)
	} else {
		_, st := terminalOf(w)
		err = writeReport(w, report, st)
	}
	if err == nil && report.Status == doctor.Error {
		err = errUnwell
	}
	return err
}

// describe reads the configuration files into o, and gives the address of the
// API that they configure, "" for none. Both sides of the topology are the JSON
// of the API.
func (s *doctorSettings) describe(ctx context.Context, o *doctor.Options) (query string, err error) {
	topology, query, err := collector.Describe(ctx, collector.Settings{ConfigURIs: s.configs, Sets: s.sets, Version: Version})
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(topology)
	if err != nil {
		return "", err
	}
	o.Topology = new(doctor.Topology)
	return query, json.Unmarshal(text, o.Topology)
}

// signs are how statuses are drawn.
var signs = map[doctor.Status]string{doctor.OK: "✓", doctor.Unknown: "·", doctor.Warning: "!", doctor.Error: "✗"}

func sign(s doctor.Status, st style) string {
	switch s {
	case doctor.Warning:
		return st.warn(signs[s])
	case doctor.Error:
		return st.bad(signs[s])
	case doctor.Unknown:
		return st.dim(signs[s])
	}
	return signs[s]
}

// writeReport prints what was found, for people.
func writeReport(w io.Writer, r *doctor.Report, st style) error {
	var b strings.Builder
	if r.Version != "" {
		fmt.Fprintf(&b, "Signalbox %s at %s\n\n", r.Version, r.Server)
	}
	writeChecks(&b, r, st, map[string]bool{})
	fmt.Fprintf(&b, "\n%s\n", summary(r.Count))
	_, err := io.WriteString(w, b.String())
	return err
}

// writeChecks prints findings and hops. Told is what was said already of what
// mends things.
func writeChecks(b *strings.Builder, r *doctor.Report, st style, told map[string]bool) {
	for _, f := range r.Findings {
		fmt.Fprintf(b, "%s %s\n", sign(f.Status, st), printable(f.Text))
		writeFix(b, f.Fix, "    ", st, told)
	}
	if len(r.Findings) > 0 && len(r.Checks) > 0 {
		b.WriteString("\n")
	}
	for _, c := range r.Checks {
		from := c.Receiver
		if c.Protocol != "" {
			from += " " + c.Protocol
		}
		if c.Address != "" {
			from += " at " + c.Address
		}
		fmt.Fprintf(b, "%s %s\n", sign(c.Status, st), st.bold(printable(c.Signal+" to "+from)))
		for _, h := range c.Hops {
			where := ""
			if h.Pipeline != "" && h.Kind != "receiver" {
				where = h.Pipeline + ": "
			}
			fmt.Fprintf(b, "  %s %s%s %s\n", sign(h.Status, st), where, printable(h.Component), printable(h.Text))
			writeFix(b, h.Fix, "      ", st, told)
		}
	}
}

// writeFix prints what mends something, set off to be copied, unless it was told.
func writeFix(b *strings.Builder, fix, indent string, st style, told map[string]bool) {
	if told[fix] {
		fix = "(as above)"
	} else if fix != "" {
		told[fix] = true
	}
	for line := range strings.Lines(fix) {
		fmt.Fprintf(b, "%s%s\n", indent, st.dim(strings.TrimRight(line, "\n")))
	}
}

// summary is the last line.
func summary(count func(doctor.Status) int) string {
	var parts []string
	for _, s := range []struct {
		status    doctor.Status
		one, many string
	}{{doctor.Error, "problem", "problems"}, {doctor.Warning, "warning", "warnings"}} {
		if n := count(s.status); n == 1 {
			parts = append(parts, "1 "+s.one)
		} else if n > 1 {
			parts = append(parts, fmt.Sprintf("%d %s", n, s.many))
		}
	}
	if len(parts) == 0 {
		return "Everything that could be followed arrives."
	}
	return strings.Join(parts, ", ") + "."
}
