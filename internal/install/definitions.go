package install

import (
	"fmt"
	"io/fs"

	"github.com/signalbox-otel/signalbox/api/crds"
	"github.com/signalbox-otel/signalbox/internal/operator/needs"
)

// collectorsDefinition is the definition whose objects are converted between
// versions.
const collectorsDefinition = "opentelemetrycollectors.opentelemetry.io"

// definitions are the custom resource definitions, with where collectors are
// converted. The operator adds the certificate by which it is known.
func definitions() ([]part, error) {
	names, err := fs.Glob(crds.Files, "*.yaml")
	if err != nil {
		return nil, err
	}
	var all []part
	for _, name := range names {
		text, err := crds.Files.ReadFile(name)
		if err != nil {
			return nil, err
		}
		t, err := readMap(text)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", name, err)
		}
		metadata := t["metadata"].(map[string]any)
		metadata["labels"] = tree{"app.kubernetes.io/name": "opentelemetry-operator", "app.kubernetes.io/part-of": "signalbox"}
		if metadata["name"] == collectorsDefinition {
			convert(t)
		}
		all = append(all, part{"crds", is("crds"), t})
	}
	return all, nil
}

// convert says where objects of the definition are converted.
func convert(definition tree) {
	definition["metadata"].(map[string]any)["annotations"].(map[string]any)[injectCA] = when{cond: is("operator.certManager"), then: certificatePath}
	definition["spec"].(map[string]any)["conversion"] = tree{
		"strategy": "Webhook",
		"webhook": tree{
			"conversionReviewVersions": list{"v1"},
			"clientConfig":             webhookClient(needs.ConvertPath),
		},
	}
}
