package cluster

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/signalbox-otel/signalbox/api/v1alpha1"
	"github.com/signalbox-otel/signalbox/api/v1beta1"
	"github.com/signalbox-otel/signalbox/internal/inject"
	"github.com/signalbox-otel/signalbox/internal/render"
)

// Picture is what was seen of a cluster at one moment.
type Picture struct {
	Now time.Time
	// Namespace is the one examined: that of the workloads.
	Namespace string
	// Metric is a name that the user misses; "" when he did not say.
	Metric string
	// Image is that of this release.
	Image string

	tools tools

	// Definitions are those of our kinds, by name. CertManager says that those of
	// cert-manager are there.
	Definitions map[string]Definition
	CertManager bool
	Operator    *Deployed // nil: there is none
	Hooks       []Hook
	Paths       []Path
	Certificate Certificate
	// OperatorLacks are the rights that the operator does not have.
	OperatorLacks []rbacv1.PolicyRule

	Collectors []Collector
	Allocators []Allocator
	Store      *Deployed // nil: there is none

	// Meta is that of the namespace examined.
	Meta metav1.ObjectMeta
	// Namespaces are the labels of all, by name.
	Namespaces       map[string]map[string]string
	Instrumentations []*v1alpha1.Instrumentation
	Workloads        []Workload
	// Images are those of agents, where resources name none, and Only is the
	// Instrumentation for all, whatever they name; nil: they are looked for.
	Images v1alpha1.Images
	Only   *v1alpha1.Instrumentation
	// Services are those that endpoints name, by namespace/name.
	Services map[types.NamespacedName]Service
	// Policies are the NetworkPolicies of the namespaces between which telemetry
	// goes.
	Policies []networkingv1.NetworkPolicy
	Scrapes  []Scrape
	// Names are those of the metrics in the store.
	Names []string

	// Unseen is what could not be looked at, by area.
	Unseen map[Area][]string
}

// miss notes what could not be seen.
func (p *Picture) miss(a Area, text string) { p.Unseen[a] = append(p.Unseen[a], text) }

// Definition is a CustomResourceDefinition.
type Definition struct {
	// Served are the versions that the API server answers to; Stored is the one in
	// its database.
	Served []string
	Stored string
	// Conversion is the Service that converts; empty when nobody does.
	Conversion types.NamespacedName
	Bundle     []byte
}

// Deployed is a workload of the installation.
type Deployed struct {
	Namespace, Name string
	// Ours says that `signalbox install` made it.
	Ours bool
	// Trouble is why it is not ready; "" when it is.
	Trouble string
	// Pod is the one to look at, "" when none is.
	Pod string
	// Values are those of the installation that differ from the usual, as --set
	// takes them.
	Values []string
	// Image of its container.
	Image string
	// Account is its service account.
	Account string
	// Port is where the API server calls the operator.
	Port int
	// Secret with the certificate that is mounted, "" when none is; NoSecret says
	// that it does not exist.
	Secret   string
	NoSecret bool
	// Warnings are about what the operator is told.
	Warnings []string
}

// Hook is a webhook that is called for our kinds.
type Hook struct {
	// Kind and Configuration are the object that it is in, Name its own.
	Kind, Configuration, Name string
	// Service that is called; empty when it is called by URL.
	Service types.NamespacedName
	// NoService says that it does not exist.
	NoService bool
	Bundle    []byte
	// Blocks says that what it is called for is refused when it does not answer.
	Blocks bool
}

// Path is a way from the API server to the operator that was tried.
type Path struct {
	Name string
	// Problem is why nobody answered, "" when somebody did.
	Problem string
}

// Certificate is what the operator shows the API server.
type Certificate struct {
	// Serving is it, Authorities those that signed it; PEM. Empty when the Secret
	// could not be read or does not exist.
	Serving, Authorities []byte
}

// Collector is one and how it fares.
type Collector struct {
	CR   *v1beta1.OpenTelemetryCollector
	Plan render.Plan
	// Config is its configuration in today's form.
	Config map[string]any
	// Err is why nothing can be made of it, "" when something can.
	Err string
	// Account is its service account, as annotations; nil when it does not exist.
	Account     string
	AccountMeta *metav1.ObjectMeta
	// Lacks are the rights that its components need and the account does not have.
	Lacks []rbacv1.PolicyRule
	// Trouble is why it is not ready, "" when it is.
	Trouble string
	Pod     string
	// NoSecrets are the Secrets that it names and that do not exist.
	NoSecrets []string
	// Pods are those that run it.
	Pods []corev1.Pod
}

// Name is namespace/name.
func (c *Collector) Name() types.NamespacedName {
	return types.NamespacedName{Namespace: c.CR.Namespace, Name: c.CR.Name}
}

// Allocator is a target allocator and how it fares.
type Allocator struct {
	Namespace, Name string
	Trouble         string
	Pod             string
}

// Workload is what pods of the namespace are made by.
type Workload struct {
	// Kind and Name of it; a pod that nobody made is its own.
	Kind, Name string
	Meta       metav1.ObjectMeta
	Template   corev1.PodTemplateSpec
	Pods       []corev1.Pod
	// Decisions are what the operator would decide now about a pod of the template,
	// and Decided is what it would make of it.
	Decisions []inject.Decision
	Decided   *corev1.Pod
}

// Service is one that an endpoint names.
type Service struct {
	Missing, NoNamespace bool
	// External leads out of the cluster, or to addresses that somebody wrote.
	External bool
	Selector map[string]string
	Ports    []corev1.ServicePort
	// Ready is how many addresses it leads to, and NotReady how many it would.
	Ready, NotReady int
	// Pods that it leads to.
	Pods []corev1.Pod
}

// Scrape is the answer of a pod that asks to be scraped, or would answer.
type Scrape struct {
	Workload string // deployment/shop
	Pod      string
	Port     string
	Path     string
	// Asked says that annotations of the pod say so.
	Asked bool
	// Status of the answer, 0 when there was none; Err says why.
	Status int
	Err    string
	// Metrics says that the answer looks like metrics.
	Metrics bool
}
