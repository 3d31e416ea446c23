package remedy

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/signalbox-otel/signalbox/internal/inject"
)

// cart is a Deployment that asks for Python.
func cart() Subject {
	return Subject{
		Namespace: "shop", Kind: "Deployment", Name: "cart", Containers: []string{"app", "cache"},
		Annotations: map[string]string{"instrumentation.opentelemetry.io/inject-python": "true"},
	}
}

// annotated is how a Deployment's pods get an annotation; a value of null takes it
// away.
func annotated(key, value string) string {
	return `kubectl patch -n shop deployment/cart --type merge -p '{"spec":{"template":{"metadata":{"annotations":{"instrumentation.opentelemetry.io/` + key + `":` + value + `}}}}}'`
}

// Every reason has its remedy, or none on purpose.
func TestOf(t *testing.T) {
	text, err := os.ReadFile("../../inject/decision.go")
	if err != nil {
		t.Fatal(err)
	}
	left := map[string]bool{}
	for _, constant := range regexp.MustCompile(`Reason += "(\w+)"`).FindAllStringSubmatch(string(text), -1) {
		left[constant[1]] = true
	}
	restart := "kubectl rollout restart -n shop deployment/cart"
	for _, c := range []struct {
		reason inject.Reason
		kind   inject.Kind
		want   string
	}{
		{inject.AsAsked, inject.Python, ""},
		{inject.AlreadyInjected, inject.Python, ""},
		{inject.SwitchedOff, inject.Python, annotated("inject-python", `"true"`)},
		{inject.BadName, inject.Python, annotated("inject-python", `"true"`)},
		{inject.SeveralInNamespace, inject.Python, annotated("inject-python", `"first"`)},
		{inject.BadName, inject.Auto, annotated("inject", `"auto"`)},
		{inject.SeveralInNamespace, inject.Auto, annotated("inject", `"auto:first"`)},
		{inject.NotSidecarMode, inject.Sidecar, "kubectl get opentelemetrycollectors --all-namespaces # name one of mode sidecar in annotation sidecar.opentelemetry.io/inject"},
		{inject.BadConfiguration, inject.Sidecar, "kubectl edit opentelemetrycollector -n shop all"},
		{inject.ConfigTooLarge, inject.Sidecar, "kubectl edit opentelemetrycollector -n shop all"},
		{inject.PortTaken, inject.Sidecar, "kubectl edit opentelemetrycollector -n shop all"},
		{inject.WindowsPod, inject.Sidecar, ""},
		{inject.NameTaken, inject.Python, "kubectl edit -n shop deployment/cart"},
		{inject.ValueFromElsewhere, inject.Python, "kubectl edit -n shop deployment/cart"},
		{inject.OutOfLimits, inject.Python, "kubectl describe limitrange,resourcequota -n shop"},
		{inject.OverQuota, inject.Python, "kubectl describe limitrange,resourcequota -n shop"},
		{inject.InvalidPod, inject.Python, ""},
		{inject.UnknownLanguage, inject.Unknown, annotated("inject-pyhton", "null")},
		{inject.LanguageOff, inject.ApacheHttpd, "kubectl set env -n observability deployment/opentelemetry-operator-controller-manager ENABLE_APACHE_HTTPD_AUTO_INSTRUMENTATION=true\n" + restart},
		{inject.NoImage, inject.Go, "kubectl edit instrumentation -n shop all"},
		{inject.BadContainers, inject.Python, annotated("python-container-names", `"app"`)},
		{inject.UnknownContainer, inject.Python, annotated("python-container-names", `"app"`)},
		{inject.UnnamedContainers, inject.Nginx, annotated("inject-nginx-container-names", `"app"`)},
		{inject.InitContainer, inject.Go, annotated("container-names", `"app"`)},
		{inject.SeveralContainers, inject.Go, annotated("go-container-names", `"app"`)},
		{inject.OtherAgent, inject.DotNet, annotated("inject-dotnet", `"false"`)},
		{inject.BadPlatform, inject.Python, annotated("otel-python-platform", "null")},
		{inject.BadPlatform, inject.DotNet, annotated("otel-dotnet-auto-runtime", "null")},
		{inject.NoTarget, inject.Go, annotated("otel-go-auto-target-exe", `"/path/of/the/program"`)},
		{inject.ProcessesHidden, inject.Go, `kubectl patch -n shop deployment/cart --type merge -p '{"spec":{"template":{"spec":{"shareProcessNamespace":null}}}}'`},
		{inject.PodSecurity, inject.Go, "kubectl label namespace shop pod-security.kubernetes.io/enforce=privileged --overwrite\n" + restart},
		{inject.Unreached, inject.Python, "signalbox doctor"},
		{inject.LanguageNamed, inject.Auto, ""},
		{inject.NoLanguage, inject.Auto, ""},
		{inject.NoProbe, inject.Auto, "kubectl edit -n observability deployment/opentelemetry-operator-controller-manager"},
		{inject.NoEnvFiles, inject.Auto, "# name the language, as Python:\n" + annotated("inject-python", `"true"`)},
		{inject.CrashGuard, inject.Python, "# to try it again, as after mending what it crashed for:\n" + annotated("crash-guard", `"1"`)},
		{inject.Internal, inject.Python, "kubectl logs -n observability deployment/opentelemetry-operator-controller-manager"},
	} {
		s := cart()
		s.Operator, s.Choices = "observability", []string{"first", "second"}
		if c.reason == inject.UnknownLanguage {
			s.Annotations["instrumentation.opentelemetry.io/inject-pyhton"] = "true"
		}
		delete(left, string(c.reason))
		if got := Of(s, inject.Decision{Kind: c.kind, Reason: c.reason, Source: "shop/all"}); got != c.want {
			t.Errorf("%s of %s: got\n%s\nwant\n%s", c.reason, c.kind, got, c.want)
		}
	}
	// TestMissingResources has them.
	delete(left, string(inject.NoneInNamespace))
	delete(left, string(inject.NotFound))
	if len(left) > 0 {
		t.Errorf("reasons without a case: %v", left)
	}
}

// A resource that is missing is made, by the name that is asked for.
func TestMissingResources(t *testing.T) {
	s := cart()
	got := Of(s, inject.Decision{Kind: inject.Python, Reason: inject.NoneInNamespace})
	want := `kubectl apply -n shop -f - <<'EOF'
apiVersion: opentelemetry.io/v1alpha1
kind: Instrumentation
metadata: {name: default}
spec:
  exporter: {endpoint: "http://otel-collector.opentelemetry-operator-system:4318"}
EOF
kubectl rollout restart -n shop deployment/cart`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	s.Annotations["instrumentation.opentelemetry.io/inject-python"] = "platform/standard"
	got = Of(s, inject.Decision{Kind: inject.Python, Reason: inject.NotFound})
	if !strings.HasPrefix(got, "kubectl apply -n platform -f -") || !strings.Contains(got, "metadata: {name: standard}") {
		t.Errorf("got\n%s\nwant Instrumentation platform/standard", got)
	}
	s.Annotations["sidecar.opentelemetry.io/inject"] = "agent"
	got = Of(s, inject.Decision{Kind: inject.Sidecar, Reason: inject.NotFound})
	if !strings.Contains(got, "kind: OpenTelemetryCollector\nmetadata: {name: agent}\nspec:\n  mode: sidecar") {
		t.Errorf("got\n%s\nwant a collector of mode sidecar", got)
	}
}

// What the namespace asks for is changed there, and workloads that do not let
// themselves be changed are made anew.
func TestWhereItIsWritten(t *testing.T) {
	d := inject.Decision{Kind: inject.Python, Reason: inject.BadName}
	s := cart()
	s.Annotations, s.NamespaceAnnotations = nil, map[string]string{"instrumentation.opentelemetry.io/inject-python": "a/b/c"}
	want := "kubectl annotate namespace shop instrumentation.opentelemetry.io/inject-python=true --overwrite\nkubectl rollout restart -n shop deployment/cart"
	if got := Of(s, d); got != want {
		t.Errorf("of a namespace: got\n%s\nwant\n%s", got, want)
	}
	for kind, want := range map[string]string{
		"CronJob": `kubectl patch -n shop cronjob/cart --type merge -p '{"spec":{"jobTemplate":{"spec":{"template":{"metadata":{"annotations":{"instrumentation.opentelemetry.io/inject-python":"true"}}}}}}}'`,
		"Pod":     "# make it anew with annotation instrumentation.opentelemetry.io/inject-python: \"true\"\nkubectl replace --force -n shop -f MANIFEST",
		"Rollout": "# make the pods of Rollout shop/cart\n# with annotation instrumentation.opentelemetry.io/inject-python: \"true\"",
	} {
		s := cart()
		s.Kind = kind
		if got := Of(s, d); got != want {
			t.Errorf("%s: got\n%s\nwant\n%s", kind, got, want)
		}
	}
	for kind, want := range map[string]string{
		"StatefulSet": "kubectl rollout restart -n shop statefulset/cart",
		"Pod":         "kubectl get pod -n shop cart -o yaml | kubectl replace --force -f -",
		"CronJob":     "kubectl create job -n shop --from=cronjob/cart cart-now # or wait for its next run",
		"Job":         "# a Job does not change: make it anew, by kubectl replace --force -n shop -f with its manifest",
		"ReplicaSet":  "# start the pods of ReplicaSet shop/cart again",
	} {
		s := cart()
		s.Kind = kind
		if got := s.Restart(); got != want {
			t.Errorf("restart of %s: got %s; want %s", kind, got, want)
		}
	}
	s = cart()
	s.Kind, s.Injected = "Pod", true
	if got, want := s.Restart(), "kubectl replace --force -n shop -f MANIFEST # of pod cart"; got != want {
		t.Errorf("restart of a pod with something injected: got %s; want %s", got, want)
	}
}
