// Package needs lists what the operator needs of its cluster: the names of its
// own objects, its webhooks and its rights.
//
// `signalbox install` prints them as manifests, and the operator works by them,
// so the two cannot differ. The names are those of opentelemetry-operator's
// manifests, which firewall rules and scripts name.
//
// Invariants: it is data. No I/O, and nothing changes what it returns.
package needs

import (
	"github.com/signalbox-otel/signalbox/api/crds"
	"github.com/signalbox-otel/signalbox/api/v1beta1"
)

// Names of the operator's own objects. All but the webhook configurations and
// the cluster roles are in its namespace.
const (
	// Namespace is where it is installed when nothing else is said.
	Namespace = "opentelemetry-operator-system"
	// Deployment, and also its ServiceAccount.
	Deployment = "opentelemetry-operator-controller-manager"
	// Container of the deployment.
	Container = "manager"
	// WebhookService leads from port 443 to the webhooks.
	WebhookService = crds.WebhookService
	// MetricsService leads to the metrics.
	MetricsService = "opentelemetry-operator-controller-manager-metrics-service"
	// CertificateSecret has the serving certificate (tls.crt, tls.key) and the CA
	// that signed it (ca.crt, ca.key).
	CertificateSecret = "opentelemetry-operator-controller-manager-service-cert"
	// MutatingWebhooks and ValidatingWebhooks are the webhook configurations.
	MutatingWebhooks   = "opentelemetry-operator-mutating-webhook-configuration"
	ValidatingWebhooks = "opentelemetry-operator-validating-webhook-configuration"
	// ManagerRole is the ClusterRole with Rights, and also its binding.
	ManagerRole = "opentelemetry-operator-manager-role"
	// MetricsReaderRole lets who has it read the metrics.
	MetricsReaderRole = "opentelemetry-operator-metrics-reader"
	// WorkloadsService leads to what is known of instrumented workloads, and
	// WorkloadsReaderRole lets who has it read that.
	WorkloadsService    = "opentelemetry-operator-workloads"
	WorkloadsReaderRole = "opentelemetry-operator-workloads-reader"
	// ProxyRole lets the operator ask who reads the metrics.
	ProxyRole = "opentelemetry-operator-proxy-role"
	// LeaderLease is the lease of the replica that runs the controllers.
	LeaderLease = "9f7554c3.opentelemetry.io"
	// DefaultsConfigMap has the resources that an installation brings.
	DefaultsConfigMap = "signalbox-defaults"
	// CrashGuardConfigMap has the crash guards.
	CrashGuardConfigMap = "signalbox-crash-guards"
	// FieldOwner owns the fields that the operator applies.
	FieldOwner = "signalbox-operator"
	// EventSource is the component in events.
	EventSource = "opentelemetry-operator"
)

// CollectorCRD is the definition of collectors, which alone has two versions.
const CollectorCRD = "opentelemetrycollectors." + v1beta1.Group

// Ports of the operator's process.
const (
	WebhookPort   = 9443
	MetricsPort   = 8443
	HealthPort    = 8081
	WorkloadsPort = 8082
)

// WorkloadsPath is where the operator tells what is known of instrumented
// workloads, to those whose token is for WorkloadsAudience and who may get the
// path. A token that is for nothing else is of no use to who overhears it.
const (
	WorkloadsPath     = "/api/workloads"
	WorkloadsAudience = "signalbox-operator"
)

// WorkloadsTokenDir is where the store finds such a token, in file "token".
const WorkloadsTokenDir = "/var/run/secrets/signalbox"

// ConvertPath is where collectors are converted between versions.
const ConvertPath = crds.ConvertPath
