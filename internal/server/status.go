package server

import (
	"net/http"
	"time"
)

// statusAnswer is what /status says.
type statusAnswer struct {
	Version       string     `json:"version"`
	Started       nanos      `json:"started"`
	UptimeSeconds float64    `json:"uptimeSeconds"`
	Endpoints     []Endpoint `json:"endpoints"`
	Tails         int        `json:"tails"`
	Store         any        `json:"store,omitempty"`
}

func (s *Server) status(w http.ResponseWriter, _ *http.Request) error {
	a := statusAnswer{
		Version:       s.deps.Version,
		Started:       nanosOf(s.started),
		UptimeSeconds: s.deps.Now().Sub(s.started).Round(time.Millisecond).Seconds(),
		Endpoints:     append([]Endpoint{}, s.deps.Endpoints()...),
		Tails:         len(s.tails),
	}
	if s.deps.StoreStats != nil {
		a.Store = s.deps.StoreStats()
	}
	return writeJSON(w, a)
}
