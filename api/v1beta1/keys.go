package v1beta1

import "strings"

// ConversionPrefix begins the annotations that conversion between versions
// writes. They are about the text of a resource and go into no object that is
// made from it.
const ConversionPrefix = "conversion." + Group + "/"

// The annotations of conversion.
const (
	// RemainderAnnotation holds, in one version, what only the other can.
	RemainderAnnotation = ConversionPrefix + "remainder"
	// ConfigErrorAnnotation says why the configuration of a v1alpha1 resource is
	// not in this v1beta1 one; see OpenTelemetryCollector.ConfigError.
	ConfigErrorAnnotation = ConversionPrefix + "config-error"
	// LostAnnotation names the fields that RemainderAnnotation had no room for.
	LostAnnotation = ConversionPrefix + "lost"
)

// ConfigError says why the configuration that was given in v1alpha1 could not be
// read, or nothing where it could, or was given in v1beta1 since. Such a
// resource has an empty configuration, and its text in RemainderAnnotation.
func (c *OpenTelemetryCollector) ConfigError() string {
	if !c.Spec.Config.Empty() {
		return ""
	}
	return c.Annotations[ConfigErrorAnnotation]
}

// IsConversion reports whether an annotation is written by conversion.
func IsConversion(annotation string) bool { return strings.HasPrefix(annotation, ConversionPrefix) }

// Labels of what the operator makes, and some that people set.
const (
	LabelManagedBy = "app.kubernetes.io/managed-by"
	LabelInstance  = "app.kubernetes.io/instance"
	LabelPartOf    = "app.kubernetes.io/part-of"
	LabelComponent = "app.kubernetes.io/component"
	LabelName      = "app.kubernetes.io/name"
	LabelVersion   = "app.kubernetes.io/version"

	// LabelServiceType tells a collector's Services apart: base, headless,
	// monitoring or extension.
	LabelServiceType = "operator." + Group + "/collector-service-type"
	// LabelHeadlessService marks the headless Service.
	LabelHeadlessService = "operator." + Group + "/collector-headless-service"
	// LabelMonitoringService marks the Service of the collector's own metrics.
	LabelMonitoringService = "operator." + Group + "/collector-monitoring-service"

	// LabelTargetAllocator on a collector names its target allocator.
	LabelTargetAllocator = Group + "/target-allocator"
	// LabelInjected on a pod names the collector whose sidecar it has.
	LabelInjected = "sidecar." + Group + "/injected"
	// LabelInstrumented on a pod is "true" where the operator instrumented it.
	LabelInstrumented = "operator." + Group + "/instrumented"
	// LabelOpAMPManaged on a collector lets a bridge change it.
	LabelOpAMPManaged = Group + "/opamp-managed"
	// LabelOpAMPReporting on a collector lets a bridge report it.
	LabelOpAMPReporting = Group + "/opamp-reporting"
	// LabelCreatedBy on a collector says that a bridge made it.
	LabelCreatedBy = "created-by"
)

// Annotations of pods and namespaces, which ask for something.
const (
	// AnnotationSidecar asks for a sidecar.
	AnnotationSidecar = "sidecar." + Group + "/inject"
	// InstrumentationPrefix begins those that ask for instrumentation.
	InstrumentationPrefix = "instrumentation." + Group + "/"
	// ResourceAttributePrefix begins those that are resource attributes.
	ResourceAttributePrefix = "resource." + Group + "/"
)

// Annotations of what the operator makes.
const (
	// AnnotationConfigHash on a collector's pod rolls it when its configuration
	// changes.
	AnnotationConfigHash = "opentelemetry-operator-config/sha256"
	// AnnotationAllocatorHash on a target allocator's pod does the same.
	AnnotationAllocatorHash = "opentelemetry-targetallocator-config/hash"
	// AnnotationBridgeHash on a bridge's pod does the same.
	AnnotationBridgeHash = "opentelemetry-opampbridge-config/hash"
	// AnnotationPrometheusAdded on a pod says that the operator added the
	// annotations prometheus.io/scrape, port and path.
	AnnotationPrometheusAdded = "operator." + Group + "/prometheus-annotations-added"
)

// AnnotationInstrumented on a pod says what it was instrumented with when it
// started, as python=NAMESPACE/NAME@SUM,java=NAMESPACE/NAME@SUM: SUM is of what
// the Instrumentation meant for the language. With another than it has now, the
// pod has an old one.
const AnnotationInstrumented = "operator." + Group + "/instrumented"

// Annotations of the crash guard, and of rollouts of instrumentation.
const (
	// AnnotationProgram on a pod tells, as python=HASH,java=HASH, of which state of
	// the program each language was added to. A language that is missing is not
	// guarded.
	AnnotationProgram = "operator." + Group + "/program"
	// AnnotationCrashGuard on a pod or its namespace is "false" where the crash guard
	// is not wanted. Any other value than before ends a guard.
	AnnotationCrashGuard = InstrumentationPrefix + "crash-guard"
	// AnnotationInstrumentationRollout on an Instrumentation lets the operator roll
	// out the workloads whose pods lack it or have an old one: "true", "false", or
	// how many at a time. On a workload, "false" leaves that alone.
	AnnotationInstrumentationRollout = InstrumentationPrefix + "rollout"
	// AnnotationInstrumentationStamp on a pod template is a hash of what the pods
	// were restarted for.
	AnnotationInstrumentationStamp = "operator." + Group + "/instrumented-sha256"
)

// Annotations of sidecars.
const (
	// AnnotationSidecarHash on a pod is the hash of the sidecar that it was given:
	// with another than its collector's, the pod has an old one.
	AnnotationSidecarHash = "sidecar." + Group + "/config-sha256"
	// AnnotationSidecarRollout on a collector of mode sidecar lets the operator
	// roll out the workloads whose pods have an old sidecar.
	AnnotationSidecarRollout = "sidecar." + Group + "/rollout"
)

// Finalizer of collectors whose ClusterRoles the operator made.
const Finalizer = "opentelemetrycollector." + Group + "/finalizer"
