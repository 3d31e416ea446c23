package rollout

import (
	"context"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/signalbox-otel/signalbox/internal/install"
)

// Apply applies the objects in their order, and removes those of everything that
// an earlier installation with other values made. It says what became of each.
func (c *Cluster) Apply(ctx context.Context, objects, everything []*unstructured.Unstructured) error {
	if err := c.refuseOthers(ctx, objects); err != nil {
		return err
	}
	wanted := map[string]bool{}
	changed := 0
	for _, o := range objects {
		wanted[name(o)] = true
		outcome, err := c.apply(ctx, o)
		if err != nil {
			return err
		}
		if outcome != "unchanged" {
			changed++
			c.say("%s %s", name(o), outcome)
		}
	}
	for i := len(everything) - 1; i >= 0; i-- {
		o := everything[i]
		if wanted[name(o)] || o.GetKind() == "Namespace" || o.GetKind() == "CustomResourceDefinition" {
			continue
		}
		removed, err := c.removeOwn(ctx, o)
		if err != nil {
			return err
		}
		if removed {
			changed++
			c.say("%s removed", name(o))
		}
	}
	if changed == 0 {
		c.say("all %d objects are as they should be", len(objects))
	}
	return nil
}

// refuseOthers finds objects of the same names that somebody else made, as
// opentelemetry-operator does: two operators would fight. Namespaces and
// definitions may be there.
func (c *Cluster) refuseOthers(ctx context.Context, objects []*unstructured.Unstructured) error {
	var others []string
	for _, o := range objects {
		if o.GetKind() == "Namespace" || o.GetKind() == "CustomResourceDefinition" {
			continue
		}
		live, err := c.get(ctx, o)
		if err != nil {
			return explain(err)
		}
		if live != nil && !ours(live) {
			others = append(others, name(o))
		}
	}
	if len(others) == 0 {
		return nil
	}
	return fmt.Errorf("these are in the cluster and not of Signalbox, maybe of opentelemetry-operator; remove them before:\n  %s", strings.Join(others, "\n  "))
}

// ours reports whether install made the object.
func ours(live *unstructured.Unstructured) bool {
	return live.GetLabels()[install.PartOf] == install.Name
}

// apply applies an object: created, changed or unchanged.
func (c *Cluster) apply(ctx context.Context, o *unstructured.Unstructured) (string, error) {
	before, err := c.get(ctx, o)
	if err != nil {
		return "", explain(err)
	}
	after, err := c.serverSide(ctx, o)
	if apierrors.IsInvalid(err) && before != nil && o.GetKind() == "StatefulSet" {
		after, err = c.replace(ctx, o)
	}
	if err != nil {
		return "", explain(fmt.Errorf("applying %s: %w", name(o), err))
	}
	outcome := "unchanged"
	switch {
	case before == nil:
		outcome = "created"
	case before.GetResourceVersion() != after.GetResourceVersion():
		outcome = "changed"
	}
	if o.GetKind() == "StatefulSet" {
		return outcome, c.grow(ctx, o)
	}
	return outcome, nil
}

func (c *Cluster) serverSide(ctx context.Context, o *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	return c.of(o).Apply(ctx, o.GetName(), o, metav1.ApplyOptions{FieldManager: fieldOwner, Force: true})
}

// replace makes the StatefulSet again, because what it says of its volume cannot
// be changed. Its pod lives on, and the new one takes it over.
func (c *Cluster) replace(ctx context.Context, o *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	orphan := metav1.DeletePropagationOrphan
	if err := c.of(o).Delete(ctx, o.GetName(), metav1.DeleteOptions{PropagationPolicy: &orphan}); err != nil {
		return nil, err
	}
	if err := c.awaitGone(ctx, o); err != nil {
		return nil, err
	}
	return c.serverSide(ctx, o)
}

// grow asks for as much room in the store's volume as the StatefulSet would for a
// new one.
func (c *Cluster) grow(ctx context.Context, set *unstructured.Unstructured) error {
	templates, _, _ := unstructured.NestedSlice(set.Object, "spec", "volumeClaimTemplates")
	if len(templates) == 0 {
		return nil
	}
	size, _, _ := unstructured.NestedString(templates[0].(map[string]any), "spec", "resources", "requests", "storage")
	wanted, err := resource.ParseQuantity(size)
	if err != nil {
		return fmt.Errorf("reading the size of the store's volume: %w", err)
	}
	claim, err := c.get(ctx, claimOf(set.GetNamespace()))
	if err != nil || claim == nil {
		return err
	}
	size, _, _ = unstructured.NestedString(claim.Object, "spec", "resources", "requests", "storage")
	if has, err := resource.ParseQuantity(size); err != nil || has.Cmp(wanted) >= 0 {
		return nil // volumes never shrink
	}
	patch := fmt.Appendf(nil, `{"spec":{"resources":{"requests":{"storage":%q}}}}`, wanted.String())
	_, err = c.of(claim).Patch(ctx, claim.GetName(), types.MergePatchType, patch, metav1.PatchOptions{FieldManager: fieldOwner})
	if apierrors.IsForbidden(err) || apierrors.IsInvalid(err) {
		return fmt.Errorf("the store's volume cannot grow from %s to %s: its storage class does not allow it: %w", size, wanted.String(), err)
	}
	if err != nil {
		return fmt.Errorf("growing the store's volume: %w", err)
	}
	c.say("%s grows from %s to %s", name(claim), size, wanted.String())
	return nil
}

// claimOf is the claim of the store's volume.
func claimOf(namespace string) *unstructured.Unstructured {
	return named("v1", "PersistentVolumeClaim", namespace, install.StoreVolume+"-"+install.StoreName+"-0")
}

// removeOwn removes the object if install made it. An object of that name that
// somebody else made stays.
func (c *Cluster) removeOwn(ctx context.Context, o *unstructured.Unstructured) (bool, error) {
	live, err := c.get(ctx, o)
	if err != nil || live == nil || !ours(live) {
		return false, err
	}
	return true, c.remove(ctx, o)
}

// remove deletes the object, which may be gone already, with what it owns.
func (c *Cluster) remove(ctx context.Context, o *unstructured.Unstructured) error {
	background := metav1.DeletePropagationBackground
	err := c.of(o).Delete(ctx, o.GetName(), metav1.DeleteOptions{PropagationPolicy: &background})
	if err != nil && !apierrors.IsNotFound(err) {
		return explain(fmt.Errorf("removing %s: %w", name(o), err))
	}
	return nil
}

func (c *Cluster) awaitGone(ctx context.Context, o *unstructured.Unstructured) error {
	return c.await(ctx, func() (bool, string, error) {
		live, err := c.get(ctx, o)
		return live == nil, name(o) + " is being removed", err
	})
}

// explain adds to an error what the user can do.
func explain(err error) error {
	switch {
	case apierrors.IsForbidden(err):
		return fmt.Errorf("%w\ninstalling needs the rights of a cluster's administrator, because it grants rights to the operator", err)
	case apierrors.IsNotFound(err):
		return fmt.Errorf("%w\nthe cluster does not have this kind of object; with operator.certManager, cert-manager has to be installed before", err)
	case apierrors.IsUnauthorized(err):
		return fmt.Errorf("%w\nthe cluster does not know who you are: log in again, or name another access with --kubeconfig or --context", err)
	}
	return err
}
