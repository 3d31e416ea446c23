package rollout

import (
	"context"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"github.com/signalbox-otel/signalbox/internal/operator/needs"
)

var (
	pods           = schema.GroupVersionResource{Version: "v1", Resource: "pods"}
	storageClasses = schema.GroupVersionResource{Group: "storage.k8s.io", Version: "v1", Resource: "storageclasses"}
)

// Wait returns when what the objects describe is ready: definitions are served,
// pods run, the operator answers webhooks, and the default collector runs. While
// it waits it says for what, and what keeps it.
func (c *Cluster) Wait(ctx context.Context, objects []*unstructured.Unstructured) error {
	for _, o := range objects {
		var ready func(context.Context, *unstructured.Unstructured) (bool, string, error)
		switch o.GetKind() {
		case "CustomResourceDefinition":
			ready = c.established
		case "Deployment", "StatefulSet":
			ready = c.running
		case "MutatingWebhookConfiguration", "ValidatingWebhookConfiguration":
			ready = c.trusted
		default:
			continue
		}
		if err := c.await(ctx, func() (bool, string, error) { return ready(ctx, o) }); err != nil {
			return fmt.Errorf("%s is not ready: %w", name(o), err)
		}
	}
	for _, o := range objects {
		if o.GetKind() != "ConfigMap" || o.GetName() != needs.DefaultsConfigMap {
			continue
		}
		for _, cr := range defaultsOf(o) {
			if err := c.await(ctx, func() (bool, string, error) { return c.collecting(ctx, cr) }); err != nil {
				return fmt.Errorf("%s is not ready: %w", name(cr), err)
			}
		}
	}
	return nil
}

// defaultsOf are the resources that the operator makes of the ConfigMap.
func defaultsOf(configMap *unstructured.Unstructured) []*unstructured.Unstructured {
	data, _, _ := unstructured.NestedStringMap(configMap.Object, "data")
	var all []*unstructured.Unstructured
	for _, text := range data {
		var o map[string]any
		if yaml.Unmarshal([]byte(text), &o) == nil && o["kind"] != nil {
			all = append(all, &unstructured.Unstructured{Object: o})
		}
	}
	return all
}

func (c *Cluster) established(ctx context.Context, o *unstructured.Unstructured) (bool, string, error) {
	live, err := c.get(ctx, o)
	if err != nil || live == nil {
		return false, name(o) + " is not there", err
	}
	status, message := condition(live, "Established")
	return status == "True", strings.TrimSpace(name(o) + " is not served yet " + message), nil
}

// running reports whether all pods of the workload are of its last form and
// ready.
func (c *Cluster) running(ctx context.Context, o *unstructured.Unstructured) (bool, string, error) {
	live, err := c.get(ctx, o)
	if err != nil || live == nil {
		return false, name(o) + " is not there", err
	}
	number := func(fields ...string) int64 {
		n, _, _ := unstructured.NestedInt64(live.Object, fields...)
		return n
	}
	wanted, updated := number("spec", "replicas"), number("status", "updatedReplicas")
	ready := number("status", "readyReplicas")
	if number("status", "observedGeneration") >= live.GetGeneration() && updated == wanted && ready == wanted && number("status", "replicas") == wanted {
		return true, "", nil
	}
	waiting := fmt.Sprintf("%s has %d of %d pods ready", name(o), min(ready, updated), wanted)
	why, err := c.whyNot(ctx, live)
	if why != "" {
		waiting += ": " + why
	}
	return false, waiting, err
}

// whyNot is what keeps a pod of the workload from being ready.
func (c *Cluster) whyNot(ctx context.Context, workload *unstructured.Unstructured) (string, error) {
	labels, _, _ := unstructured.NestedStringMap(workload.Object, "spec", "selector", "matchLabels")
	all, err := c.list(ctx, pods, workload.GetNamespace(), metav1.ListOptions{LabelSelector: metav1.FormatLabelSelector(&metav1.LabelSelector{MatchLabels: labels})})
	if err != nil {
		return "", err
	}
	if len(all) == 0 {
		for _, kind := range []string{"ReplicaFailure", "Progressing"} {
			if status, message := condition(workload, kind); message != "" && (status == "True") == (kind == "ReplicaFailure") {
				return message, nil
			}
		}
	}
	for _, pod := range all {
		if status, _ := condition(&pod, "Ready"); status == "True" {
			continue
		}
		if status, message := condition(&pod, "PodScheduled"); status == "False" {
			hint, err := c.storageHint(ctx, workload)
			return message + hint, err
		}
		if why := containerState(&pod); why != "" {
			return why, nil
		}
	}
	return "", nil
}

// containerState is why a container of the pod waits or has ended.
func containerState(pod *unstructured.Unstructured) string {
	containers, _, _ := unstructured.NestedSlice(pod.Object, "status", "containerStatuses")
	for _, s := range containers {
		status, _ := s.(map[string]any)
		for _, state := range [][]string{{"state", "waiting"}, {"state", "terminated"}, {"lastState", "terminated"}} {
			reason, _, _ := unstructured.NestedString(status, append(state, "reason")...)
			message, _, _ := unstructured.NestedString(status, append(state, "message")...)
			switch {
			case reason == "" || reason == "ContainerCreating" || reason == "PodInitializing":
			case message == "":
				return reason
			default:
				return reason + ": " + message
			}
		}
	}
	return ""
}

// storageHint says what to do when the store waits for a volume and no storage
// class is there to make it.
func (c *Cluster) storageHint(ctx context.Context, workload *unstructured.Unstructured) (string, error) {
	if workload.GetKind() != "StatefulSet" {
		return "", nil
	}
	claim, err := c.get(ctx, claimOf(workload.GetNamespace()))
	if err != nil || claim == nil {
		return "", err
	}
	phase, _, _ := unstructured.NestedString(claim.Object, "status", "phase")
	class, _, _ := unstructured.NestedString(claim.Object, "spec", "storageClassName")
	if phase != "Pending" || class != "" {
		return "", nil
	}
	classes, err := c.list(ctx, storageClasses, "", metav1.ListOptions{})
	if err != nil {
		return "", err
	}
	var names []string
	for _, class := range classes {
		names = append(names, class.GetName())
	}
	if len(names) == 0 {
		return "\nthe cluster has no storage class: --set store.persistent=false keeps the data in the pod, as long as it lives", nil
	}
	return "\nno storage class is the default: choose one with --set store.storageClass=…: " + strings.Join(names, ", "), nil
}

// trusted reports whether the operator has said by which certificate its webhooks
// are known.
func (c *Cluster) trusted(ctx context.Context, o *unstructured.Unstructured) (bool, string, error) {
	live, err := c.get(ctx, o)
	if err != nil || live == nil {
		return false, name(o) + " is not there", err
	}
	hooks, _, _ := unstructured.NestedSlice(live.Object, "webhooks")
	for _, h := range hooks {
		hook, _ := h.(map[string]any)
		if bundle, _, _ := unstructured.NestedString(hook, "clientConfig", "caBundle"); bundle == "" {
			return false, "the operator has not put its certificate into " + name(o), nil
		}
	}
	return true, "", nil
}

// collecting reports whether the resource is ready.
func (c *Cluster) collecting(ctx context.Context, cr *unstructured.Unstructured) (bool, string, error) {
	live, err := c.get(ctx, cr)
	if err != nil || live == nil {
		return false, "the operator has not made " + name(cr), err
	}
	status, message := condition(live, "Ready")
	if message == "" {
		message = "the operator has not looked at it"
	}
	return status == "True", name(cr) + ": " + message, nil
}

// condition is the status and the message of a condition of the object.
func condition(o *unstructured.Unstructured, kind string) (status, message string) {
	conditions, _, _ := unstructured.NestedSlice(o.Object, "status", "conditions")
	for _, c := range conditions {
		if m, ok := c.(map[string]any); ok && m["type"] == kind {
			status, _, _ = unstructured.NestedString(m, "status")
			message, _, _ = unstructured.NestedString(m, "message")
		}
	}
	return status, message
}
