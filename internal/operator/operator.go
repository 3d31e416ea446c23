// Package operator runs the Kubernetes controllers and webhooks of Signalbox:
// it watches resources of group opentelemetry.io, gathers what render and inject
// have to know, applies what they return, and writes the status.
//
// Its parts are folders, each with one Add that registers it with the manager:
// controllers (resource to objects), cluster (what the cluster offers), readiness
// (pods to conditions), admission (defaults, validation, conversion), pods (what
// is injected), review (what was, and would be now), certs (the CA and the serving certificate), reach (is the
// webhook reached), defaults (resources that an installation brings). Decisions
// are in render and inject, which are pure; here is the I/O.
//
// What listens lives as long as the process. The manager with its caches and
// controllers is made anew when it ends, as it does when it loses its lease: the
// API server is answered by every replica at any time.
//
// Invariants: when nothing changed, nothing is written. The API server is asked
// for objects of ours only, so that memory does not grow with those of others.
package operator

import (
	"fmt"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/signalbox-otel/signalbox/api/v1alpha1"
	"github.com/signalbox-otel/signalbox/api/v1beta1"
	"github.com/signalbox-otel/signalbox/internal/operator/controllers"
)

// NewScheme knows the kinds that the operator reads and writes.
func NewScheme() (*runtime.Scheme, error) {
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		clientgoscheme.AddToScheme, apiextensionsv1.AddToScheme, v1alpha1.AddToScheme, v1beta1.AddToScheme,
	} {
		if err := add(s); err != nil {
			return nil, fmt.Errorf("registering kinds: %w", err)
		}
	}
	return s, nil
}

// NewManager makes the manager that the parts are added to. The options are
// completed with the kinds, and with caches of what the controllers look at, in
// the namespaces that options.Cache.DefaultNamespaces has; in all without any.
func NewManager(config *rest.Config, options ctrl.Options) (ctrl.Manager, error) {
	scheme, err := NewScheme()
	if err != nil {
		return nil, err
	}
	namespaces := options.Cache.DefaultNamespaces
	options.Scheme, options.Cache = scheme, controllers.CacheOptions()
	options.Cache.DefaultNamespaces = namespaces
	// The queue with priorities holds its lock for ever when it ends while all
	// workers are busy, and the process with it until its time is up.
	options.Controller.UsePriorityQueue = new(false)
	// The API server itself shares its time out fairly; a limit here would only
	// keep hundreds of collectors waiting after an upgrade.
	config = rest.CopyConfig(config)
	config.QPS = -1
	return ctrl.NewManager(config, options)
}
