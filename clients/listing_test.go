package clients

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// groups are spans, metrics and log records as lines of JSON, by their resource
// and scope.
type groups struct {
	items map[string][]string
	now   time.Time // times from here on are not the client's
}

// add adds an export request as JSON.
func (g groups) add(request []byte) error {
	var parts map[string][]map[string]json.RawMessage // resourceSpans: [{resource, scopeSpans}]
	if err := json.Unmarshal(request, &parts); err != nil {
		return err
	}
	for _, resource := range slices.Concat(slices.Collect(maps.Values(parts))...) {
		for _, list := range []string{"scopeSpans", "scopeMetrics", "scopeLogs"} {
			if err := g.addScopes(resource["resource"], resource[list]); err != nil {
				return err
			}
		}
	}
	return nil
}

func (g groups) addScopes(resource, list json.RawMessage) error {
	var scopes []map[string]json.RawMessage // {scope, spans}
	if err := unmarshal(list, &scopes); err != nil {
		return err
	}
	for _, scope := range scopes {
		of, err := g.line(resource)
		if err != nil {
			return err
		}
		by, err := g.line(scope["scope"])
		if err != nil {
			return err
		}
		head := of + " scope " + by
		for name, list := range map[string]string{"span": "spans", "metric": "metrics", "log": "logRecords"} {
			var items []json.RawMessage
			if err := unmarshal(scope[list], &items); err != nil {
				return err
			}
			for _, item := range items {
				text, err := g.line(item)
				if err != nil {
					return err
				}
				g.items[head] = append(g.items[head], name+" "+text)
			}
		}
	}
	return nil
}

// unmarshal is json.Unmarshal for what may be missing.
func unmarshal(raw json.RawMessage, to any) error {
	if raw == nil {
		return nil
	}
	return json.Unmarshal(raw, to)
}

// line writes a JSON value with sorted keys and attributes.
func (g groups) line(raw json.RawMessage) (string, error) {
	if raw == nil {
		return "{}", nil
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber() // as it is written
	var v any
	if err := d.Decode(&v); err != nil {
		return "", err
	}
	g.settle(v)
	text, err := json.Marshal(v)
	return string(text), err
}

// settle takes out of a value what differs from run to run.
func (g groups) settle(v any) {
	switch v := v.(type) {
	case map[string]any:
		if name, _ := v["name"].(string); strings.HasPrefix(name, "github.com/open-telemetry/") {
			delete(v, "version") // of the binary
		}
		for k, child := range v {
			if text, ok := child.(string); ok && strings.HasSuffix(strings.ToLower(k), "timeunixnano") {
				if n, err := strconv.ParseInt(text, 10, 64); err == nil && n >= g.now.UnixNano() {
					v[k] = "now"
				}
			}
			g.settle(child)
		}
	case []any:
		for _, child := range v {
			g.settle(child)
		}
		slices.SortStableFunc(v, func(a, b any) int { return strings.Compare(attributeKey(a), attributeKey(b)) })
	}
}

// attributeKey is the key of an attribute; what is none has no order but its own.
func attributeKey(v any) string {
	m, _ := v.(map[string]any)
	k, _ := m["key"].(string)
	return k
}
