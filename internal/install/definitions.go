package install

import (
	"github.com/signalbox-otel/signalbox/api/crds"
)

// definitions are the custom resource definitions, with where collectors are
// converted. The operator adds the certificate by which it is known.
func definitions() ([]part, error) {
	served, err := crds.WithConversion("")
	if err != nil {
		return nil, err
	}
	var all []part
	for _, definition := range served {
		t := definition.Object
		metadata, spec := t["metadata"].(map[string]any), t["spec"].(map[string]any)
		metadata["labels"] = tree{"app.kubernetes.io/name": "opentelemetry-operator", PartOf: Name}
		if conversion, ok := spec["conversion"].(map[string]any); ok {
			service := conversion["webhook"].(map[string]any)["clientConfig"].(map[string]any)["service"].(map[string]any)
			service["namespace"] = namespace
			metadata["annotations"].(map[string]any)[injectCA] = when{cond: is("operator.certManager"), then: certificatePath}
		}
		all = append(all, part{"crds", is("crds"), t})
	}
	return all, nil
}
