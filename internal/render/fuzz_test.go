package render

import (
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"sigs.k8s.io/yaml"

	"github.com/signalbox-otel/signalbox/api/v1beta1"
)

// FuzzCollector shows that no resource that the API server lets in brings the
// operator down, and that what a collector got would be rendered the same again.
func FuzzCollector(f *testing.F) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(member(archive, "cr.yaml"))
	}
	f.Add([]byte("spec: {targetAllocator: {enabled: true}, config: {receivers: {prometheus: {config: {scrape_configs: [true]}}}}}"))
	facts := Facts{CollectorImage: "signalbox:1", RBAC: true, ServiceMonitors: true, PodMonitors: true, Routes: true, HTTPRoutes: true}
	f.Fuzz(func(t *testing.T, text []byte) {
		cr := new(v1beta1.OpenTelemetryCollector)
		if err := yaml.Unmarshal(text, cr); err != nil {
			return
		}
		cr.Name, cr.Namespace = "c", "n"
		if cr.Spec.TargetAllocator.Enabled {
			_, _ = Allocator(EmbeddedAllocator(cr), []*v1beta1.OpenTelemetryCollector{cr}, facts)
		}
		plan, err := Collector(cr, facts)
		if err != nil {
			return
		}
		if _, err := plan.YAML(); err != nil {
			t.Fatal(err)
		}
		c, err := newCollector(cr, &facts, new(Plan))
		if err != nil {
			t.Fatal(err)
		}
		var written map[string]any
		if err := yaml.Unmarshal([]byte(c.text), &written); err != nil {
			t.Fatalf("what the collector gets is not YAML: %v\n%s", err, c.text)
		}
		again := cr.DeepCopy()
		again.Spec.Config = v1beta1.NewConfig(written)
		second, err := newCollector(again, &facts, new(Plan))
		if err != nil {
			t.Fatal(err)
		}
		if second.text != c.text {
			t.Errorf("what the collector got is rendered to something else:\n%s\nthen\n%s", c.text, second.text)
		}
	})
}
