// Package upgrade takes resources from the version that they ran last to the
// operator's own.
//
// The controllers ask Collector before they apply what was rendered, and Add
// registers the controller that gives instrumentations new images.
//
// Invariants: the specification of a collector is not changed, because render
// migrates configurations and flags each time; so a way back is there as well.
// What the new version would not run keeps the old one, and is decided anew at
// each reconciliation.
package upgrade

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/signalbox-otel/signalbox/api/v1beta1"
	"github.com/signalbox-otel/signalbox/internal/migrate"
	"github.com/signalbox-otel/signalbox/internal/render"
)

// Upgraded is the type of the condition of collectors that are held back. There
// is no such condition on others.
const Upgraded = "Upgraded"

// Reasons of the condition and of events.
const (
	Held    = "UpgradeHeld"
	Done    = "Upgrade"
	Blocked = "UpgradeBlocked"
)

// Outcome is what becomes of a collector.
type Outcome struct {
	// Version that the status says.
	Version string
	// Old is the resource with the image that it ran last, to be rendered
	// instead; nil when it is not held back.
	Old *v1beta1.OpenTelemetryCollector
	// Condition says why it is held back; nil when it is not.
	Condition *metav1.Condition
	// Note is for an event about an upgrade that is made; empty when none is.
	Note string
}

// Due reports whether a collector ran another version than the operator's, and
// is to be upgraded.
func Due(cr *v1beta1.OpenTelemetryCollector, version string) bool {
	return cr.Status.Version != "" && cr.Status.Version != version && cr.Spec.UpgradeStrategy != v1beta1.UpgradeNone
}

// Collector decides about a collector for which there were findings, in a version
// of the operator. The resource is not changed.
//
// One whose image is its own goes on with that, whatever the operator's version
// is, so there is nothing to hold back. Nor is there with sidecars: pods keep
// those that they have.
func Collector(cr *v1beta1.OpenTelemetryCollector, facts render.Facts, version string, findings []migrate.Finding) Outcome {
	from := cr.Status.Version
	if !Due(cr, version) {
		return Outcome{Version: cmp.Or(from, version)}
	}
	i := slices.IndexFunc(findings, func(f migrate.Finding) bool { return f.Severity == migrate.Error })
	if i < 0 || cr.Spec.Mode == v1beta1.ModeSidecar || cr.Spec.Image != "" || cr.Status.Image == "" || cr.Status.Image == facts.CollectorImage {
		return Outcome{Version: version, Note: note(from, version, findings)}
	}
	old := cr.DeepCopy()
	old.Spec.Image = cr.Status.Image
	old.Spec.UpgradeStrategy = v1beta1.UpgradeNone // its configuration stays as it is written
	if old.Spec.Command == nil && repository(cr.Status.Image) == repository(facts.CollectorImage) {
		old.Spec.Command = facts.CollectorCommand
	}
	f := findings[i]
	return Outcome{Version: from, Old: old, Condition: &metav1.Condition{
		Type: Upgraded, Status: metav1.ConditionFalse, Reason: Held,
		Message: fmt.Sprintf("%s with image %s keeps running, because %s would not run this configuration: %s: %s; mend it, or set spec.image to have %s anyway",
			from, cr.Status.Image, version, f.Place(), f.Text(), version),
	}}
}

// note says what an upgrade changes.
func note(from, to string, findings []migrate.Finding) string {
	n := 0
	for _, f := range findings {
		if f.Severity == migrate.Changed || f.Severity == migrate.Ignored {
			n++
		}
	}
	text := fmt.Sprintf("from %s to %s", from, to)
	if n > 0 {
		text += fmt.Sprintf("; %d places of the configuration are migrated, the resource stays as it is written", n)
	}
	return text
}

// repository is an image without tag and digest.
func repository(image string) string {
	image, _, _ = strings.Cut(image, "@")
	if i := strings.LastIndex(image, ":"); i > strings.LastIndex(image, "/") {
		return image[:i]
	}
	return image
}

// tag is what stands after the repository, empty where there is none.
func tag(image string) string {
	image, _, _ = strings.Cut(image, "@")
	if i := strings.LastIndex(image, ":"); i > strings.LastIndex(image, "/") {
		return image[i+1:]
	}
	return ""
}

// release is a version of three numbers.
type release [3]int

// parse reads a version, as v2.30.0 or 2.30.0-alpha; ok is false for anything
// else.
func parse(version string) (r release, ok bool) {
	version, _, _ = strings.Cut(strings.TrimPrefix(version, "v"), "-")
	n, err := fmt.Sscanf(version, "%d.%d.%d", &r[0], &r[1], &r[2])
	return r, err == nil && n == len(r)
}

// before reports whether r is earlier than o.
func (r release) before(o release) bool { return slices.Compare(r[:], o[:]) < 0 }
