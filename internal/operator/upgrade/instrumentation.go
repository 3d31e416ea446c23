package upgrade

import (
	"fmt"
	"maps"
	"path"
	"slices"

	"github.com/signalbox-otel/signalbox/api/v1alpha1"
)

// agent is a language of instrumentations.
type agent struct {
	// key is its name below spec and in the status, name that in annotations.
	key, name string
	payload   func(*v1alpha1.InstrumentationSpec) *v1alpha1.Payload
	image     func(v1alpha1.Images) string
	// barrier is a release that changes what applications send, so that nobody
	// gets it without asking; nil when there is none.
	barrier *release
}

var agents = []agent{
	{
		"java", "java", func(s *v1alpha1.InstrumentationSpec) *v1alpha1.Payload { return &s.Java.Payload },
		func(i v1alpha1.Images) string { return i.Java }, &release{2, 0, 0},
	},
	{
		"nodejs", "nodejs", func(s *v1alpha1.InstrumentationSpec) *v1alpha1.Payload { return &s.NodeJS.Payload },
		func(i v1alpha1.Images) string { return i.NodeJS }, nil,
	},
	{
		"python", "python", func(s *v1alpha1.InstrumentationSpec) *v1alpha1.Payload { return &s.Python.Payload },
		func(i v1alpha1.Images) string { return i.Python }, nil,
	},
	{
		"dotnet", "dotnet", func(s *v1alpha1.InstrumentationSpec) *v1alpha1.Payload { return &s.DotNet.Payload },
		func(i v1alpha1.Images) string { return i.DotNet }, &release{1, 3, 0},
	},
	{
		"go", "go", func(s *v1alpha1.InstrumentationSpec) *v1alpha1.Payload { return &s.Go.Payload },
		func(i v1alpha1.Images) string { return i.Go }, nil,
	},
	{
		"apacheHttpd", "apache-httpd", func(s *v1alpha1.InstrumentationSpec) *v1alpha1.Payload { return &s.ApacheHttpd.Payload },
		func(i v1alpha1.Images) string { return i.ApacheHttpd }, nil,
	},
	{
		"nginx", "nginx", func(s *v1alpha1.InstrumentationSpec) *v1alpha1.Payload { return &s.Nginx.Payload },
		func(i v1alpha1.Images) string { return i.Nginx }, nil,
	},
}

// Instrumentation gives the languages whose image was the default the present
// one, in the resource and in the annotation that says which that was, and
// returns what it changed. What is held back is in the resource's status. An
// empty image leaves its language alone.
func Instrumentation(i *v1alpha1.Instrumentation, images v1alpha1.Images) (changed []string) {
	blocked := map[string]string{}
	for _, a := range agents {
		p, image, note := a.payload(&i.Spec), a.image(images), v1alpha1.DefaultImageAnnotation(a.name)
		if image == "" || p.Image == "" || p.Image == image || p.Image != i.Annotations[note] {
			continue
		}
		if a.barrier != nil && crosses(a.name, p.Image, image, *a.barrier) {
			blocked[a.key] = fmt.Sprintf(
				"%s stays at %s: from release %d.%d.%d on, the names of what applications send are others, which dashboards and alerts have to follow; set spec.%s.image to %s to have it",
				a.key, p.Image, a.barrier[0], a.barrier[1], a.barrier[2], a.key, image)
			continue
		}
		changed = append(changed, fmt.Sprintf("%s from %s to %s", a.key, p.Image, image))
		p.Image = image
		i.Annotations[note] = image
	}
	if !maps.Equal(blocked, i.Status.UpgradeBlockedVersions) {
		i.Status.UpgradeBlockedVersions = blocked
	}
	if len(blocked) == 0 {
		i.Status.UpgradeBlockedVersions = nil
	}
	return changed
}

// crosses reports whether a barrier lies between two images of an agent. Only
// opentelemetry-operator's have the agent's own version as their tag; ours are all
// past the barriers.
func crosses(agent, from, to string, barrier release) bool {
	upstream := "autoinstrumentation-" + agent
	old, ok := parse(tag(from))
	if !ok || path.Base(repository(from)) != upstream || !old.before(barrier) {
		return false
	}
	now, ok := parse(tag(to))
	return path.Base(repository(to)) != upstream || ok && !now.before(barrier)
}

// news are the languages that are held back now and were not before.
func news(before, now map[string]string) []string {
	var all []string
	for _, key := range slices.Sorted(maps.Keys(now)) {
		if before[key] != now[key] {
			all = append(all, now[key])
		}
	}
	return all
}
