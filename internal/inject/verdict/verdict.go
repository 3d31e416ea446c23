// Package verdict is what injection and the probe of images/probe tell each
// other: which variables a language wants in a container, and what the probe
// found there.
//
// Injection writes the probe's command and variables into a pod. The probe runs
// from the image of the pod's container before it starts, and leaves its verdict
// as the message that an init container ends with, which the kubelet puts into
// the status of the pod; there the operator reads it.
//
// Invariants: it needs only the standard library, as the probe does, and a
// verdict fits into a message.
package verdict

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Prefixes of the variables that tell the probe what to write for a container:
// AddPrefix and SetPrefix with a language in capitals, "_" and the name of a
// variable, BasePrefix with the number of a container, "_" and the name.
const (
	// AddPrefix is of values that have Own where the value belongs that the image
	// has.
	AddPrefix = "SIGNALBOX_ADD_"
	// SetPrefix is of values that are set whatever the image has.
	SetPrefix = "SIGNALBOX_SET_"
	// BasePrefix is of values that the container has when no language is used.
	BasePrefix = "SIGNALBOX_BASE_"
)

// Own stands for the image's own value.
const Own = "{}"

// MaxValue is the longest value that the kubelet reads from a file without doubt,
// in bytes.
const MaxValue = 32 << 10

// Writable reports whether a file of variables can hold a value: the kubelet
// reads them in single quotes, and knows no way to quote one.
func Writable(value string) bool {
	return len(value) <= MaxValue && !strings.ContainsAny(value, "'\x00\r")
}

// MaxMessage is how many bytes the kubelet takes of a message.
const MaxMessage = 4096

// Languages that the probe can tell apart, as annotations name them. Go is
// recognised and never chosen: its agent runs beside the program.
const (
	Java   = "java"
	NodeJS = "nodejs"
	Python = "python"
	DotNet = "dotnet"
	Go     = "go"
)

// The C libraries.
const (
	GNU  = "glibc"
	Musl = "musl"
)

// Reason is a code for why a runtime is not instrumented.
type Reason string

// The reasons.
const (
	// NotAllowed languages are switched off, or have no image.
	NotAllowed Reason = "NotAllowed"
	// NotStarted runtimes are in the image, and the container starts another.
	NotStarted Reason = "NotStarted"
	// TooOld runtimes are older than the agent.
	TooOld Reason = "TooOld"
	// Incomplete runtimes lack the part that loads agents.
	Incomplete Reason = "Incomplete"
	// OtherAgent is in the image's variables.
	OtherAgent Reason = "OtherAgent"
	// BadVariable is one of the image that cannot be kept beside ours.
	BadVariable Reason = "BadVariable"
	// NotCopied is an agent whose files did not arrive.
	NotCopied Reason = "NotCopied"
	// NoAgent languages have none that can be put into a container.
	NoAgent Reason = "NoAgent"
)

// Verdict is what the probe found in a container.
type Verdict struct {
	Container string `json:"container"`
	// Libc is that of the programs in the image: GNU, Musl, or empty where there
	// is none.
	Libc string `json:"libc,omitempty"`
	// Entry is the program that the container starts, where the pod says so.
	Entry string `json:"entry,omitempty"`
	// Runtimes that were found, those of a language that is used first.
	Runtimes []Runtime `json:"runtimes,omitempty"`
	// Error is why the probe could not do its work.
	Error string `json:"error,omitempty"`
}

// Runtime is one that was found.
type Runtime struct {
	Language string `json:"language"`
	// Version is empty where it could not be found out.
	Version string `json:"version,omitempty"`
	Path    string `json:"path"`
	// Used says that the language's agent is put into the container. Otherwise
	// Reason and Message say why not.
	Used    bool   `json:"used,omitempty"`
	Reason  Reason `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
}

// Delivery is what became of one language's files.
type Delivery struct {
	// Delivered is the language.
	Delivered string `json:"delivered"`
	// Containers have it; none where no container needs it.
	Containers []string `json:"containers,omitempty"`
	// Failed are containers that need it and go without, for the reason in Error.
	Failed []string `json:"failed,omitempty"`
	Error  string   `json:"error,omitempty"`
}

// Used are the languages of the verdict that are used.
func (v *Verdict) Used() []string {
	var all []string
	for _, r := range v.Runtimes {
		if r.Used && !slices.Contains(all, r.Language) {
			all = append(all, r.Language)
		}
	}
	return all
}

// Miss notes on a verdict that an agent's files did not arrive.
func (v *Verdict) Miss(d Delivery) {
	if !slices.Contains(d.Failed, v.Container) {
		return
	}
	for i := range v.Runtimes {
		if r := &v.Runtimes[i]; r.Used && r.Language == d.Delivered {
			r.Used, r.Reason, r.Message = false, NotCopied, "its agent could not be copied: "+d.Error
		}
	}
}

// String is the verdict as a sentence.
func (v *Verdict) String() string {
	if v.Error != "" {
		return fmt.Sprintf("nothing is known of container %s: %s", v.Container, v.Error)
	}
	libc := cmp.Or(v.Libc, "no C library")
	if len(v.Runtimes) == 0 {
		return fmt.Sprintf("nothing that can be instrumented was found in container %s (%s)", v.Container, libc)
	}
	var parts []string
	for _, r := range v.Runtimes {
		name := strings.TrimSpace(r.Language + " " + r.Version)
		if r.Used {
			parts = append(parts, name+" is instrumented")
		} else {
			parts = append(parts, fmt.Sprintf("%s is not instrumented: %s", name, r.Message))
		}
	}
	return fmt.Sprintf("in container %s (%s) %s", v.Container, libc, strings.Join(parts, "; "))
}

// Message is the verdict for the kubelet. What does not fit is left out: paths
// first, then runtimes that are not used.
func (v Verdict) Message() string {
	text := encode(v)
	if len(text) <= MaxMessage {
		return text
	}
	v.Runtimes = slices.Clone(v.Runtimes)
	for i := range v.Runtimes {
		v.Runtimes[i].Path = cut(v.Runtimes[i].Path)
		v.Runtimes[i].Message = cut(v.Runtimes[i].Message)
	}
	v.Entry, v.Error = cut(v.Entry), cut(v.Error)
	for len(encode(v)) > MaxMessage && len(v.Runtimes) > 0 {
		v.Runtimes = v.Runtimes[:len(v.Runtimes)-1]
	}
	return encode(v)
}

// cut bounds a text; what is cut is not a character's half.
func cut(text string) string {
	const most = 120
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}

// encode is a value as JSON. All of them can be.
func encode(v any) string {
	text, _ := json.Marshal(v)
	return string(text)
}

// Message is the delivery for the kubelet.
func (d Delivery) Message() string {
	d.Error = cut(d.Error)
	for len(encode(d)) > MaxMessage && len(d.Containers) > 0 {
		d.Containers = d.Containers[:len(d.Containers)-1]
	}
	for len(encode(d)) > MaxMessage && len(d.Failed) > 0 {
		d.Failed = d.Failed[:len(d.Failed)-1]
	}
	return encode(d)
}

// errForeign says that a message is none of the probe's.
var errForeign = errors.New("not a message of the probe")

// Parse reads a verdict from the message of an init container.
func Parse(message string) (Verdict, error) {
	var v Verdict
	if err := json.Unmarshal([]byte(message), &v); err != nil {
		return Verdict{}, fmt.Errorf("reading a verdict: %w", err)
	}
	if v.Container == "" {
		return Verdict{}, fmt.Errorf("reading a verdict: %w", errForeign)
	}
	return v, nil
}

// ParseDelivery reads a delivery from the message of an init container.
func ParseDelivery(message string) (Delivery, error) {
	var d Delivery
	if err := json.Unmarshal([]byte(message), &d); err != nil {
		return Delivery{}, fmt.Errorf("reading a delivery: %w", err)
	}
	if d.Delivered == "" {
		return Delivery{}, fmt.Errorf("reading a delivery: %w", errForeign)
	}
	return d, nil
}
