//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// span is a span as Jaeger's API has it.
type span struct {
	ID         string `json:"spanID"`
	Name       string `json:"operationName"`
	Process    string `json:"processID"`
	References []struct {
		Type string `json:"refType"`
		ID   string `json:"spanID"`
	}
	Tags []struct {
		Key   string
		Value any
	}
}

// trace is a trace as Jaeger's API has it.
type trace struct {
	ID        string `json:"traceID"`
	Spans     []span
	Processes map[string]struct {
		Name string `json:"serviceName"`
	}
}

// tracesOf asks the store that is installed for traces with a span of that service
// and operation; "" is any operation.
func tracesOf(ctx context.Context, base, service, operation string, since time.Time, limit int) ([]trace, error) {
	ask := url.Values{"service": {service}, "limit": {strconv.Itoa(limit)},
		"start": {strconv.FormatInt(since.UnixMicro(), 10)}, "end": {strconv.FormatInt(time.Now().Add(time.Minute).UnixMicro(), 10)}}
	if operation != "" {
		ask.Set("operation", operation)
	}
	body, err := get(ctx, base+"/api/traces?"+ask.Encode())
	if err != nil {
		return nil, err
	}
	var answer struct{ Data []trace }
	err = json.Unmarshal(body, &answer)
	return answer.Data, err
}

// way names the spans from a trace's root to the first one of that name, as
// "service: operation".
func (t trace) way(name string) []string {
	byID := map[string]span{}
	var at *span
	for _, s := range t.Spans {
		byID[s.ID] = s
		if s.Name == name && at == nil {
			at = &s
		}
	}
	var names []string
	for at != nil {
		names = append(names, t.Processes[at.Process].Name+": "+at.Name)
		var parent *span
		for _, r := range at.References {
			if s, ok := byID[r.ID]; ok && r.Type == "CHILD_OF" {
				parent = &s
			}
		}
		at = parent
	}
	slices.Reverse(names)
	return names
}

// wantWay waits for a trace that began since then, and in which the spans of these
// names, as "service: operation", follow each other from the root to the last.
func wantWay(t *testing.T, since time.Time, want ...string) trace {
	t.Helper()
	var found trace
	service, name, _ := strings.Cut(want[len(want)-1], ": ")
	base := uiURL(t)
	await(t, "a trace through "+name, func(ctx context.Context) error {
		traces, err := tracesOf(ctx, base, service, name, since, 20)
		if err != nil {
			return err
		}
		err = errors.New("there is none")
		for _, one := range traces {
			if diff := cmp.Diff(want, one.way(name)); diff != "" {
				err = fmt.Errorf("trace %s (-want +got):\n%s", one.ID, diff)
				continue
			}
			found = one
			return nil
		}
		return err
	})
	return found
}

// settled asks for a number until it has stayed the same for longer than agents and
// collectors hold spans back.
func settled(t *testing.T, what string, ask func(context.Context) (int, error)) int {
	t.Helper()
	const quiet = 12 * time.Second
	last, since := -1, time.Now()
	await(t, what, func(ctx context.Context) error {
		n, err := ask(ctx)
		if err != nil {
			return err
		}
		if n != last {
			last, since = n, time.Now()
		}
		if same := time.Since(since); same < quiet {
			return fmt.Errorf("%d, for %s", n, same.Round(time.Second))
		}
		return nil
	})
	return last
}

// sampled fails the test if another share of n requests was traced than the sampler
// was told. Five standard deviations are more than chance does; and when a load is
// stopped, users leave requests behind that are counted on one side alone.
func sampled(t *testing.T, traces, n int, ratio float64) {
	t.Helper()
	got, allowed := float64(traces)/float64(n), 0.05+5*math.Sqrt(ratio*(1-ratio)/float64(n))
	if n == 0 || math.Abs(got-ratio) > allowed {
		t.Errorf("%d traces of %d requests, a share of %.3f; want %v, give or take %.3f", traces, n, got, ratio, allowed)
	}
}

// traceByID asks the store that is installed for a trace.
func traceByID(ctx context.Context, base, id string) (trace, error) {
	body, err := get(ctx, base+"/api/traces/"+id)
	if err != nil {
		return trace{}, err
	}
	var answer struct{ Data []trace }
	if err := json.Unmarshal(body, &answer); err != nil {
		return trace{}, err
	}
	if len(answer.Data) != 1 {
		return trace{}, fmt.Errorf("got %d traces of id %s; want one", len(answer.Data), id)
	}
	return answer.Data[0], nil
}
