// Package remedy knows what a user can do about a decision of inject: a command
// to paste into a terminal. Decisions come from inject; the answers of the
// operator about workloads and `signalbox explain` show what this package says.
//
// Invariants: it is pure. A command names everything that it needs; where
// something is known to the user only, a line that begins with # says so.
package remedy

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/signalbox-otel/signalbox/api/v1beta1"
	"github.com/signalbox-otel/signalbox/internal/inject"
	"github.com/signalbox-otel/signalbox/internal/operator/needs"
)

// Subject is what a decision was about: what pods are made of.
type Subject struct {
	Namespace string
	// Kind and Name are those of the workload; of the pod itself where nobody
	// made it.
	Kind, Name string
	// Annotations are those of the pod, or of the template of pods;
	// NamespaceAnnotations those of the namespace.
	Annotations, NamespaceAnnotations map[string]string
	// Injected says that the pod itself, which nobody made, has what was injected:
	// the pod as it is now cannot be what it is made anew from.
	Injected bool
	// Containers are the names of the pod's containers.
	Containers []string
	// Choices are resources that may be meant where there are several.
	Choices []string
	// Operator is the namespace of the operator; "" is the usual one.
	Operator string
}

// Of is what to do about a decision, "" where nothing has to be done, or no
// command helps.
func Of(s Subject, d inject.Decision) string {
	asked := Annotation(d.Kind)
	switch d.Reason {
	case inject.BadName, inject.SwitchedOff:
		return s.annotate(asked, word(d.Kind, "true"))
	case inject.NoneInNamespace:
		return s.resource(d.Kind, s.Namespace, "default")
	case inject.NotFound:
		return s.missing(d.Kind, asked)
	case inject.SeveralInNamespace:
		name := "NAME"
		if len(s.Choices) > 0 {
			name = s.Choices[0]
		}
		return s.annotate(asked, word(d.Kind, name))
	case inject.NotSidecarMode:
		return "kubectl get opentelemetrycollectors --all-namespaces # name one of mode sidecar in annotation " + asked
	case inject.BadConfiguration, inject.ConfigTooLarge, inject.PortTaken:
		return edit("opentelemetrycollector", d.Source)
	case inject.NameTaken, inject.ValueFromElsewhere:
		return s.edit()
	case inject.OutOfLimits, inject.OverQuota:
		return "kubectl describe limitrange,resourcequota -n " + s.Namespace
	case inject.UnknownLanguage:
		return s.annotate(s.unknown(), nil)
	case inject.LanguageOff:
		return s.allow(d.Kind)
	case inject.NoImage:
		return edit("instrumentation", d.Source)
	case inject.Unreached:
		return "signalbox doctor"
	case inject.NoProbe:
		return "kubectl edit -n " + s.operator() + " deployment/" + needs.Deployment
	case inject.NoEnvFiles:
		return lines("# name the language, as Python:", s.annotate(Annotation(inject.Python), "true"))
	case inject.CrashGuard:
		// Another value than before is another try.
		n, _ := strconv.Atoi(s.Annotations[v1beta1.AnnotationCrashGuard])
		return lines("# to try it again, as after mending what it crashed for:", s.annotate(v1beta1.AnnotationCrashGuard, strconv.Itoa(n+1)))
	case inject.Internal:
		return "kubectl logs -n " + s.operator() + " deployment/" + needs.Deployment
	}
	return s.containersOrAgent(d, asked)
}

// containersOrAgent is Of for what is about containers, or about one agent.
func (s Subject) containersOrAgent(d inject.Decision, asked string) string {
	switch d.Reason {
	case inject.BadContainers, inject.UnknownContainer, inject.UnnamedContainers, inject.InitContainer, inject.SeveralContainers:
		return s.annotate(s.containersAnnotation(d), s.container())
	case inject.OtherAgent:
		return s.annotate(asked, "false")
	case inject.BadPlatform:
		key := "otel-python-platform"
		if d.Kind == inject.DotNet {
			key = "otel-dotnet-auto-runtime"
		}
		return s.annotate(v1beta1.InstrumentationPrefix+key, nil)
	case inject.NoTarget:
		return s.annotate(v1beta1.InstrumentationPrefix+"otel-go-auto-target-exe", "/path/of/the/program")
	case inject.ProcessesHidden:
		return s.patch(map[string]any{"spec": map[string]any{"shareProcessNamespace": nil}}, "without shareProcessNamespace")
	case inject.PodSecurity:
		return lines("kubectl label namespace "+s.Namespace+" pod-security.kubernetes.io/enforce=privileged --overwrite", s.Restart())
	}
	return ""
}

// Restart starts the pods of the subject again, so that they are decided about
// anew.
func (s Subject) Restart() string {
	switch s.Kind {
	case "Deployment", "StatefulSet", "DaemonSet":
		return "kubectl rollout restart -n " + s.Namespace + " " + s.resourceName()
	case "Pod":
		if s.Injected {
			return "kubectl replace --force -n " + s.Namespace + " -f MANIFEST # of pod " + s.Name
		}
		return "kubectl get pod -n " + s.Namespace + " " + s.Name + " -o yaml | kubectl replace --force -f -"
	case "CronJob":
		return "kubectl create job -n " + s.Namespace + " --from=" + s.resourceName() + " " + s.Name + "-now # or wait for its next run"
	case "Job":
		return "# a Job does not change: make it anew, by kubectl replace --force -n " + s.Namespace + " -f with its manifest"
	}
	return "# start the pods of " + s.Kind + " " + s.Namespace + "/" + s.Name + " again"
}

// Annotation is the annotation that asks for a kind.
func Annotation(k inject.Kind) string {
	switch k {
	case inject.Sidecar:
		return v1beta1.AnnotationSidecar
	case inject.Auto:
		return v1beta1.InstrumentationPrefix + "inject"
	}
	return v1beta1.InstrumentationPrefix + "inject-" + string(k)
}

// kinds are those that annotations ask for by name.
var kinds = []inject.Kind{inject.Java, inject.NodeJS, inject.Python, inject.DotNet, inject.Go, inject.ApacheHttpd, inject.Nginx, inject.SDK}

// unknown is the first annotation that asks for a language that there is not.
func (s Subject) unknown() string {
	const prefix = v1beta1.InstrumentationPrefix + "inject-"
	for _, key := range slices.Sorted(maps.Keys(s.Annotations)) {
		language, asks := strings.CutPrefix(key, prefix)
		if asks && !strings.HasSuffix(key, "-container-names") && !slices.Contains(kinds, inject.Kind(language)) {
			return key
		}
	}
	return prefix + "LANGUAGE"
}

// word is how the annotation of a kind says true, or a name.
func word(k inject.Kind, value string) string {
	switch {
	case k != inject.Auto:
		return value
	case value == "true":
		return string(inject.Auto)
	}
	return string(inject.Auto) + ":" + value
}

// containersAnnotation is the one that names containers: that of the language
// where somebody wrote it, or where there are several languages.
func (s Subject) containersAnnotation(d inject.Decision) string {
	own := v1beta1.InstrumentationPrefix + string(d.Kind) + "-container-names"
	if d.Kind == inject.Nginx {
		own = v1beta1.InstrumentationPrefix + "inject-nginx-container-names"
	}
	all := v1beta1.InstrumentationPrefix + "container-names"
	if d.Kind != inject.Auto && (s.has(own) || d.Reason == inject.UnnamedContainers || !s.has(all) && d.Reason != inject.InitContainer) {
		return own
	}
	return all
}

func (s Subject) has(annotation string) bool {
	return s.Annotations[annotation] != "" || s.NamespaceAnnotations[annotation] != ""
}

// container is the one that is meant where nothing is said.
func (s Subject) container() string {
	if len(s.Containers) == 0 {
		return "NAME"
	}
	return s.Containers[0]
}

// annotate gives the pods an annotation, where it was written; a value of nil
// takes it away.
func (s Subject) annotate(key string, value any) string {
	if s.Annotations[key] == "" && s.NamespaceAnnotations[key] != "" {
		command := fmt.Sprintf("kubectl annotate namespace %s %s=%v --overwrite", s.Namespace, key, value)
		if value == nil {
			command = fmt.Sprintf("kubectl annotate namespace %s %s-", s.Namespace, key)
		}
		return lines(command, s.Restart())
	}
	what := fmt.Sprintf("with annotation %s: %q", key, value)
	if value == nil {
		what = "without annotation " + key
	}
	return s.patch(map[string]any{"metadata": map[string]any{"annotations": map[string]any{key: value}}}, what)
}

// patch changes the pods. What is the change in words, for workloads that do not
// let themselves be changed.
func (s Subject) patch(pod map[string]any, what string) string {
	change := map[string]any{"spec": map[string]any{"template": pod}}
	switch s.Kind {
	case "Deployment", "StatefulSet", "DaemonSet":
	case "CronJob":
		change = map[string]any{"spec": map[string]any{"jobTemplate": change}}
	case "Pod", "Job":
		return lines("# make it anew "+what, "kubectl replace --force -n "+s.Namespace+" -f MANIFEST")
	default:
		return lines("# make the pods of "+s.Kind+" "+s.Namespace+"/"+s.Name, "# "+what)
	}
	text, err := json.Marshal(change)
	if err != nil {
		return "" // maps and texts are always JSON
	}
	return fmt.Sprintf("kubectl patch -n %s %s --type merge -p %s", s.Namespace, s.resourceName(), quoted(string(text)))
}

func (s Subject) edit() string {
	return "kubectl edit -n " + s.Namespace + " " + s.resourceName()
}

// edit opens a resource that is named namespace/name.
func edit(kind, source string) string {
	namespace, name, ok := strings.Cut(source, "/")
	if !ok {
		return ""
	}
	return "kubectl edit " + kind + " -n " + namespace + " " + name
}

// resourceName is the workload as kubectl takes it.
func (s Subject) resourceName() string { return strings.ToLower(s.Kind) + "/" + s.Name }

// allow switches a language on.
func (s Subject) allow(k inject.Kind) string {
	variable := "ENABLE_" + strings.ToUpper(strings.ReplaceAll(string(k), "-", "_")) + "_AUTO_INSTRUMENTATION"
	return lines("kubectl set env -n "+s.operator()+" deployment/"+needs.Deployment+" "+variable+"=true", s.Restart())
}

func (s Subject) operator() string {
	if s.Operator == "" {
		return needs.Namespace
	}
	return s.Operator
}

// missing makes the resource that an annotation names.
func (s Subject) missing(k inject.Kind, asked string) string {
	value := s.Annotations[asked]
	if value == "" || strings.EqualFold(value, "true") {
		value = s.NamespaceAnnotations[asked]
	}
	namespace, name, qualified := strings.Cut(strings.TrimPrefix(value, string(inject.Auto)+":"), "/")
	if !qualified {
		namespace, name = s.Namespace, value
	}
	return s.resource(k, namespace, name)
}

// resource makes an Instrumentation, or a sidecar, that sends to the collector
// of an installation.
func (s Subject) resource(k inject.Kind, namespace, name string) string {
	endpoint := "http://otel-collector." + s.operator() + ":4318"
	spec := `apiVersion: opentelemetry.io/v1alpha1
kind: Instrumentation
metadata: {name: ` + name + `}
spec:
  exporter: {endpoint: "` + endpoint + `"}`
	if k == inject.Sidecar {
		spec = `apiVersion: opentelemetry.io/v1beta1
kind: OpenTelemetryCollector
metadata: {name: ` + name + `}
spec:
  mode: sidecar
  config:
    receivers: {otlp: {protocols: {grpc: {}, http: {}}}}
    exporters: {otlp_http: {endpoint: "` + endpoint + `"}}
    service:
      pipelines:
        traces: {receivers: [otlp], exporters: [otlp_http]}
        metrics: {receivers: [otlp], exporters: [otlp_http]}
        logs: {receivers: [otlp], exporters: [otlp_http]}`
	}
	return lines("kubectl apply -n "+namespace+" -f - <<'EOF'\n"+spec+"\nEOF", s.Restart())
}

// quoted is a text as a shell takes it.
func quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

func lines(commands ...string) string { return strings.Join(commands, "\n") }
