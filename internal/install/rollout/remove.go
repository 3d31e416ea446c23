package rollout

import (
	"context"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/signalbox-otel/signalbox/api/v1beta1"
	"github.com/signalbox-otel/signalbox/internal/operator/needs"
)

// Removal is what is taken out of a cluster.
type Removal struct {
	// Everything is what install may have made, in the order to apply it in.
	Everything []*unstructured.Unstructured
	// Namespace is where the operator and the store are.
	Namespace string
	// KeepDefinitions leaves the definitions, and with them the resources of users
	// and the collectors of these.
	KeepDefinitions bool
	// DeleteResources removes the resources of users too.
	DeleteResources bool
	// DeleteData removes the volume of the store.
	DeleteData bool
	// Patience is how long the operator has to clean up what it made before that is
	// done for it.
	Patience time.Duration
}

// ResourcesError is that resources of users would be lost.
type ResourcesError struct{ Names []string }

func (e *ResourcesError) Error() string {
	return fmt.Sprintf("the cluster has resources of yours, which would be removed with their definitions:\n  %s", strings.Join(e.Names, "\n  "))
}

// resourceOf is a kind of ours, as it is stored.
func resourceOf(version, plural string) schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: v1beta1.Group, Version: version, Resource: plural}
}

// kinds are ours. Collectors come first, because allocators belong to them.
var kinds = []schema.GroupVersionResource{
	resourceOf("v1beta1", "opentelemetrycollectors"),
	resourceOf("v1alpha1", "opampbridges"),
	resourceOf("v1alpha1", "targetallocators"),
	resourceOf("v1alpha1", "instrumentations"),
}

// Remove removes the installation: first what could keep the rest from being
// removed, then the resources while the operator is there to clean up after them,
// then the operator and the store, and at last namespace and definitions.
func (c *Cluster) Remove(ctx context.Context, r Removal) error {
	mine, err := c.definitionsAreOurs(ctx, r)
	if err != nil {
		return err
	}
	r.KeepDefinitions = r.KeepDefinitions || !mine
	defaults, users, err := c.resources(ctx, r)
	if err != nil {
		return err
	}
	if len(users) > 0 && !r.KeepDefinitions && !r.DeleteResources {
		return &ResourcesError{names(users)}
	}
	for _, o := range r.Everything {
		if strings.HasSuffix(o.GetKind(), "WebhookConfiguration") {
			if err := c.takeOurs(ctx, o); err != nil {
				return err
			}
		}
	}
	// Nobody makes the default collector again.
	if err := c.takeAway(ctx, named("v1", "ConfigMap", r.Namespace, needs.DefaultsConfigMap)); err != nil {
		return err
	}
	leaving := defaults
	if !r.KeepDefinitions {
		leaving = append(leaving, users...)
	}
	if err := c.removeResources(ctx, r, leaving); err != nil {
		return err
	}
	if err := c.removeParts(ctx, r); err != nil {
		return err
	}
	if err := c.removeNamespace(ctx, r); err != nil {
		return err
	}
	return c.removeDefinitions(ctx, r, users)
}

// resources are those of our kinds: what install had made, and what users made.
func (c *Cluster) resources(ctx context.Context, r Removal) (defaults, users []*unstructured.Unstructured, err error) {
	configMap, err := c.get(ctx, named("v1", "ConfigMap", r.Namespace, needs.DefaultsConfigMap))
	if err != nil {
		return nil, nil, explain(err)
	}
	made := map[string]bool{}
	if configMap != nil {
		for _, o := range defaultsOf(configMap) {
			made[o.GetKind()+o.GetNamespace()+"/"+o.GetName()] = true
		}
	}
	for _, kind := range kinds {
		all, err := c.list(ctx, kind, "", metav1.ListOptions{})
		if err != nil {
			return nil, nil, explain(err)
		}
		for i := range all {
			o := &all[i]
			switch {
			case made[o.GetKind()+o.GetNamespace()+"/"+o.GetName()]:
				defaults = append(defaults, o)
			case metav1.GetControllerOf(o) == nil: // otherwise it goes with its owner
				users = append(users, o)
			}
		}
	}
	return defaults, users, nil
}

// removeResources removes the resources, and what the operator made for them. If
// the operator does not do its part, because it does not run, it is done here.
func (c *Cluster) removeResources(ctx context.Context, r Removal, all []*unstructured.Unstructured) error {
	for _, o := range all {
		c.say("%s in %s removed", name(o), o.GetNamespace())
		if err := c.remove(ctx, o); err != nil {
			return err
		}
	}
	patient, cancel := context.WithTimeout(ctx, c.patience(ctx, r))
	defer cancel()
	for _, o := range all {
		err := c.awaitGone(patient, o)
		if err == nil {
			continue
		}
		if patient.Err() == nil || ctx.Err() != nil {
			return err
		}
		if err := c.finish(ctx, o); err != nil {
			return err
		}
	}
	return nil
}

// patience is how long to wait for the operator: not at all if it does not run.
func (c *Cluster) patience(ctx context.Context, r Removal) time.Duration {
	operator, err := c.get(ctx, named("apps/v1", "Deployment", r.Namespace, needs.Deployment))
	if err != nil || operator == nil {
		return 0
	}
	if ready, _, _ := unstructured.NestedInt64(operator.Object, "status", "readyReplicas"); ready == 0 {
		return 0
	}
	return r.Patience
}

// finish does what the operator would have done when the resource is removed: it
// removes the roles made for it, which belong to no namespace and so have no owner,
// and lets the resource go.
func (c *Cluster) finish(ctx context.Context, o *unstructured.Unstructured) error {
	instance := o.GetNamespace() + "." + o.GetName()
	selector := metav1.FormatLabelSelector(&metav1.LabelSelector{MatchLabels: map[string]string{
		v1beta1.LabelManagedBy: "opentelemetry-operator", v1beta1.LabelInstance: instance[:min(len(instance), 63)],
	}})
	for _, plural := range []string{"clusterrolebindings", "clusterroles"} {
		roles, err := c.list(ctx, schema.GroupVersionResource{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: plural}, "", metav1.ListOptions{LabelSelector: selector})
		if err != nil {
			return err
		}
		for i := range roles {
			if err := c.takeAway(ctx, &roles[i]); err != nil {
				return err
			}
		}
	}
	c.say("%s in %s is let go: the operator does not answer", name(o), o.GetNamespace())
	_, err := c.of(o).Patch(ctx, o.GetName(), types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{FieldManager: fieldOwner})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("letting %s go: %w", name(o), err)
	}
	return c.awaitGone(ctx, o)
}

// removeParts removes the operator and the store, and what they made for
// themselves. The operator goes first, and wholly: it would make again what is
// removed after it.
func (c *Cluster) removeParts(ctx context.Context, r Removal) error {
	operator := named("apps/v1", "Deployment", r.Namespace, needs.Deployment)
	if err := c.takeOurs(ctx, operator); err != nil {
		return err
	}
	if err := c.awaitNoPods(ctx, r.Namespace); err != nil {
		return err
	}
	for i := len(r.Everything) - 1; i >= 0; i-- {
		o := r.Everything[i]
		if o.GetKind() == "Namespace" || o.GetKind() == "CustomResourceDefinition" {
			continue
		}
		if err := c.takeOurs(ctx, o); err != nil {
			return err
		}
	}
	own := []*unstructured.Unstructured{
		named("v1", "Secret", r.Namespace, needs.CertificateSecret),
		named("coordination.k8s.io/v1", "Lease", r.Namespace, needs.LeaderLease),
		named("v1", "ConfigMap", r.Namespace, needs.CrashGuardConfigMap),
	}
	if r.DeleteData {
		own = append(own, claimOf(r.Namespace))
	}
	for _, o := range own {
		if err := c.takeAway(ctx, o); err != nil {
			return err
		}
	}
	return nil
}

// awaitNoPods waits until the operator has ended.
func (c *Cluster) awaitNoPods(ctx context.Context, namespace string) error {
	return c.await(ctx, func() (bool, string, error) {
		all, err := c.list(ctx, pods, namespace, metav1.ListOptions{LabelSelector: "control-plane=controller-manager,app.kubernetes.io/name=opentelemetry-operator"})
		return len(all) == 0, "the operator ends", err
	})
}

// definitionsAreOurs reports whether install made the definition of collectors.
// One that somebody else keeps stays, with all resources.
func (c *Cluster) definitionsAreOurs(ctx context.Context, r Removal) (bool, error) {
	for _, o := range r.Everything {
		if o.GetKind() != "CustomResourceDefinition" || o.GetName() != needs.CollectorCRD {
			continue
		}
		live, err := c.get(ctx, o)
		if err != nil {
			return false, explain(err)
		}
		return live == nil || ours(live), nil
	}
	return true, nil
}

// takeOurs removes an object that install made.
func (c *Cluster) takeOurs(ctx context.Context, o *unstructured.Unstructured) error {
	removed, err := c.removeOwn(ctx, o)
	if removed && err == nil {
		c.say("%s removed", name(o))
	}
	return err
}

// takeAway removes an object and says so, if it is there.
func (c *Cluster) takeAway(ctx context.Context, o *unstructured.Unstructured) error {
	live, err := c.get(ctx, o)
	if err != nil || live == nil {
		return err
	}
	if err := c.remove(ctx, o); err != nil {
		return err
	}
	c.say("%s removed", name(o))
	return nil
}

// removeNamespace removes the namespace if install made it and nothing is left in
// it that somebody may want.
func (c *Cluster) removeNamespace(ctx context.Context, r Removal) error {
	live, err := c.get(ctx, named("v1", "Namespace", "", r.Namespace))
	if err != nil || live == nil || !ours(live) {
		return err
	}
	left, err := c.left(ctx, r.Namespace)
	if err != nil {
		return err
	}
	if len(left) > 0 {
		c.say("%s is kept, with %s", name(live), strings.Join(left, ", "))
		return nil
	}
	if err := c.takeAway(ctx, live); err != nil {
		return err
	}
	return c.awaitGone(ctx, live)
}

// left is what is in the namespace that is neither ours nor of Kubernetes.
func (c *Cluster) left(ctx context.Context, namespace string) ([]string, error) {
	var names []string
	for _, kind := range append(kinds,
		schema.GroupVersionResource{Version: "v1", Resource: "persistentvolumeclaims"},
		schema.GroupVersionResource{Version: "v1", Resource: "pods"},
		schema.GroupVersionResource{Version: "v1", Resource: "services"},
		schema.GroupVersionResource{Version: "v1", Resource: "configmaps"},
		schema.GroupVersionResource{Version: "v1", Resource: "secrets"},
		schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"},
		schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "statefulsets"},
		schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "daemonsets"},
	) {
		all, err := c.list(ctx, kind, namespace, metav1.ListOptions{})
		if err != nil {
			return nil, err
		}
		for i := range all {
			o := &all[i]
			if o.GetDeletionTimestamp() != nil || len(o.GetOwnerReferences()) > 0 || o.GetName() == "kube-root-ca.crt" {
				continue
			}
			names = append(names, name(o))
		}
	}
	return names, nil
}

// removeDefinitions removes the definitions, or says what stays with them.
func (c *Cluster) removeDefinitions(ctx context.Context, r Removal, users []*unstructured.Unstructured) error {
	for _, o := range r.Everything {
		if o.GetKind() != "CustomResourceDefinition" {
			continue
		}
		if r.KeepDefinitions {
			continue
		}
		if err := c.takeOurs(ctx, o); err != nil {
			return err
		}
		if err := c.awaitGone(ctx, o); err != nil {
			return err
		}
	}
	if r.KeepDefinitions {
		c.say("the definitions are kept, and %d resources of yours; nobody looks after their collectors now", len(users))
	}
	return nil
}

// names are what kubectl calls the objects, with their namespaces.
func names(objects []*unstructured.Unstructured) []string {
	var all []string
	for _, o := range objects {
		all = append(all, fmt.Sprintf("%s in %s", name(o), o.GetNamespace()))
	}
	return all
}
