package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Topology is what /api/signalbox/v1/pipelines answers, as far as it is used.
type Topology struct {
	Connectors []string   `json:"connectors"`
	Pipelines  []Pipeline `json:"pipelines"`
	Problems   []problem  `json:"problems"`
	Losses     []loss     `json:"losses"`
	Listeners  []Listener `json:"listeners"`
	Exits      []Exit     `json:"exits"`
	Telemetry  string     `json:"telemetry"`
	// Foreign says that nothing is known of what is behind the receivers.
	Foreign bool `json:"-"`
}

// Pipeline is one pipeline.
type Pipeline struct {
	ID         string   `json:"id"`
	Signal     string   `json:"signal"`
	Receivers  []string `json:"receivers"`
	Processors []string `json:"processors"`
	Exporters  []string `json:"exporters"`
}

// Listener is one address of a receiver.
type Listener struct {
	Receiver     string            `json:"receiver"`
	Protocol     string            `json:"protocol"`
	Network      string            `json:"network"`
	Address      string            `json:"address"`
	TLS          bool              `json:"tls"`
	Certificates bool              `json:"certificates"`
	Auth         string            `json:"auth"`
	Paths        map[string]string `json:"paths"`
}

type problem struct {
	Kind, Component, Signal, Message, Detail string
}

type loss struct {
	Kind, Component, Signal, Outcome, Reason, Error string
	Items                                           int64
}

// Exit is where an exporter sends to.
type Exit struct {
	Exporter, Endpoint string
	Insecure, Queue    bool
}

// exit is where an exporter sends to.
func (t *Topology) exit(exporter string) Exit {
	if i := slices.IndexFunc(t.Exits, func(e Exit) bool { return e.Exporter == exporter }); i >= 0 {
		return t.Exits[i]
	}
	return Exit{Exporter: exporter}
}

// listeners are those of OTLP, which most use, before the others.
func (t *Topology) listeners() []Listener {
	list := slices.Clone(t.Listeners)
	slices.SortStableFunc(list, func(a, b Listener) int {
		order := map[bool]int{true: 0, false: 1}
		return order[typeOf(a.Receiver) == "otlp"] - order[typeOf(b.Receiver) == "otlp"]
	})
	return list
}

// receives are the pipelines of a signal that have a receiver, or a connector in
// its place.
func (t *Topology) receives(receiver, signal string) []Pipeline {
	var list []Pipeline
	for _, p := range t.Pipelines {
		if p.Signal == signal && slices.Contains(p.Receivers, receiver) {
			list = append(list, p)
		}
	}
	return list
}

// statusAnswer is what /api/signalbox/v1/status answers, as far as it is used.
type statusAnswer struct {
	Version string `json:"version"`
	Store   struct {
		Directory string                    `json:"directory"`
		Spans     struct{ Refusing string } `json:"spans"`
		Logs      struct{ Refusing string } `json:"logs"`
	} `json:"store"`
}

// api asks a Signalbox.
type api struct {
	address string
	client  *http.Client
}

func (a api) topology(ctx context.Context) (t Topology, err error) {
	return t, a.get(ctx, "/api/signalbox/v1/pipelines", nil, &t)
}

func (a api) status(ctx context.Context) (s statusAnswer, err error) {
	return s, a.get(ctx, "/api/signalbox/v1/status", nil, &s)
}

// arrived says whether the store has a probe.
func (a api) arrived(ctx context.Context, p *probe) (bool, error) {
	switch p.signal {
	case "traces":
		err := a.get(ctx, "/api/signalbox/v1/traces/"+p.mark, nil, &struct{}{})
		if errors.Is(err, errNotFound) {
			return false, nil
		}
		return err == nil, err
	case "logs":
		var found struct{ Logs []struct{} }
		err := a.get(ctx, "/api/signalbox/v1/logs", url.Values{"q": {`"` + p.mark + `"`}, "start": {"now-10m"}, "limit": {"1"}}, &found)
		return len(found.Logs) > 0, err
	}
	var found struct {
		Data struct{ Result []struct{} } `json:"data"`
	}
	err := a.get(ctx, "/api/v1/query", url.Values{"query": {fmt.Sprintf("{__name__=~%q}", p.mark+".*")}}, &found)
	return len(found.Data.Result) > 0, err
}

// down lists the scrape targets that did not answer, as "job of instance".
func (a api) down(ctx context.Context) ([]string, error) {
	var found struct {
		Data struct {
			Result []struct {
				Metric struct{ Job, Instance string } `json:"metric"`
			} `json:"result"`
		} `json:"data"`
	}
	err := a.get(ctx, "/api/v1/query", url.Values{"query": {"up == 0"}}, &found)
	var list []string
	for _, r := range found.Data.Result {
		list = append(list, fmt.Sprintf("%s (job %s)", r.Metric.Instance, r.Metric.Job))
	}
	return list, err
}

// errNotFound is answered with status 404.
var errNotFound = errors.New("not found")

// maxAnswer bounds an answer, in bytes.
const maxAnswer = 16 << 20

func (a api) get(ctx context.Context, path string, v url.Values, into any) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	u := a.address + path
	if len(v) > 0 {
		u += "?" + v.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u, nil)
	if err != nil {
		return err
	}
	resp, err := a.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	switch {
	case err != nil:
		return err
	case resp.StatusCode == http.StatusNotFound:
		return errNotFound
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("it answered %s: %.200s", resp.Status, strings.TrimSpace(string(body)))
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("it is no Signalbox: %.60q", body)
	}
	return nil
}
