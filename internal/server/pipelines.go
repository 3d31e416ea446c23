package server

import (
	"net/http"
	"time"
)

// Topology is how the components of the running collector are put together.
type Topology struct {
	// Instance is the label instance of the collector's own metrics.
	Instance string `json:"instance"`
	// Connectors are the exporters and receivers of pipelines that are neither,
	// but lead from one to another.
	Connectors []string   `json:"connectors"`
	Pipelines  []Pipeline `json:"pipelines"`
	// Problems are recent warnings and errors, the latest first.
	Problems []Problem `json:"problems"`
	// Losses are what components refused, dropped or lost, the latest first.
	Losses []Loss `json:"losses"`
	// Listeners are where receivers take data, Exits where exporters send it.
	Listeners []Listener `json:"listeners"`
	Exits     []Exit     `json:"exits"`
	// Telemetry is where the collector's own metrics can be scraped, as
	// "localhost:4315"; "" when they cannot.
	Telemetry string `json:"telemetry"`
}

// Pipeline is one pipeline, as the configuration has it.
type Pipeline struct {
	ID         string   `json:"id"`     // "metrics/made-here"
	Signal     string   `json:"signal"` // "metrics"
	Receivers  []string `json:"receivers"`
	Processors []string `json:"processors"`
	Exporters  []string `json:"exporters"`
}

// Problem is a warning or an error that a component logged, once or repeatedly.
type Problem struct {
	Last      time.Time
	Count     int
	Level     string // "warn" or "error"
	Kind      string // "receiver"; "" when the collector itself logged it
	Component string // "otlp"
	Signal    string // "traces"; "" when the component has several
	Message   string
	Detail    string // the error, and what it is about
}

// Loss is what one component did not pass on of one signal for one reason.
type Loss struct {
	Last      time.Time
	Kind      string // "exporter"
	Component string // "otlp"
	Signal    string // "traces"
	Outcome   string // "refused", "dropped", "failed" or "retried"
	Reason    string // "queue_full"
	Items     int64  // spans, data points, log records; attempts when retried
	Error     string // the latest
}

// lossAnswer is a Loss in JSON.
type lossAnswer struct {
	Last      nanos  `json:"last"`
	Kind      string `json:"kind"`
	Component string `json:"component"`
	Signal    string `json:"signal"`
	Outcome   string `json:"outcome"`
	Reason    string `json:"reason"`
	Items     int64  `json:"items"`
	Error     string `json:"error,omitempty"`
}

// MarshalJSON gives the time as all answers do.
func (l Loss) MarshalJSON() ([]byte, error) {
	return encodeJSON(lossAnswer{nanosOf(l.Last), l.Kind, l.Component, l.Signal, l.Outcome, l.Reason, l.Items, l.Error})
}

// Listener is one address that a receiver listens on.
type Listener struct {
	Receiver string `json:"receiver"` // "otlp/2"
	Protocol string `json:"protocol"` // "grpc"; "" when the receiver has one
	Network  string `json:"network"`  // "tcp" or "udp"
	Address  string `json:"address"`
	TLS      bool   `json:"tls"`
	// Certificates says that clients must show one.
	Certificates bool `json:"certificates"`
	// Auth is the extension that clients must satisfy; "" when there is none.
	Auth string `json:"auth,omitempty"`
	// Paths are where each signal is posted, where that is not as usual.
	Paths map[string]string `json:"paths,omitempty"`
}

// Exit is where one exporter sends to.
type Exit struct {
	Exporter string `json:"exporter"` // "otlp/jaeger"
	Endpoint string `json:"endpoint"` // without user and password; "" when it has none
	Insecure bool   `json:"insecure"` // no TLS
	Queue    bool   `json:"queue"`    // answers before the data is out
}

// problemAnswer is a Problem in JSON.
type problemAnswer struct {
	Last      nanos  `json:"last"`
	Count     int    `json:"count"`
	Level     string `json:"level"`
	Kind      string `json:"kind,omitempty"`
	Component string `json:"component,omitempty"`
	Signal    string `json:"signal,omitempty"`
	Message   string `json:"message"`
	Detail    string `json:"detail,omitempty"`
}

// MarshalJSON gives the time as all answers do.
func (p Problem) MarshalJSON() ([]byte, error) {
	return encodeJSON(problemAnswer{nanosOf(p.Last), p.Count, p.Level, p.Kind, p.Component, p.Signal, p.Message, p.Detail})
}

func (s *Server) pipelines(w http.ResponseWriter, _ *http.Request) error {
	a := Topology{}
	if s.deps.Topology != nil {
		a = s.deps.Topology()
	}
	// The page takes lists for granted.
	a.Connectors = append([]string{}, a.Connectors...)
	a.Pipelines = append([]Pipeline{}, a.Pipelines...)
	a.Problems = append([]Problem{}, a.Problems...)
	a.Losses = append([]Loss{}, a.Losses...)
	a.Listeners = append([]Listener{}, a.Listeners...)
	a.Exits = append([]Exit{}, a.Exits...)
	for i := range a.Pipelines {
		p := &a.Pipelines[i]
		p.Receivers, p.Processors, p.Exporters = append([]string{}, p.Receivers...), append([]string{}, p.Processors...), append([]string{}, p.Exporters...)
	}
	return writeJSON(w, a)
}
