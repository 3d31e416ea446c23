package settings

import (
	"cmp"
	"regexp"
	"strings"
	"time"

	"github.com/signalbox-otel/signalbox/internal/operator/needs"
)

// Setting is one thing that the operator is told.
type Setting struct {
	// Flag, Env and File are its names: on the command line, in the environment
	// and, joined by dots, in the file. It has those that are not empty.
	Flag, Env, File string
	// Default is its value when nothing is said.
	Default string
	Help    string
	// NoEffect says why nothing comes of it; empty when something does.
	NoEffect string

	rare     bool // only on the page, not in the help of the command
	boolean  bool
	repeated bool // may be given several times
	set      func(s *Settings, values []string) error
}

// Name is the first name that the setting has.
func (t Setting) Name() string { return cmp.Or(t.Flag, t.Env, t.File) }

// Releases of the programs in the images of others.
const (
	bridgeVersion  = "0.158.0"
	dotnetVersion  = "1.16.0"
	goVersion      = "v0.24.0"
	serversVersion = "1.0.4"
)

// table are all settings.
func table(o own) []Setting {
	var all []Setting
	for _, group := range [][]Setting{process(), servers(), images(o), injection(), resources(), logging()} {
		all = append(all, group...)
	}
	return all
}

// process are those of the process as a whole.
func process() []Setting {
	return []Setting{
		{Flag: "config-file", Help: "`file` with settings", set: text(func(*Settings) *string { return new(string) })},
		{Flag: "kubeconfig", Help: "kubeconfig `file`, when not the pod's account or the user's", set: text(func(s *Settings) *string { return &s.Kubeconfig })},
		{Env: "NAMESPACE", Help: "namespace of the operator; else the pod's, else " + needs.Namespace, set: text(func(s *Settings) *string { return &s.Namespace })},
		{Env: "SERVICE_ACCOUNT_NAME", Help: "account of the operator; else " + needs.Deployment, set: text(func(s *Settings) *string { return &s.ServiceAccount })},
		{Flag: "watch-namespace", Env: "WATCH_NAMESPACE", File: "watch-namespace", Help: "`namespaces` to work in, separated by commas; all when empty",
			set: words(func(s *Settings) *[]string { return &s.WatchNamespaces })},
		truth("enable-leader-election", "ENABLE_LEADER_ELECTION", "", "false", "run the controllers on one replica only; on in a pod", func(s *Settings) *bool { return &s.LeaderElection }),
		{Flag: "feature-gates", Env: "FEATURE_GATES", File: "feature-gates", Help: "`gates` to open, or with - before them to close, separated by commas", set: setGates},
	}
}

// servers are those of what listens.
func servers() []Setting {
	return []Setting{
		{Flag: "health-probe-addr", Env: "HEALTH_PROBE_ADDR", File: "health-probe-addr", Default: ":8081", Help: "`address` of /healthz and /readyz; 0 is none", set: address(func(s *Settings) *string { return &s.Health })},
		{Flag: "metrics-addr", Env: "METRICS_ADDR", File: "metrics-addr", Default: ":8443", Help: "`address` of /metrics; 0 is none", set: address(func(s *Settings) *string { return &s.Metrics.Address })},
		truth("metrics-secure", "METRICS_SECURE", "", "true", "serve metrics by HTTPS, to those who may get /metrics", func(s *Settings) *bool { return &s.Metrics.Secure }),
		{Flag: "metrics-tls-cert-file", rare: true, Env: "METRICS_TLS_CERT_FILE", File: "metrics-tls-cert-file", Help: "certificate `file` of metrics; else that of the webhooks", set: text(func(s *Settings) *string { return &s.Metrics.CertFile })},
		{Flag: "metrics-tls-key-file", rare: true, Env: "METRICS_TLS_KEY_FILE", File: "metrics-tls-key-file", Help: "key `file` of metrics", set: text(func(s *Settings) *string { return &s.Metrics.KeyFile })},
		{Flag: "workloads-addr", rare: true, Env: "WORKLOADS_ADDR", File: "workloads-addr", Default: ":8082", Help: "`address` of /api/workloads, what is known of instrumented workloads, for those who may get that path; 0 is none", set: address(func(s *Settings) *string { return &s.Workloads })},
		{Flag: "pprof-addr", Env: "PPROF_ADDR", File: "pprof-addr", Help: "`address` of profiles; none when empty", set: address(func(s *Settings) *string { return &s.Profiles })},
		truth("enable-webhooks", "ENABLE_WEBHOOKS", "", "true", "answer the API server's calls", func(s *Settings) *bool { return &s.Webhooks.Enabled }),
		{Flag: "webhook-port", Env: "WEBHOOK_PORT", File: "webhook-port", Default: "9443", Help: "`port` of the webhooks", set: port(func(s *Settings) *int { return &s.Webhooks.Port })},
		{Flag: "webhook-cert-dir", rare: true, Env: "WEBHOOK_CERT_DIR", File: "webhook-cert-dir", Help: "`folder` with tls.crt and tls.key that others renew, as cert-manager; else the operator makes its own, but for one in " + mountedCertificate,
			set: text(func(s *Settings) *string { return &s.Webhooks.CertDir })},
		{Flag: "self-test-interval", Env: "SELF_TEST_INTERVAL", File: "self-test-interval", Default: "5m", Help: "`time` between two calls of the own webhooks through the API server; 0 is never", set: span(func(s *Settings) *time.Duration { return &s.SelfTest })},
		{Flag: "tls-min-version", Env: "TLS_MIN_VERSION", File: "tls.minversion", Default: "VersionTLS12", Help: "least `version` of TLS of all servers: VersionTLS12 or VersionTLS13", set: setMinVersion},
		{Flag: "tls-cipher-suites", rare: true, Env: "TLS_CIPHER_SUITES", File: "tls.ciphersuites", Help: "cipher `suites` of TLS 1.2, separated by commas; Go's when empty", set: setCipherSuites},
		noEffect(truth("tls-cluster-profile", "TLS_CLUSTER_PROFILE", "tls.useclusterprofile", "false", "", ignored),
			"the profile of OpenShift is not read; say tls-min-version and tls-cipher-suites"),
		noEffect(truth("tls-configure-operands", "TLS_CONFIGURE_OPERANDS", "tls.configureoperands", "false", "", ignored),
			"collectors keep the TLS settings of their configuration"),
	}
}

// images are what resources and pods get that name none.
func images(o own) []Setting {
	const upstream = "ghcr.io/open-telemetry/opentelemetry-operator/"
	image := func(flag, env, file, fallback, what string, field func(*Images) *string) Setting {
		return Setting{Flag: flag, Env: env, File: cmp.Or(file, flag), Default: fallback, Help: "`image` of " + what + " that name none",
			rare: strings.HasPrefix(flag, "auto-instrumentation-"),
			set:  text(func(s *Settings) *string { return field(&s.Images) })}
	}
	return []Setting{
		{Env: imageVariable, Default: o.image, Help: "our own image, which collectors and target allocators get, and beside which those of agents are", set: anything},
		image("collector-image", "RELATED_IMAGE_COLLECTOR", "", o.image, "collectors", func(i *Images) *string { return &i.Collector }),
		noEffect(image("clusterobservability-collector-image", "", "", "", "", func(*Images) *string { return new(string) }), "there is no ClusterObservability"),
		image("target-allocator-image", "RELATED_IMAGE_TARGET_ALLOCATOR", "targetallocator-image", o.image, "target allocators", func(i *Images) *string { return &i.Allocator }),
		image("operator-opamp-bridge-image", "RELATED_IMAGE_OPERATOR_OPAMP_BRIDGE", "operatoropampbridge-image", upstream+"operator-opamp-bridge:"+bridgeVersion, "OpAMP bridges", func(i *Images) *string { return &i.Bridge }),
		image("auto-instrumentation-java-image", "RELATED_IMAGE_AUTO_INSTRUMENTATION_JAVA", "", o.beside("java"), "Java agents", func(i *Images) *string { return &i.Agents.Java }),
		image("auto-instrumentation-nodejs-image", "RELATED_IMAGE_AUTO_INSTRUMENTATION_NODEJS", "auto-instrumentation-node-js-image", o.beside("nodejs"), "Node.js agents", func(i *Images) *string { return &i.Agents.NodeJS }),
		image("auto-instrumentation-python-image", "RELATED_IMAGE_AUTO_INSTRUMENTATION_PYTHON", "", o.beside("python"), "Python agents", func(i *Images) *string { return &i.Agents.Python }),
		image("auto-instrumentation-dotnet-image", "RELATED_IMAGE_AUTO_INSTRUMENTATION_DOTNET", "auto-instrumentation-dot-net-image", upstream+"autoinstrumentation-dotnet:"+dotnetVersion, ".NET agents", func(i *Images) *string { return &i.Agents.DotNet }),
		image("auto-instrumentation-go-image", "RELATED_IMAGE_AUTO_INSTRUMENTATION_GO", "", "ghcr.io/open-telemetry/opentelemetry-go-instrumentation/autoinstrumentation-go:"+goVersion, "Go agents", func(i *Images) *string { return &i.Agents.Go }),
		image("auto-instrumentation-apache-httpd-image", "RELATED_IMAGE_AUTO_INSTRUMENTATION_APACHE_HTTPD", "", upstream+"autoinstrumentation-apache-httpd:"+serversVersion, "Apache agents", func(i *Images) *string { return &i.Agents.ApacheHttpd }),
		image("auto-instrumentation-nginx-image", "RELATED_IMAGE_AUTO_INSTRUMENTATION_NGINX", "", upstream+"autoinstrumentation-apache-httpd:"+serversVersion, "nginx agents", func(i *Images) *string { return &i.Agents.Nginx }),
		{Flag: "probe-image", Env: "SIGNALBOX_PROBE_IMAGE", File: "probe-image", Default: o.beside("probe"), rare: true, Help: "`image` of what finds out which language runs in a container",
			set: text(func(s *Settings) *string { return &s.Images.Probe })},
	}
}

// injection are those of what is injected into pods.
func injection() []Setting {
	language := func(flag, env, file, fallback, what string, field func(*Languages) *bool) Setting {
		return truth(flag, env, file, fallback, "inject "+what, func(s *Settings) *bool { return field(&s.Languages) })
	}
	return []Setting{
		language("enable-multi-instrumentation", "ENABLE_MULTI_INSTRUMENTATION", "", "true", "several languages into one pod", func(l *Languages) *bool { return &l.Multi }),
		language("enable-java-instrumentation", "ENABLE_JAVA_AUTO_INSTRUMENTATION", "enable-java-auto-instrumentation", "true", "Java agents", func(l *Languages) *bool { return &l.Java }),
		language("enable-nodejs-instrumentation", "ENABLE_NODEJS_AUTO_INSTRUMENTATION", "enable-node-js-auto-instrumentation", "true", "Node.js agents", func(l *Languages) *bool { return &l.NodeJS }),
		language("enable-python-instrumentation", "ENABLE_PYTHON_AUTO_INSTRUMENTATION", "enable-python-auto-instrumentation", "true", "Python agents", func(l *Languages) *bool { return &l.Python }),
		language("enable-dotnet-instrumentation", "ENABLE_DOTNET_AUTO_INSTRUMENTATION", "enable-dot-net-auto-instrumentation", "true", ".NET agents", func(l *Languages) *bool { return &l.DotNet }),
		language("enable-apache-httpd-instrumentation", "ENABLE_APACHE_HTTPD_AUTO_INSTRUMENTATION", "", "true", "Apache agents", func(l *Languages) *bool { return &l.ApacheHTTPD }),
		language("enable-nginx-instrumentation", "ENABLE_NGINX_AUTO_INSTRUMENTATION", "enable-nginx-auto-instrumentation", "true", "nginx agents", func(l *Languages) *bool { return &l.Nginx }),
		language("enable-go-instrumentation", "ENABLE_GO_AUTO_INSTRUMENTATION", "enable-go-auto-instrumentation", "false", "Go agents", func(l *Languages) *bool { return &l.Go }),
		truth("enable-crash-guard", "ENABLE_CRASH_GUARD", "", "true", "keep a language off workloads that crash with it and did not without", func(s *Settings) *bool { return &s.CrashGuard }),
		{Flag: "instrumentation-rollout", Env: "INSTRUMENTATION_ROLLOUT", File: "instrumentation-rollout", Default: "0", Help: "how many `workloads` are restarted at a time because their pods lack an Instrumentation, or have an old one, where that does not say; 0 is none",
			set: number(func(s *Settings) *int { return &s.InstrumentationRollout })},
		{Flag: "auto-instrumentation-delivery", Env: "AUTO_INSTRUMENTATION_DELIVERY", File: "auto-instrumentation-delivery", Default: string(DeliverCopies),
			Help: "`way` in which agents for Java, Node.js and Python come into pods: copy, by an init container; image-volume, mounted from their images where the API server knows how, from Kubernetes 1.35 on; auto, the same where all nodes know how, too",
			set:  oneOf(func(s *Settings) *string { return (*string)(&s.Delivery) }, string(DeliverCopies), string(DeliverImages), string(DeliverAuto))},
		{File: "enable-instrumentation-crds", Default: "true", boolean: true, Help: "look for Instrumentation resources; when false, the one that the file has as instrumentations serves all pods",
			set: boolean(func(s *Settings) *bool { return &s.Instrumentations })},
	}
}

// resources are those of what is made of resources.
func resources() []Setting {
	return []Setting{
		{Flag: "labels-filter", Env: "LABELS_FILTER", File: "labels-filter", repeated: true, Help: "labels of resources that their objects do not get: a regular `expression`, which may be repeated",
			set: setFilter(func(s *Settings) *[]*regexp.Regexp { return &s.LabelsFilter })},
		{Flag: "annotations-filter", Env: "ANNOTATIONS_FILTER", File: "annotations-filter", repeated: true, Default: `^kubectl\.kubernetes\.io/last-applied-configuration$`, Help: "the same of annotations, an `expression`",
			set: setFilter(func(s *Settings) *[]*regexp.Regexp { return &s.AnnotationsFilter })},
		{Flag: "create-rbac-permissions", File: "create-rbac-permissions", boolean: true, Help: "give collectors the rights that their components need; where the operator may, when nothing is said",
			set: func(s *Settings, v []string) error {
				s.GrantRights = new(bool)
				return boolean(func(s *Settings) *bool { return s.GrantRights })(s, v)
			}},
		truth("enable-cr-metrics", "ENABLE_CR_METRICS", "", "false", "count collectors and their components in metrics", func(s *Settings) *bool { return &s.ResourceMetrics }),
		truth("create-sm-operator-metrics", "CREATE_SM_OPERATOR_METRICS", "create-service-monitor-operator-metrics", "false", "make a ServiceMonitor for the metrics of the operator", func(s *Settings) *bool { return &s.ServiceMonitor }),
		{Flag: "fips-disabled-components", rare: true, Env: "FIPS_DISABLED_COMPONENTS", File: "fips-disabled-components", Help: "`components` that are refused on a host in FIPS mode, as receiver.x,exporter.y",
			set: words(func(s *Settings) *[]string { return &s.FIPSDisabled })},
		noEffect(truth("ignore-missing-collector-crds", "IGNORE_MISSING_COLLECTOR_CRDS", "", "false", "", ignored), "kinds that are missing are never fatal"),
		noEffect(truth("openshift-create-dashboard", "OPENSHIFT_CREATE_DASHBOARD", "", "false", "", ignored), "there is no dashboard"),
		noEffect(Setting{Flag: "openshift-webhook-replicas", Env: "OPENSHIFT_WEBHOOK_REPLICAS", File: "openshift-webhook-replicas", Default: "2", set: anything}, "every replica answers webhooks"),
	}
}

// logging are those of the logs.
func logging() []Setting {
	field := func(f func(*Log) *string) func(*Settings, []string) error {
		return text(func(s *Settings) *string { return f(&s.Log) })
	}
	return []Setting{
		{Flag: "zap-devel", rare: true, boolean: true, Help: "logs for developers: debug, on a console", set: setDevel},
		{Flag: "zap-log-level", File: "zap.log-level", Default: "info", Help: "least `level` of logs: debug, info, error, or a number for more than debug", set: setLevel},
		{Flag: "zap-encoder", File: "zap.encoder", Default: "console", Help: "`form` of logs: console or json", set: oneOf(func(s *Settings) *string { return &s.Log.Encoder }, "console", "json")},
		{Flag: "zap-time-encoding", rare: true, File: "zap.time-encoding", Default: "rfc3339nano", Help: "`form` of times: epoch, millis, nano, iso8601, rfc3339 or rfc3339nano",
			set: oneOf(func(s *Settings) *string { return &s.Log.TimeEncoding }, "epoch", "millis", "nano", "iso8601", "rfc3339", "rfc3339nano")},
		{Flag: "zap-message-key", rare: true, Env: "ZAP_MESSAGE_KEY", File: "zap.message-key", Default: "message", Help: "`key` of the message", set: field(func(l *Log) *string { return &l.MessageKey })},
		{Flag: "zap-level-key", rare: true, Env: "ZAP_LEVEL_KEY", File: "zap.level-key", Default: "level", Help: "`key` of the level", set: field(func(l *Log) *string { return &l.LevelKey })},
		{Flag: "zap-time-key", rare: true, Env: "ZAP_TIME_KEY", File: "zap.time-key", Default: "timestamp", Help: "`key` of the time", set: field(func(l *Log) *string { return &l.TimeKey })},
		{Flag: "zap-level-format", rare: true, Env: "ZAP_LEVEL_FORMAT", File: "zap.level-format", Default: "uppercase", Help: "`form` of levels: uppercase or lowercase",
			set: oneOf(func(s *Settings) *string { return &s.Log.LevelFormat }, "uppercase", "lowercase")},
		noEffect(Setting{Flag: "zap-stacktrace-level", set: anything}, "a stack is logged with defects only"),
	}
}

// ignored is the field of what is true or false and of no use.
func ignored(*Settings) *bool { return new(bool) }

// noEffect is a setting that is accepted because others know it.
func noEffect(t Setting, why string) Setting {
	t.NoEffect = why
	return t
}

// truth is a setting that is true or false; file is the flag when it is empty.
func truth(flag, env, file, fallback, help string, field func(*Settings) *bool) Setting {
	return Setting{Flag: flag, Env: env, File: cmp.Or(file, flag), Default: fallback, Help: help, boolean: true, set: boolean(field)}
}
