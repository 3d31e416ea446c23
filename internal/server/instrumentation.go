package server

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// Instrumentation is what the operator of a cluster says about the workloads
// that ask for something to be injected into their pods.
type Instrumentation struct {
	// Operator is where it was asked; "" when nobody is asked.
	Operator string `json:"operator,omitempty"`
	// Time is when it looked; zero when nobody was asked.
	Time      Instant            `json:"time,omitzero"`
	Workloads []InjectedWorkload `json:"workloads"`
	// WorkloadsLeftOut are as many more.
	WorkloadsLeftOut int `json:"workloadsLeftOut"`
	// PodsSeen counts those that ask for nothing, too.
	PodsSeen int `json:"podsSeen"`
	// Problems are what it could not find out.
	Problems []string `json:"problems"`
}

// Instant is a time as all our answers have it.
type Instant struct{ time.Time }

// MarshalJSON gives nanoseconds, as text.
func (i Instant) MarshalJSON() ([]byte, error) { return encodeJSON(nanosOf(i.Time)) }

// InjectedWorkload is the top owner of pods, or a pod without owner.
type InjectedWorkload struct {
	Kind      string `json:"kind"` // "Deployment"
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	// Decisions are about pods of it that start now, one for each kind of thing
	// that is asked for.
	Decisions []InjectionDecision `json:"decisions"`
	// Counts are of its pods, by kind and state.
	Counts []InjectionCount `json:"counts"`
	Pods   []InjectedPod    `json:"pods"`
	// PodsLeftOut are as many more, that are in Counts alone.
	PodsLeftOut int `json:"podsLeftOut"`
	// Fixes are commands that change what keeps its pods from what they ask for.
	Fixes []InjectionFix `json:"fixes"`
	Notes []string       `json:"notes"`
}

// InjectionDecision is about a kind: "sidecar", or a language.
type InjectionDecision struct {
	Kind       string   `json:"kind"`
	Outcome    string   `json:"outcome"` // injected, unchanged, refused, failed
	Reason     string   `json:"reason"`  // a code
	Message    string   `json:"message"`
	Source     string   `json:"source,omitempty"` // the resource, as namespace/name
	Containers []string `json:"containers"`
}

// InjectionCount is how many pods stand so to a kind.
type InjectionCount struct {
	Kind  string `json:"kind"`
	State string `json:"state"` // Injected, Stale, Missed, Refused, Guarded, Off
	Pods  int    `json:"pods"`
}

// InjectionFix is a command about a kind.
type InjectionFix struct {
	Kind    string `json:"kind"`
	Command string `json:"command"`
}

// InjectedPod is how a pod stands to each kind, and what agents in it said.
type InjectedPod struct {
	Name      string              `json:"name"`
	Created   Instant             `json:"created"`
	Standings []InjectionStanding `json:"standings"`
	// Found is what was found out about its containers, whose language was not
	// named.
	Found []string    `json:"found"`
	Said  []AgentLine `json:"said"`
}

// InjectionStanding is how a pod stands to a kind.
type InjectionStanding struct {
	Kind    string `json:"kind"`
	State   string `json:"state"`
	Source  string `json:"source,omitempty"`
	Message string `json:"message"`
}

// AgentLine is a line of an agent in the log of a container.
type AgentLine struct {
	Container string `json:"container"`
	Message   string `json:"message"`
}

// InjectionQuestion is what an operator is asked about: the workloads of all
// namespaces, those of one, or one workload.
type InjectionQuestion struct {
	Namespace  string // "" is all
	Kind, Name string // of a workload in Namespace; both or none
}

// instrumentation asks the operator.
func (s *Server) instrumentation(w http.ResponseWriter, r *http.Request) error {
	in := s.inputs(r)
	of := InjectionQuestion{in.text("namespace"), in.text("kind"), in.text("name")}
	if (of.Kind == "") != (of.Name == "") || of.Kind != "" && of.Namespace == "" {
		in.fail("name", errors.New("a workload is named by namespace, kind and name"))
	}
	if err := in.check(); err != nil {
		return err
	}
	var a Instrumentation
	if s.deps.Instrumentation != nil {
		var err error
		if a, err = s.deps.Instrumentation(r.Context(), of); err != nil {
			if errors.Is(err, context.Canceled) || r.Context().Err() != nil {
				return err
			}
			return &problem{Status: http.StatusBadGateway, Kind: "operator", Message: err.Error()}
		}
	}
	return writeJSON(w, a.withLists())
}

// withLists has a list wherever there is none: the page takes them for granted.
func (a Instrumentation) withLists() Instrumentation {
	listed(&a.Workloads)
	listed(&a.Problems)
	for i := range a.Workloads {
		w := &a.Workloads[i]
		listed(&w.Decisions)
		listed(&w.Counts)
		listed(&w.Pods)
		listed(&w.Fixes)
		listed(&w.Notes)
		for j := range w.Decisions {
			listed(&w.Decisions[j].Containers)
		}
		for j := range w.Pods {
			listed(&w.Pods[j].Standings)
			listed(&w.Pods[j].Found)
			listed(&w.Pods[j].Said)
		}
	}
	return a
}

func listed[T any](list *[]T) {
	if *list == nil {
		*list = []T{}
	}
}
