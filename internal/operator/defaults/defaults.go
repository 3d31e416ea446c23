// Package defaults creates the resources that an installation brings: a manifest
// cannot hold them itself, because their kinds and webhooks are part of it.
//
// They are YAML in the ConfigMap needs.DefaultsConfigMap. Each is created once,
// and that it was is written on the ConfigMap, so that who deletes or changes one
// has the last word.
//
// Invariants: what exists is not touched; nothing is read but the ConfigMap of
// that name.
package defaults

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/yaml"

	"github.com/signalbox-otel/signalbox/internal/operator/needs"
)

// CreatedAnnotation on the ConfigMap names what was created from it.
const CreatedAnnotation = "operator.opentelemetry.io/created"

const (
	// lookAfter is the time between two looks at the ConfigMap, which an
	// installation may write after the operator has started.
	lookAfter = time.Minute
	// retryAfter is the time to the next attempt after one that failed.
	retryAfter = 5 * time.Second
)

// Config is what this part has to know.
type Config struct {
	// Client reads from the API server, not from a cache.
	Client client.Client
	// Namespace of the operator, and of resources that name none.
	Namespace string
	Logger    *slog.Logger
}

// Add runs it on the replica that has the lease.
func Add(mgr ctrl.Manager, c Config) error {
	return mgr.Add(manager.RunnableFunc(c.run))
}

func (c Config) run(ctx context.Context) error {
	reported := ""
	for {
		after, text := lookAfter, ""
		if err := c.create(ctx); err != nil && ctx.Err() == nil {
			// The webhooks of the resources may not be reached yet.
			after, text = retryAfter, err.Error()
			if text != reported {
				c.Logger.WarnContext(ctx, "resources of the installation are not created yet", "error", err, "after", after)
			}
		}
		reported = text
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(after):
		}
	}
}

// create creates what is in the ConfigMap and was not created before.
func (c Config) create(ctx context.Context) error {
	from := &corev1.ConfigMap{}
	err := c.Client.Get(ctx, client.ObjectKey{Namespace: c.Namespace, Name: needs.DefaultsConfigMap}, from)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading ConfigMap %s: %w", needs.DefaultsConfigMap, err)
	}
	objects, err := documents(from.Data)
	if err != nil {
		return fmt.Errorf("reading ConfigMap %s: %w", needs.DefaultsConfigMap, err)
	}
	done := strings.Fields(from.Annotations[CreatedAnnotation])
	var errs []error
	for _, o := range objects {
		if o.GetNamespace() == "" {
			o.SetNamespace(c.Namespace)
		}
		name := strings.Join([]string{o.GetKind(), o.GetNamespace(), o.GetName()}, "/")
		if slices.Contains(done, name) {
			continue
		}
		switch err := c.Client.Create(ctx, o, client.FieldOwner(needs.FieldOwner)); {
		case err == nil:
			c.Logger.InfoContext(ctx, "resource of the installation created", "kind", o.GetKind(), "resource", o.GetNamespace()+"/"+o.GetName())
		case !apierrors.IsAlreadyExists(err):
			errs = append(errs, fmt.Errorf("creating %s: %w", name, err))
			continue
		}
		if err := c.remember(ctx, from, append(done, name)); err != nil {
			return errors.Join(append(errs, err)...)
		}
		done = append(done, name)
	}
	return errors.Join(errs...)
}

// remember writes what was created on the ConfigMap.
func (c Config) remember(ctx context.Context, from *corev1.ConfigMap, done []string) error {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]string{CreatedAnnotation: strings.Join(done, " ")}}})
	if err != nil {
		return err
	}
	if err := c.Client.Patch(ctx, from, client.RawPatch("application/merge-patch+json", patch), client.FieldOwner(needs.FieldOwner)); err != nil {
		return fmt.Errorf("remembering what was created: %w", err)
	}
	return nil
}

// documents are the objects in all entries, in the order of their keys.
func documents(data map[string]string) ([]*unstructured.Unstructured, error) {
	var keys []string
	for k := range data {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	var all []*unstructured.Unstructured
	for _, key := range keys {
		reader := utilyaml.NewYAMLReader(bufio.NewReader(strings.NewReader(data[key])))
		for {
			doc, err := reader.Read()
			if err == io.EOF {
				break
			}
			o := &unstructured.Unstructured{}
			if err == nil {
				err = yaml.Unmarshal(bytes.TrimSpace(doc), &o.Object)
			}
			if err != nil {
				return nil, fmt.Errorf("%s: %w", key, err)
			}
			if len(o.Object) == 0 {
				continue
			}
			if o.GetKind() == "" || o.GetName() == "" {
				return nil, fmt.Errorf("%s: a resource without kind or name", key)
			}
			all = append(all, o)
		}
	}
	return all, nil
}
