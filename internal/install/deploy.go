package install

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Image is the image of a release.
func Image(version string) string { return "signalbox:" + version }

// Deploy are the files of deploy/, by path: the manifest with the default values,
// the same as a base for kustomize, and the Helm chart.
func Deploy(version string) (map[string][]byte, error) {
	image := Image(version)
	v, err := Parse(nil, nil)
	if err != nil {
		return nil, err
	}
	objects, err := Objects(v, image)
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{"signalbox.yaml": append([]byte(madeBy), YAML(objects)...)}
	maps.Copy(files, kustomization(objects))
	chart, err := Chart(version, image)
	for name, text := range chart {
		files["helm/signalbox/"+name] = text
	}
	return files, err
}

const madeBy = "# Made by make deploy; what is changed here is lost.\n"

// kustomization is a base for kustomize, with a file for each kind of object.
func kustomization(objects []*unstructured.Unstructured) map[string][]byte {
	byFile := map[string][]*unstructured.Unstructured{}
	var names []string
	for _, o := range objects {
		name := strings.ToLower(o.GetKind()) + ".yaml"
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
		byFile[name] = append(byFile[name], o)
	}
	files := map[string][]byte{}
	for name, objects := range byFile {
		files["kustomize/"+name] = append([]byte(madeBy), YAML(objects)...)
	}
	head := madeBy + "# Name this folder in the resources of a kustomization of yours.\napiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n"
	files["kustomize/kustomization.yaml"] = fmt.Appendf(nil, "%s  - %s\n", head, strings.Join(names, "\n  - "))
	return files
}
