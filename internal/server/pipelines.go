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
	for i := range a.Pipelines {
		p := &a.Pipelines[i]
		p.Receivers, p.Processors, p.Exporters = append([]string{}, p.Receivers...), append([]string{}, p.Processors...), append([]string{}, p.Exporters...)
	}
	return writeJSON(w, a)
}
