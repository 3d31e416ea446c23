package otlpreceiver

import (
	"bytes"
	"encoding/json"
	"io"
)

// marks are texts of which a request with old names contains at least one.
var marks = [][]byte{
	[]byte(`"instrumentationLibrary`), []byte(`"intGauge"`), []byte(`"intSum"`), []byte(`"intHistogram"`),
	[]byte(`"doubleGauge"`), []byte(`"doubleSum"`), []byte(`"doubleHistogram"`), []byte(`"doubleSummary"`),
	[]byte(`"labels"`), []byte(`"deprecatedCode"`),
}

// modernJSON returns an OTLP/JSON request with today's names. A body without old
// names, and one that is not JSON, is returned as it is: to refuse it is the
// decoder's.
func modernJSON(body []byte) []byte {
	old := false
	for _, mark := range marks {
		old = old || bytes.Contains(body, mark)
	}
	if !old {
		return body
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber() // numbers are passed on as they were written
	var request object
	if err := decoder.Decode(&request); err != nil {
		return body
	}
	if _, err := decoder.Token(); err != io.EOF {
		return body // more follows
	}
	for _, signal := range signals {
		for resource := range request.objects("resource" + signal.name) {
			resource.rename("instrumentationLibrary"+signal.name, "scope"+signal.name)
			for scope := range resource.objects("scope" + signal.name) {
				scope.rename("instrumentationLibrary", "scope")
				scope.rename(signal.oldItems, signal.items)
				for item := range scope.objects(signal.items) {
					signal.modernise(item)
				}
			}
		}
	}
	modern, err := json.Marshal(request)
	if err != nil {
		return body
	}
	return modern
}

// signals are the three kinds of requests: the names of their levels, and what
// is to be done with one item.
var signals = []struct {
	name, items, oldItems string
	modernise             func(object)
}{
	{"Spans", "spans", "spans", modernSpan},
	{"Metrics", "metrics", "metrics", modernMetric},
	{"Logs", "logRecords", "logs", func(object) {}},
}

// modernSpan sets the status as OTLP says for senders that know only the old
// codes, those of gRPC: all but OK are errors (opentelemetry-proto 0.19,
// trace.proto, Status).
func modernSpan(span object) {
	status, _ := span["status"].(map[string]any)
	if status == nil {
		return
	}
	code, _ := status["code"].(json.Number)
	deprecated, isOld := status["deprecatedCode"].(json.Number)
	delete(status, "deprecatedCode")
	if isOld && deprecated != "0" && (code == "" || code == "0") {
		status["code"] = json.Number("2")
	}
}

// modernMetric gives a metric and its points the names of OTLP 0.9 and later.
func modernMetric(metric object) {
	for _, kind := range []struct{ old, now, value string }{
		{"intGauge", "gauge", "asInt"}, {"doubleGauge", "gauge", "asDouble"},
		{"intSum", "sum", "asInt"}, {"doubleSum", "sum", "asDouble"},
		{"intHistogram", "histogram", ""}, {"doubleHistogram", "histogram", ""},
		{"doubleSummary", "summary", ""},
	} {
		data, isOld := metric[kind.old].(map[string]any)
		if !isOld {
			continue
		}
		metric.rename(kind.old, kind.now)
		for point := range object(data).objects("dataPoints") {
			if kind.value != "" {
				point.rename("value", kind.value)
			}
			point.dropInfinity()
		}
	}
	for _, kind := range []string{"gauge", "sum", "histogram", "summary"} {
		data, _ := metric[kind].(map[string]any)
		for point := range object(data).objects("dataPoints") {
			point.labelsToAttributes()
		}
	}
}

// object is a JSON object.
type object map[string]any

// rename gives the value of key old the key now, where that is free; of two
// lists it makes one.
func (o object) rename(old, now string) {
	value, ok := o[old]
	if !ok || old == now {
		return
	}
	delete(o, old)
	if o[now] == nil {
		o[now] = value
		return
	}
	there, isList := o[now].([]any)
	more, areLists := value.([]any)
	if isList && areLists {
		o[now] = append(there, more...)
	}
}

// objects ranges over the objects of the list at key.
func (o object) objects(key string) func(func(object) bool) {
	return func(yield func(object) bool) {
		list, _ := o[key].([]any)
		for _, item := range list {
			if item, ok := item.(map[string]any); ok && !yield(item) {
				return
			}
		}
	}
}

// dropInfinity takes the last bound out of a histogram's point where it was
// infinity, which those SDKs wrote as null, and with it the bucket above it,
// which nothing falls into.
func (o object) dropInfinity() {
	bounds, _ := o["explicitBounds"].([]any)
	counts, _ := o["bucketCounts"].([]any)
	last := len(bounds) - 1
	if last < 0 || bounds[last] != nil || len(counts) != len(bounds)+1 {
		return
	}
	o["explicitBounds"], o["bucketCounts"] = bounds[:last], counts[:last+1]
}

// labelsToAttributes makes attributes of the labels of a data point, whose
// values are always text.
func (o object) labelsToAttributes() {
	attributes, _ := o["attributes"].([]any)
	for label := range o.objects("labels") {
		value, _ := label["value"].(string)
		attributes = append(attributes, map[string]any{"key": label["key"], "value": map[string]any{"stringValue": value}})
	}
	delete(o, "labels")
	if attributes != nil {
		o["attributes"] = attributes
	}
}
