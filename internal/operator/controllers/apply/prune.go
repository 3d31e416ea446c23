package apply

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"github.com/signalbox-otel/signalbox/api/v1beta1"
	"github.com/signalbox-otel/signalbox/internal/render"
)

// Kind is a kind of objects that may have to be removed.
type Kind struct {
	client.Object
	// Indexed says that the cache has OwnerIndex of it. All its objects have an
	// owner then; others are found by their label for the instance.
	Indexed bool
}

// OwnerIndex is the index of caches that finds the objects of a resource.
const OwnerIndex = "signalbox.owner"

// OwnerKeys are the values of OwnerIndex of an object: the identity of the
// resource that controls it.
func OwnerKeys(o client.Object) []string {
	if c := metav1.GetControllerOf(o); c != nil {
		return []string{string(c.UID)}
	}
	return nil
}

// ownerlessKinds are kinds of objects that nothing removes with their resource:
// those outside of namespaces, and those in other namespaces.
func ownerlessKinds() []client.Object {
	return []client.Object{&rbacv1.ClusterRoleBinding{}, &rbacv1.ClusterRole{}, &rbacv1.RoleBinding{}, &rbacv1.Role{}}
}

// Ownerless reports whether a plan has objects that are not removed with their
// resource by Kubernetes, but by Finalize.
func Ownerless(plan render.Plan, namespace string) bool {
	return slices.ContainsFunc(plan.Objects, func(o render.Object) bool {
		ns := o.GetNamespace()
		return ns == nil || *ns != namespace
	})
}

// identityOf tells objects of one plan apart.
func identityOf(kind string, o client.Object) string {
	return kind + " " + o.GetNamespace() + "/" + o.GetName()
}

// prune removes what the owner has and the plan does not want.
func (a *Applier) prune(ctx context.Context, owner *Owner, plan render.Plan, kinds []Kind, wants map[string]bool, r *Result) {
	for _, kind := range kinds {
		name, err := a.kindOf(kind.Object)
		if err != nil {
			r.problem(fmt.Sprintf("looking for %T", kind.Object), err)
			continue
		}
		objects, err := a.owned(ctx, owner, kind)
		if err != nil {
			r.problem("looking for "+name+"s to remove", err)
			continue
		}
		objects = slices.DeleteFunc(objects, func(o client.Object) bool {
			return wants[identityOf(name, o)] || o.GetDeletionTimestamp() != nil
		})
		if name == "ConfigMap" {
			objects = superseded(objects, plan.ConfigMaps)
		}
		for _, o := range objects {
			if err := a.remove(ctx, o, metav1.DeletePropagationBackground); err != nil {
				r.problem(nameOf(name, o), err)
				continue
			}
			r.Changes = append(r.Changes, Change{Verb: "removed", Object: nameOf(name, o)})
		}
	}
}

// superseded are all but the newest n.
func superseded(objects []client.Object, n int) []client.Object {
	slices.SortFunc(objects, func(x, y client.Object) int {
		return cmp.Or(y.GetCreationTimestamp().Compare(x.GetCreationTimestamp().Time), cmp.Compare(x.GetName(), y.GetName()))
	})
	return objects[min(n, len(objects)):]
}

func (a *Applier) kindOf(o client.Object) (string, error) {
	gvk, err := apiutil.GVKForObject(o, a.Scheme)
	return gvk.Kind, err
}

// owned are the objects of a kind in the cache that belong to the owner.
func (a *Applier) owned(ctx context.Context, owner *Owner, kind Kind) ([]client.Object, error) {
	find := client.ListOption(client.MatchingFields{OwnerIndex: string(owner.GetUID())})
	if !kind.Indexed {
		find = client.MatchingLabels{v1beta1.LabelInstance: owner.Labels[v1beta1.LabelInstance]}
	}
	list, err := a.listOf(kind.Object)
	if err != nil {
		return nil, err
	}
	if err := a.Cache.List(ctx, list, find); meta.IsNoMatchError(err) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	var all []client.Object
	err = meta.EachListItem(list, func(item runtime.Object) error {
		o := item.(client.Object)
		if relation, _ := owner.relation(o, true); relation == own {
			all = append(all, o)
		}
		return nil
	})
	return all, err
}

// listOf is an empty list of a kind.
func (a *Applier) listOf(kind client.Object) (client.ObjectList, error) {
	gvk, err := apiutil.GVKForObject(kind, a.Scheme)
	if err != nil {
		return nil, err
	}
	gvk.Kind += "List"
	if !a.Scheme.Recognizes(gvk) {
		u := &unstructured.UnstructuredList{}
		u.SetGroupVersionKind(gvk)
		return u, nil
	}
	o, err := a.Scheme.New(gvk)
	if err != nil {
		return nil, err
	}
	return o.(client.ObjectList), nil
}

// Left reports whether the cache has objects of the owner that Kubernetes does
// not remove with it.
func (a *Applier) Left(ctx context.Context, owner Owner) (bool, error) {
	for _, kind := range ownerlessKinds() {
		objects, err := a.owned(ctx, &owner, Kind{Object: kind})
		if err != nil || len(objects) > 0 {
			return len(objects) > 0, err
		}
	}
	return false, nil
}

// Finalize removes all objects that Kubernetes does not remove with the owner.
// It asks the API server, because a cache may not have seen the newest of them.
func (a *Applier) Finalize(ctx context.Context, owner Owner) Result {
	var r Result
	for _, kind := range ownerlessKinds() {
		name, err := a.kindOf(kind)
		if err != nil {
			r.problem(fmt.Sprintf("%T", kind), err)
			continue
		}
		list, err := a.listOf(kind)
		if err == nil {
			err = a.Live.List(ctx, list, client.MatchingLabels(owner.Labels))
		}
		if err != nil {
			r.problem("listing "+name+"s", err)
			continue
		}
		err = meta.EachListItem(list, func(item runtime.Object) error {
			o := item.(client.Object)
			if relation, _ := owner.relation(o, true); relation != own || len(o.GetOwnerReferences()) > 0 {
				return nil
			}
			if err := a.remove(ctx, o, metav1.DeletePropagationBackground); err != nil {
				return err
			}
			r.Changes = append(r.Changes, Change{Verb: "removed", Object: nameOf(name, o)})
			return nil
		})
		if err != nil {
			r.problem("removing "+name+"s", err)
		}
	}
	return r
}
