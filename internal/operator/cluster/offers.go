package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/version"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Groups and versions of the APIs of others that render uses.
const (
	monitoring  = "monitoring.coreos.com/v1"
	gateway     = "gateway.networking.k8s.io/v1"
	certManager = "cert-manager.io/v1"
	routes      = "route.openshift.io/v1"
)

// look asks for everything at once. What is not answered is as in before, and
// part of the error.
func (w *Watcher) look(ctx context.Context, before Offers) (Offers, error) {
	o := before
	var mu sync.Mutex
	var errs []error
	var asked sync.WaitGroup
	ask := func(f func() (set func(), err error)) {
		asked.Go(func() {
			set, err := f()
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				errs = append(errs, err)
				return
			}
			set()
		})
	}
	ask(func() (func(), error) {
		var v version.Info
		if err := w.get(ctx, "/version", &v); err != nil {
			return nil, err
		}
		files := w.envFiles(ctx, v)
		return func() {
			o.Version, o.takesFiles = v.GitVersion, files
			o.NativeSidecars, o.ImageVolumes = since(v, nativeSidecarsSince), since(v, imageVolumesSince)
		}, nil
	})
	ask(func() (func(), error) {
		can, err := w.nodes(ctx)
		if apierrors.IsForbidden(err) && !w.config.Nodes {
			can, err = abilities{readFiles: true}, nil // who may not look takes the API server's word
		}
		return func() { o.NodesMountImages, o.readFiles = w.config.Nodes && can.mountImages, can.readFiles }, err
	})
	ask(func() (func(), error) {
		have, err := w.resources(ctx, monitoring)
		return func() { o.ServiceMonitors, o.PodMonitors = have["servicemonitors"], have["podmonitors"] }, err
	})
	ask(func() (func(), error) {
		have, err := w.resources(ctx, gateway)
		return func() { o.HTTPRoutes = have["httproutes"] }, err
	})
	ask(func() (func(), error) {
		have, err := w.resources(ctx, routes)
		return func() { o.Routes = have["routes"] }, err
	})
	ask(func() (func(), error) {
		may, err := w.mayUseCertManager(ctx)
		return func() { o.CertManager = may }, err
	})
	ask(func() (func(), error) {
		may, err := w.mayGrant(ctx)
		return func() { o.RBAC = may }, err
	})
	asked.Wait()
	o.EnvFiles = o.takesFiles && o.readFiles
	return o, errors.Join(errs...)
}

func (w *Watcher) get(ctx context.Context, path string, into any) error {
	data, err := w.discovery.Get().AbsPath(path).Do(ctx).Raw()
	if err != nil {
		return fmt.Errorf("asking for %s: %w", path, err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("reading %s: %w", path, err)
	}
	return nil
}

// resources lists what the API server serves of a version of a group; nothing
// when it does not have it.
func (w *Watcher) resources(ctx context.Context, groupVersion string) (map[string]bool, error) {
	var list metav1.APIResourceList
	err := w.get(ctx, "/apis/"+groupVersion, &list)
	if err != nil && !apierrors.IsNotFound(err) {
		return nil, err
	}
	have := map[string]bool{}
	for _, r := range list.APIResources {
		have[r.Name] = true
	}
	return have, nil
}

func (w *Watcher) mayUseCertManager(ctx context.Context) (bool, error) {
	have, err := w.resources(ctx, certManager)
	if err != nil || !have["issuers"] || !have["certificates"] {
		return false, err
	}
	namespaces := w.config.Namespaces
	if len(namespaces) == 0 {
		namespaces = []string{""}
	}
	for _, ns := range namespaces {
		may, err := w.may(ctx, "cert-manager.io", ns, []string{"issuers", "certificates"}, []string{"create", "patch", "delete"})
		if err != nil || !may {
			return false, err
		}
	}
	return true, nil
}

// mayGrant says whether the operator may make roles and bind them: what people
// said counts, otherwise what the API server says.
func (w *Watcher) mayGrant(ctx context.Context) (bool, error) {
	if w.config.RBAC != nil {
		return *w.config.RBAC, nil
	}
	return w.may(ctx, "rbac.authorization.k8s.io", "", []string{"clusterroles", "clusterrolebindings"}, []string{"create", "patch", "delete", "list"})
}

// may reports whether the operator may do all of it; it asks at once.
func (w *Watcher) may(ctx context.Context, group, namespace string, resources, verbs []string) (bool, error) {
	answers := make(chan error, len(resources)*len(verbs))
	for _, resource := range resources {
		for _, verb := range verbs {
			go func() { answers <- w.review(ctx, group, namespace, resource, verb) }()
		}
	}
	var errs []error
	for range cap(answers) {
		errs = append(errs, <-answers)
	}
	err := errors.Join(errs...)
	if errors.Is(err, errDenied) {
		return false, nil
	}
	return err == nil, err
}

// errDenied says that the operator may not.
var errDenied = errors.New("not allowed")

func (w *Watcher) review(ctx context.Context, group, namespace, resource, verb string) error {
	review, err := w.reviews.Create(ctx, &authorizationv1.SelfSubjectAccessReview{
		Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &authorizationv1.ResourceAttributes{
			Group: group, Namespace: namespace, Resource: resource, Verb: verb,
		}},
	}, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("asking whether it may %s %s: %w", verb, resource, err)
	}
	if !review.Status.Allowed {
		return errDenied
	}
	return nil
}

// ByVersion asks a cluster for its version, and says what it offers by that: native
// sidecars, variables from files, and image volumes. A Watcher finds out more, with more rights.
func ByVersion(config *rest.Config, transport *http.Client) (Offers, error) {
	d, err := discovery.NewDiscoveryClientForConfigAndClient(config, transport)
	if err != nil {
		return Offers{}, fmt.Errorf("making a client for discovery: %w", err)
	}
	v, err := d.ServerVersion()
	if err != nil {
		return Offers{}, fmt.Errorf("asking for the version of the cluster: %w", err)
	}
	return Offers{
		Version: v.GitVersion, NativeSidecars: since(*v, nativeSidecarsSince),
		EnvFiles: since(*v, envFilesSince), ImageVolumes: since(*v, imageVolumesSince),
	}, nil
}

// nativeSidecarsSince is the release of Kubernetes 1 in which sidecars that are
// init containers are on by default.
const nativeSidecarsSince = 29

// since reports whether a cluster is of a release of Kubernetes 1 or a later one.
func since(v version.Info, release int) bool {
	major, err := strconv.Atoi(v.Major)
	if err != nil {
		return false
	}
	minor, err := strconv.Atoi(strings.TrimRight(v.Minor, "+"))
	return err == nil && (major > 1 || minor >= release)
}

// Annotations by which OpenShift says which groups the pods of a namespace may
// have, as 1000660000/10000 or 1000660000-1000669999.
const (
	groupsAnnotation = "openshift.io/sa.scc.supplemental-groups"
	usersAnnotation  = "openshift.io/sa.scc.uid-range"
)

// namespaceTimeout bounds the wait for the cache of namespaces.
const namespaceTimeout = 10 * time.Second

// fsGroup is the first group that pods of a namespace may have; nil when the
// namespace does not say.
func (w *Watcher) fsGroup(namespace string) *int64 {
	ns := &metav1.PartialObjectMetadata{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"}}
	// A cache that may not list namespaces never fills.
	ctx, cancel := context.WithTimeout(context.Background(), namespaceTimeout)
	defer cancel()
	if err := w.namespaces.Get(ctx, client.ObjectKey{Name: namespace}, ns); err != nil {
		if !apierrors.IsNotFound(err) {
			w.log.Warn("the groups of a namespace are not known", "namespace", namespace, "error", err)
		}
		return nil
	}
	for _, key := range []string{groupsAnnotation, usersAnnotation} {
		first, _, _ := strings.Cut(ns.Annotations[key], ",")
		if i := strings.IndexAny(first, "/-"); i >= 0 {
			first = first[:i]
		}
		if n, err := strconv.ParseInt(first, 10, 64); err == nil {
			return &n
		}
	}
	return nil
}

// String is the offers for people.
func (o Offers) String() string {
	have := []string{"Kubernetes " + o.Version}
	for _, f := range []struct {
		name string
		is   bool
	}{
		{"ServiceMonitors", o.ServiceMonitors}, {"PodMonitors", o.PodMonitors}, {"HTTPRoutes", o.HTTPRoutes}, {"Routes", o.Routes},
		{"cert-manager", o.CertManager}, {"RBAC", o.RBAC}, {"native sidecars", o.NativeSidecars}, {"variables from files", o.EnvFiles},
		{"image volumes", o.ImageVolumes}, {"image volumes on all nodes", o.NodesMountImages},
	} {
		if f.is {
			have = append(have, f.name)
		}
	}
	return strings.Join(have, ", ")
}
