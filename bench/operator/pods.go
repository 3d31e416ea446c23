package main

import (
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// kind is what pods ask for.
type kind struct {
	name, goal  string
	annotations map[string]string
	// adds are the containers that a pod then has.
	adds []string
}

const (
	inject = "instrumentation.opentelemetry.io/"
	agent  = "opentelemetry-auto-instrumentation-"
)

// kinds are measured one after the other.
var kinds = []kind{
	{"a sidecar", "≤ 15 ms", map[string]string{"sidecar.opentelemetry.io/inject": "true"}, []string{"otc-container"}},
	{"Python", "≤ 10 ms", map[string]string{inject + "inject-python": "true"}, []string{agent + "python"}},
	{"Java, Node.js and Python", "≤ 10 ms", map[string]string{
		inject + "inject-java": "true", inject + "java-container-names": "shop",
		inject + "inject-nodejs": "true", inject + "nodejs-container-names": "web",
		inject + "inject-python": "true", inject + "python-container-names": "worker",
	}, []string{agent + "java", agent + "nodejs", agent + "python"}},
}

// instrumentation is what pods are instrumented with.
func instrumentation() map[string]any {
	return map[string]any{
		"apiVersion": "opentelemetry.io/v1alpha1", "kind": "Instrumentation", "metadata": map[string]any{"name": "all", "namespace": podNamespace},
		"spec": map[string]any{
			"exporter":    map[string]any{"endpoint": "http://gateway:4318"},
			"propagators": []any{"tracecontext", "baggage"},
			"sampler":     map[string]any{"type": "parentbased_traceidratio", "argument": "0.25"},
		},
	}
}

// gateway is the Service that their telemetry goes to. It is none of the
// operator's, so that it has to be asked for.
func gateway() map[string]any {
	return map[string]any{
		"apiVersion": "v1", "kind": "Service", "metadata": map[string]any{"name": "gateway", "namespace": podNamespace},
		"spec": map[string]any{"ports": []any{map[string]any{"name": "otlp-http", "port": 4318, "protocol": "TCP"}}},
	}
}

// pod lets a pod be admitted, and reports whether it has what it asks for.
func (b *bench) pod(ctx context.Context, set *kubernetes.Clientset, k kind) (bool, error) {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{GenerateName: "shop-", Labels: map[string]string{"app": "shop"}, Annotations: k.annotations}}
	for i, name := range []string{"shop", "web", "worker"} {
		pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{
			Name: name, Image: name + ":1", Ports: []corev1.ContainerPort{{ContainerPort: int32(8080 + i)}},
			Env: []corev1.EnvVar{{Name: "SETTING", Value: "a value"}},
		})
	}
	p, err := set.CoreV1().Pods(podNamespace).Create(ctx, pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	if err != nil {
		return false, err
	}
	for _, name := range k.adds {
		is := func(c corev1.Container) bool { return c.Name == name }
		if !slices.ContainsFunc(p.Spec.Containers, is) && !slices.ContainsFunc(p.Spec.InitContainers, is) {
			return false, nil
		}
	}
	return true, nil
}
