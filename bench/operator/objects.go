package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signalbox-otel/signalbox/bench/cputime"
)

// makers is how many objects are made at the same time.
const makers = 8

// create makes n objects in a namespace of their own.
func (b *bench) create(ctx context.Context, namespace string, n int, object func(int) map[string]any) error {
	if _, err := b.cluster.Kubectl(ctx, "", "create", "namespace", namespace); err != nil {
		return err
	}
	return b.fill(ctx, namespace, n, object)
}

// fill makes n objects in a namespace.
func (b *bench) fill(ctx context.Context, namespace string, n int, object func(int) map[string]any) error {
	numbers := make(chan int)
	failed := make(chan error, makers)
	var all sync.WaitGroup
	for range makers {
		all.Go(func() {
			for i := range numbers {
				o := &unstructured.Unstructured{Object: object(i)}
				o.SetNamespace(namespace)
				if err := b.client.Create(ctx, o); err != nil {
					failed <- fmt.Errorf("creating %s %s: %w", o.GetKind(), o.GetName(), err)
					return
				}
			}
		})
	}
	var err error
	for i := 0; i < n && err == nil; i++ {
		select {
		case numbers <- i:
		case err = <-failed:
		}
	}
	close(numbers)
	all.Wait()
	close(failed)
	return errors.Join(err, <-failed)
}

// unrelated makes ConfigMaps of 20 KB that nobody asked the operator about.
func (b *bench) unrelated(ctx context.Context, n int) error {
	return b.create(ctx, "unrelated", n, func(i int) map[string]any {
		return map[string]any{
			"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": fmt.Sprint("other-", i)},
			"data": map[string]any{"text": strings.Repeat(fmt.Sprintf("%019d\n", i), 1000)},
		}
	})
}

// quiet makes pods that ask for nothing and run nowhere, in a namespace with an
// Instrumentation, so that the operator looks at them, and waits until it has
// found the one beside them that asks.
func (b *bench) quiet(ctx context.Context, n int) error {
	const namespace = "quiet"
	counted := instrumentation()
	if err := b.create(ctx, namespace, 1, func(int) map[string]any { return counted }); err != nil {
		return err
	}
	// Pods cannot be made before their namespace has its account.
	if _, err := b.cluster.Kubectl(ctx, "", "wait", "--for=create", "--timeout=1m", "-n", namespace, "serviceaccount/default"); err != nil {
		return err
	}
	err := b.fill(ctx, namespace, n+1, func(i int) map[string]any {
		metadata := map[string]any{"name": fmt.Sprint("quiet-", i), "labels": map[string]any{"app": "quiet"}, "annotations": map[string]any{"note": strings.Repeat("x", 1000)}}
		if i == n {
			metadata["annotations"] = map[string]any{inject + "inject-sdk": "true"}
		}
		return map[string]any{
			"apiVersion": "v1", "kind": "Pod", "metadata": metadata,
			"spec": map[string]any{"schedulerName": "none", "containers": []any{map[string]any{"name": "app", "image": "app:1"}}},
		}
	})
	if err != nil {
		return err
	}
	return poll(ctx, 2*time.Minute, "the count of pods", func(ctx context.Context) error {
		got, err := b.cluster.Kubectl(ctx, "", "get", "instrumentation", "-n", namespace, "all", "-o", "jsonpath={.status.pods.matched}")
		if err == nil && got != "1" {
			err = fmt.Errorf("got %q pods that ask; want 1", got)
		}
		return err
	})
}

const collectorNamespace = "collectors"

// collectors makes n collectors and waits until all have their objects and their
// status.
func (b *bench) collectors(ctx context.Context, op *program, n int) error {
	before, err := cputime.Of(op.cmd.Process.Pid)
	if err != nil {
		return err
	}
	b.proxy.reset()
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(schema.GroupVersionKind{Group: "opentelemetry.io", Version: "v1beta1", Kind: "OpenTelemetryCollectorList"})
	seen, err := b.client.Watch(ctx, list, client.InNamespace(collectorNamespace))
	if err != nil {
		return err
	}
	defer seen.Stop()
	began := time.Now()
	if err := b.create(ctx, collectorNamespace, n, func(i int) map[string]any { return collector(fmt.Sprint("c", i), "deployment") }); err != nil {
		return err
	}
	created := time.Since(began)
	if err := settled(ctx, seen.ResultChan(), n); err != nil {
		return err
	}
	took := time.Since(began)
	after, err := cputime.Of(op.cmd.Process.Pid)
	if err != nil {
		return err
	}
	objects, err := b.owned(ctx)
	if err != nil {
		return err
	}
	b.table.row(fmt.Sprintf("%d collectors, %d objects: all there", n, objects), "≤ 10 s", "%.1f s", took.Seconds())
	b.table.row("  processor time of the operator", "", "%.1f s", (after - before).Seconds())
	b.table.row("  writes for each collector", "", "%.1f", float64(b.proxy.reportWrites())/float64(n))
	progress("  of which creating the collectors took %.1f s", created.Seconds())
	return nil
}

// settled waits until n collectors have a status of what they are. It watches,
// as asking again and again is work for the API server.
func settled(ctx context.Context, seen <-chan watch.Event, n int) error {
	done := map[string]bool{}
	for len(done) < n {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(2 * time.Minute):
			return fmt.Errorf("nothing happens any more: %d of %d collectors have a status", len(done), n)
		case e, ok := <-seen:
			if !ok {
				return errors.New("the watch of collectors ended")
			}
			c, ok := e.Object.(*unstructured.Unstructured)
			if !ok {
				continue
			}
			of, _, _ := unstructured.NestedInt64(c.Object, "status", "observedGeneration")
			conditions, _, _ := unstructured.NestedSlice(c.Object, "status", "conditions")
			if of == c.GetGeneration() && len(conditions) > 0 {
				done[c.GetName()] = true
			}
		}
	}
	return nil
}

// owned counts what was made for the collectors.
func (b *bench) owned(ctx context.Context) (int, error) {
	all := 0
	for _, kind := range []schema.GroupVersionKind{
		{Version: "v1", Kind: "ConfigMap"}, {Version: "v1", Kind: "Service"}, {Version: "v1", Kind: "ServiceAccount"},
		{Group: "apps", Version: "v1", Kind: "Deployment"}, {Group: "policy", Version: "v1", Kind: "PodDisruptionBudget"},
		{Group: "autoscaling", Version: "v2", Kind: "HorizontalPodAutoscaler"}, {Group: "networking.k8s.io", Version: "v1", Kind: "NetworkPolicy"},
	} {
		list := &metav1.PartialObjectMetadataList{}
		list.SetGroupVersionKind(schema.GroupVersionKind{Group: kind.Group, Version: kind.Version, Kind: kind.Kind + "List"})
		if err := b.client.List(ctx, list, client.InNamespace(collectorNamespace), client.MatchingLabels{"app.kubernetes.io/managed-by": "opentelemetry-operator"}); err != nil {
			return 0, err
		}
		all += len(list.Items)
	}
	return all, nil
}

// collector is a collector as many have it.
func collector(name, mode string) map[string]any {
	spec := map[string]any{
		"mode": mode,
		"config": map[string]any{
			"receivers":  map[string]any{"otlp": map[string]any{"protocols": map[string]any{"grpc": map[string]any{}, "http": map[string]any{}}}},
			"processors": map[string]any{"batch": map[string]any{}, "memory_limiter": map[string]any{"check_interval": "1s", "limit_percentage": int64(75)}},
			"exporters":  map[string]any{"otlp_grpc": map[string]any{"endpoint": "gateway:4317"}},
			"service": map[string]any{"pipelines": map[string]any{"traces": map[string]any{
				"receivers": []any{"otlp"}, "processors": []any{"memory_limiter", "batch"}, "exporters": []any{"otlp_grpc"},
			}}},
		},
	}
	return map[string]any{
		"apiVersion": "opentelemetry.io/v1beta1", "kind": "OpenTelemetryCollector",
		"metadata": map[string]any{"name": name}, "spec": spec,
	}
}
