// Package rollout brings what install describes into a cluster, and takes it out
// again: `signalbox install --apply` and `signalbox uninstall --apply`. It is the
// I/O beside install, which is pure.
//
// Invariants: applying what is there already writes nothing. Only objects that
// install knows are removed, and what the operator made for them; never the data,
// nor resources of users, unless it is asked for.
package rollout

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

// fieldOwner owns the fields that install applies.
const fieldOwner = "signalbox-install"

// Cluster is a cluster to install into.
type Cluster struct {
	client   dynamic.Interface
	progress io.Writer
	// every is the time between two looks at what is waited for.
	every time.Duration
}

// New returns the cluster that config reaches. What is done, and what the cluster
// warns of, goes to progress.
func New(config *rest.Config, progress io.Writer) (*Cluster, error) {
	config = rest.CopyConfig(config)
	config.QPS, config.Burst = -1, -1 // a hundred requests in all
	config.WarningHandler = rest.NewWarningWriter(progress, rest.WarningWriterOptions{Deduplicate: true})
	client, err := dynamic.NewForConfig(config)
	return &Cluster{client: client, progress: progress, every: time.Second}, err
}

func (c *Cluster) say(format string, args ...any) {
	fmt.Fprintf(c.progress, format+"\n", args...)
}

// of is where objects of the kind of o in the namespace of o are read and
// written. The plurals of all kinds that are installed are regular, so nobody has
// to be asked for them.
func (c *Cluster) of(o *unstructured.Unstructured) dynamic.ResourceInterface {
	plural, _ := meta.UnsafeGuessKindToResource(o.GroupVersionKind())
	if o.GetNamespace() == "" {
		return c.client.Resource(plural)
	}
	return c.client.Resource(plural).Namespace(o.GetNamespace())
}

// get reads the object that o names; nil if there is none.
func (c *Cluster) get(ctx context.Context, o *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	live, err := c.of(o).Get(ctx, o.GetName(), metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name(o), err)
	}
	return live, nil
}

// list reads the objects of a resource, none if the cluster has no such resource.
func (c *Cluster) list(ctx context.Context, resource schema.GroupVersionResource, namespace string, options metav1.ListOptions) ([]unstructured.Unstructured, error) {
	l, err := c.client.Resource(resource).Namespace(namespace).List(ctx, options)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("listing %s: %w", resource.Resource, err)
	}
	return l.Items, nil
}

// await asks until done says so. The context's end is an error with what was
// waited for last; done says it, and each new answer is said once.
func (c *Cluster) await(ctx context.Context, done func() (bool, string, error)) error {
	tick := time.NewTicker(c.every)
	defer tick.Stop()
	said := ""
	for {
		ok, waiting, err := done()
		if err != nil && ctx.Err() != nil && said != "" {
			return fmt.Errorf("%s (%w)", said, context.Cause(ctx))
		}
		if passing(err) {
			ok, waiting, err = false, err.Error(), nil
		}
		if err != nil || ok {
			return err
		}
		if waiting != said {
			c.say("waiting: %s", waiting)
			said = waiting
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s (%w)", waiting, context.Cause(ctx))
		case <-tick.C:
		}
	}
}

// passing reports whether an error is one of a cluster that is restarted or busy,
// rather than an answer.
func passing(err error) bool {
	if err == nil {
		return false
	}
	var answer apierrors.APIStatus
	return !errors.As(err, &answer) || apierrors.IsServiceUnavailable(err) || apierrors.IsTooManyRequests(err) ||
		apierrors.IsTimeout(err) || apierrors.IsServerTimeout(err) || apierrors.IsInternalError(err)
}

// named is the object of that kind and name, to ask for.
func named(apiVersion, kind, namespace, name string) *unstructured.Unstructured {
	o := &unstructured.Unstructured{}
	o.SetAPIVersion(apiVersion)
	o.SetKind(kind)
	o.SetNamespace(namespace)
	o.SetName(name)
	return o
}

// name is how kubectl names the object.
func name(o *unstructured.Unstructured) string {
	group := ""
	if g := o.GroupVersionKind().Group; g != "" {
		group = "." + g
	}
	return strings.ToLower(o.GetKind()) + group + "/" + o.GetName()
}
