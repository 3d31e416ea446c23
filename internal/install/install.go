package install

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// Names of the objects of the store. All are in the namespace.
const (
	// StoreName is the StatefulSet, its ServiceAccount, and the Service of the page.
	StoreName = "signalbox"
	// OTLPService is where telemetry is sent to.
	OTLPService = "signalbox-otlp"
	// StoreVolume is the claim of the store's volume in the StatefulSet. That of
	// its pod is called StoreVolume-StoreName-0.
	StoreVolume = "data"
)

// part is an object and whether it is wanted.
type part struct {
	name string // of its file in a chart
	when expr
	tree tree
}

// PartOf is a label, and Name its value, of everything that is installed.
const (
	PartOf = "app.kubernetes.io/part-of"
	Name   = "signalbox"
)

// Objects are what is to be applied for the values, in that order. image is of all
// that the values give no image.
func Objects(v Values, image string) ([]*unstructured.Unstructured, error) {
	parts, err := parts(image)
	if err != nil {
		return nil, err
	}
	all, err := generic(v)
	if err != nil {
		return nil, err
	}
	f := filled(all.(map[string]any))
	var objects []*unstructured.Unstructured
	for _, p := range parts {
		if truth(p.when.eval(f)) {
			objects = append(objects, &unstructured.Unstructured{Object: f.fill(p.tree).(map[string]any)})
		}
	}
	return objects, nil
}

// Everything names each object that an installation with any values may have, in
// the order to apply them in: apiVersion, kind, name and namespace.
func Everything(v Values) ([]*unstructured.Unstructured, error) {
	parts, err := parts("")
	if err != nil {
		return nil, err
	}
	all, err := generic(v)
	if err != nil {
		return nil, err
	}
	f := filled(all.(map[string]any))
	var objects []*unstructured.Unstructured
	for _, p := range parts {
		metadata := p.tree["metadata"].(map[string]any)
		id := tree{"name": metadata["name"]}
		if in, ok := metadata["namespace"]; ok {
			id["namespace"] = in
		}
		named := tree{"apiVersion": p.tree["apiVersion"], "kind": p.tree["kind"], "metadata": id}
		objects = append(objects, &unstructured.Unstructured{Object: f.fill(named).(map[string]any)})
	}
	return objects, nil
}

// parts are all objects in the order to apply them in: what others are in or
// refer to is before them, and webhooks are last, because they speak for an
// operator that has to run first.
func parts(image string) ([]part, error) {
	all := []part{{"namespace", is("createNamespace"), namespaceTree()}}
	definitions, err := definitions()
	if err != nil {
		return nil, err
	}
	all = append(all, definitions...)
	rights, err := rights()
	if err != nil {
		return nil, err
	}
	all = append(all, rights...)
	all = append(all, storeParts(image)...)
	all = append(all, defaultsPart())
	all = append(all, operatorParts(image)...)
	hooks, err := webhooks()
	return append(all, hooks...), err
}

// namespaceTree is the Namespace, which keeps pods with more rights than theirs
// out of it.
func namespaceTree() tree {
	return tree{
		"apiVersion": "v1", "kind": "Namespace",
		"metadata": tree{
			"name": namespace,
			"labels": tree{
				PartOf:                               Name,
				"pod-security.kubernetes.io/enforce": str("podSecurity"),
				"pod-security.kubernetes.io/warn":    str("podSecurity"),
			},
		},
	}
}

// operatorLabels are on all objects of the operator, and storeLabels on all of the
// store. The first two select its pods.
func operatorLabels() tree {
	return tree{
		"app.kubernetes.io/name": "opentelemetry-operator",
		"control-plane":          "controller-manager",
		PartOf:                   Name,
	}
}

func operatorSelector() tree {
	return tree{"app.kubernetes.io/name": "opentelemetry-operator", "control-plane": "controller-manager"}
}

func storeLabels() tree {
	return tree{
		"app.kubernetes.io/name":      "signalbox",
		"app.kubernetes.io/component": "store",
		PartOf:                        Name,
	}
}

func storeSelector() tree {
	return tree{"app.kubernetes.io/name": "signalbox", "app.kubernetes.io/component": "store"}
}

// meta is the metadata of an object in the namespace, and clusterMeta of one that
// is in none.
func meta(name string, labels tree) tree {
	return tree{"name": name, "namespace": namespace, "labels": labels}
}

func clusterMeta(name string) tree { return tree{"name": name, "labels": operatorLabels()} }

// YAML are the objects as one manifest.
func YAML(objects []*unstructured.Unstructured) []byte {
	var out []byte
	for _, o := range objects {
		out = append(out, "---\n"...)
		out = append(out, encodeYAML(o.Object)...)
	}
	return out
}

// encodeYAML is a value of a tree without holes as YAML.
func encodeYAML(v any) []byte {
	out, err := yaml.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("install: encoding a tree: %v", err)) // trees have nothing that cannot be
	}
	return out
}
