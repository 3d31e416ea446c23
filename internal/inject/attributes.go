package inject

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Variables that hold resource attributes, and what these refer to.
const (
	attributesVariable = "OTEL_RESOURCE_ATTRIBUTES"
	podNameVariable    = "OTEL_RESOURCE_ATTRIBUTES_POD_NAME"
	podUIDVariable     = "OTEL_RESOURCE_ATTRIBUTES_POD_UID"
	nodeNameVariable   = "OTEL_RESOURCE_ATTRIBUTES_NODE_NAME"
)

// Owner is an object that a pod belongs to.
type Owner struct {
	APIVersion string    `json:"apiVersion,omitempty"`
	Kind       string    `json:"kind"`
	Name       string    `json:"name"`
	UID        types.UID `json:"uid,omitempty"`
}

// templateHash ends the name of a deployment's ReplicaSet.
const templateHash = "pod-template-hash"

// Owners are those of a pod, nearest first. Above is the controller of the
// nearest, where that was looked up: nil means that it was not, or that it has
// none. The deployment of a ReplicaSet is known without it, but for its UID.
func Owners(pod *corev1.Pod, above *metav1.OwnerReference) []Owner {
	ref := metav1.GetControllerOf(pod)
	if ref == nil {
		return nil
	}
	owners := []Owner{ownerOf(ref)}
	if above != nil {
		return append(owners, ownerOf(above))
	}
	if ref.Kind == "ReplicaSet" {
		if name, ok := strings.CutSuffix(ref.Name, "-"+pod.Labels[templateHash]); ok && name != "" && pod.Labels[templateHash] != "" {
			owners = append(owners, Owner{APIVersion: ref.APIVersion, Kind: "Deployment", Name: name})
		}
	}
	return owners
}

func ownerOf(ref *metav1.OwnerReference) Owner {
	return Owner{APIVersion: ref.APIVersion, Kind: ref.Kind, Name: ref.Name, UID: ref.UID}
}

// ownerAttribute is the resource attribute that names an owner of a kind.
var ownerAttribute = map[string]string{
	"ReplicaSet":  "k8s.replicaset",
	"Deployment":  "k8s.deployment",
	"StatefulSet": "k8s.statefulset",
	"DaemonSet":   "k8s.daemonset",
	"Job":         "k8s.job",
	"CronJob":     "k8s.cronjob",
}

// ownerAttributes name the owners, and with uids also tell those.
func ownerAttributes(owners []Owner, uids bool) map[string]string {
	attributes := map[string]string{}
	for _, o := range owners {
		key, ok := ownerAttribute[o.Kind]
		if !ok {
			continue
		}
		attributes[key+".name"] = attributeText(o.Name)
		if uids && o.UID != "" {
			attributes[key+".uid"] = attributeText(string(o.UID))
		}
	}
	return attributes
}

// attributeText writes a value as OTEL_RESOURCE_ATTRIBUTES has it. Also "$" is
// encoded, so that the kubelet expands nothing in it.
func attributeText(value string) string {
	var b strings.Builder
	for i := range len(value) {
		switch c := value[i]; {
		case c <= ' ' || c >= 0x7f, strings.IndexByte(`",;=\%$`, c) >= 0:
			fmt.Fprintf(&b, "%%%02X", c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// attributeList is the value of OTEL_RESOURCE_ATTRIBUTES, by key. Values are
// written already: some refer to variables.
func attributeList(attributes map[string]string) string {
	var all []string
	for _, key := range slices.Sorted(maps.Keys(attributes)) {
		all = append(all, key+"="+attributes[key])
	}
	return strings.Join(all, ",")
}

// field is a variable that holds a field of the pod.
func field(name, path string) corev1.EnvVar {
	return corev1.EnvVar{Name: name, ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: path}}}
}

// literal is a value that the kubelet hands over as it is.
func literal(value string) string { return strings.ReplaceAll(value, "$", "$$") }

func hasVariable(env []corev1.EnvVar, name string) bool {
	return slices.ContainsFunc(env, func(v corev1.EnvVar) bool { return v.Name == name })
}
