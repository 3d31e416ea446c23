package allocator

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// rules is a list of relabeling rules as documents.
type rules []any

func (r *rules) add(rule node) { *r = append(*r, rule) }

func (r *rules) copy(from, to string) {
	r.add(node{"source_labels": []any{from}, "target_label": to})
}

func (r *rules) keep(from, value string) {
	r.add(node{"source_labels": []any{from}, "regex": regexp.QuoteMeta(value), "action": "keep"})
}

// selector keeps the objects that a label selector matches. prefix begins the
// names of the meta labels of that kind of object.
func (r *rules) selector(prefix string, from node) error {
	var s metav1.LabelSelector
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(from, &s); err != nil {
		return fmt.Errorf("selector: %w", err)
	}
	for _, name := range slices.Sorted(maps.Keys(s.MatchLabels)) {
		s.MatchExpressions = append(s.MatchExpressions, metav1.LabelSelectorRequirement{
			Key: name, Operator: metav1.LabelSelectorOpIn, Values: []string{s.MatchLabels[name]}})
	}
	for _, e := range s.MatchExpressions {
		name := labelName(e.Key)
		rule := node{"action": "keep"}
		switch e.Operator {
		case metav1.LabelSelectorOpIn, metav1.LabelSelectorOpNotIn:
			values := make([]string, len(e.Values))
			for i, v := range e.Values {
				values[i] = regexp.QuoteMeta(v)
			}
			rule["source_labels"] = []any{prefix + "label_" + name, prefix + "labelpresent_" + name}
			rule["regex"] = "(" + strings.Join(values, "|") + ");true"
		case metav1.LabelSelectorOpExists, metav1.LabelSelectorOpDoesNotExist:
			rule["source_labels"] = []any{prefix + "labelpresent_" + name}
			rule["regex"] = "true"
		default:
			return fmt.Errorf("selector: operator %q is not known", e.Operator)
		}
		if e.Operator == metav1.LabelSelectorOpNotIn || e.Operator == metav1.LabelSelectorOpDoesNotExist {
			rule["action"] = "drop"
		}
		r.add(rule)
	}
	return nil
}

// port keeps the port that an endpoint names, by the label that has port names.
func (r *rules) port(e node, name string) {
	const container = "__meta_kubernetes_pod_container_port_"
	if port := text(e, "port"); port != "" {
		r.keep(name, port)
		return
	}
	if number := e["portNumber"]; number != nil {
		r.keep(container+"number", fmt.Sprint(number))
		return
	}
	switch port := e["targetPort"].(type) {
	case nil:
	case string:
		r.keep(container+"name", port)
	default:
		r.keep(container+"number", fmt.Sprint(port))
	}
}

// running drops pods that have ended, if the endpoint does not want them.
func (r *rules) running(e node) {
	if e["filterRunning"] != false {
		r.add(node{"source_labels": []any{"__meta_kubernetes_pod_phase"}, "regex": "(Failed|Succeeded)", "action": "drop"})
	}
}

// labels copies the labels of an object that a field of spec lists.
func (r *rules) labels(prefix string, spec node, field string) {
	names, _ := spec[field].([]any)
	for _, n := range names {
		name := labelName(fmt.Sprint(n))
		r.add(node{"source_labels": []any{prefix + "label_" + name}, "regex": "(.+)", "target_label": name, "replacement": "${1}"})
	}
}

func (r *rules) jobLabel(prefix string, spec node) {
	if label := text(spec, "jobLabel"); label != "" {
		r.add(node{"source_labels": []any{prefix + "label_" + labelName(label)}, "regex": "(.+)", "target_label": "job", "replacement": "${1}"})
	}
}

// endpoint tells which port it was.
func (r *rules) endpoint(e node) {
	for _, field := range []string{"port", "portNumber", "targetPort"} {
		if port := e[field]; port != nil && port != "" {
			r.add(node{"target_label": "endpoint", "replacement": fmt.Sprint(port)})
			return
		}
	}
}

// relabelings converts rules that a user wrote.
func relabelings(from []node) []any {
	var all []any
	for _, f := range from {
		rule := node{}
		for key, value := range f {
			switch key {
			case "sourceLabels":
				rule["source_labels"] = value
			case "targetLabel":
				rule["target_label"] = value
			case "action":
				rule["action"] = strings.ToLower(fmt.Sprint(value))
			default: // separator, regex, modulus, replacement
				rule[key] = value
			}
		}
		all = append(all, rule)
	}
	return all
}

var notInLabelName = regexp.MustCompile(`[^a-zA-Z0-9_]`)

// labelName is the name that discovery gives to a label of Kubernetes.
func labelName(s string) string { return notInLabelName.ReplaceAllString(s, "_") }
