package inject

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/signalbox-otel/signalbox/api/v1beta1"
	"github.com/signalbox-otel/signalbox/internal/render"
)

func TestWish(t *testing.T) {
	f := func(namespace, pod string, want Wish) {
		t.Helper()
		var p corev1.Pod
		ns := metav1.ObjectMeta{Name: "shop"}
		if pod != "" {
			p.Annotations = map[string]string{v1beta1.AnnotationSidecar: pod}
		}
		if namespace != "" {
			ns.Annotations = map[string]string{v1beta1.AnnotationSidecar: namespace}
		}
		if got := SidecarWish(&p, ns); got != want {
			t.Errorf("namespace %q, pod %q: got %+v; want %+v", namespace, pod, got, want)
		}
	}
	named := func(namespace, name string) Wish { return Wish{Namespace: namespace, Name: name} }
	f("", "", Wish{})
	f("", "true", Wish{Only: true})
	f("", "TRUE", Wish{Only: true})
	f("", "False", Wish{Off: true})
	f("", "a", named("shop", "a"))
	f("", "central/a", named("central", "a"))
	f("true", "", Wish{Only: true})
	f("a", "", named("shop", "a"))
	f("false", "", Wish{Off: true})
	f("true", "false", Wish{Off: true})
	f("true", "b", named("shop", "b"))
	f("false", "b", named("shop", "b"))
	f("false", "true", Wish{Only: true})
	f("true", "true", Wish{Only: true})
	f("a", "true", named("shop", "a"))
	f("", "a/b/c", Wish{bad: "a/b/c"})
	f("", "/a", Wish{bad: "/a"})
	f("", "a/", Wish{bad: "a/"})
}

func sidecarCR(namespace, name string) *v1beta1.OpenTelemetryCollector {
	cr := &v1beta1.OpenTelemetryCollector{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	cr.Spec.Mode = v1beta1.ModeSidecar
	return cr
}

// refusal is a pod that asks for a sidecar and does not get it.
type refusal struct {
	annotation string
	pod        func(*corev1.Pod)
	collectors []*v1beta1.OpenTelemetryCollector
	facts      Facts
	want       string
}

func refusals() map[string]refusal {
	plan := func(change func(*render.Sidecar)) Facts {
		return Facts{NativeSidecars: true, Sidecar: func(*v1beta1.OpenTelemetryCollector) (render.Sidecar, error) {
			s := render.Sidecar{Container: corev1.Container{
				Name: render.CollectorContainer, Image: "signalbox:1",
				Ports: []corev1.ContainerPort{{Name: "metrics", ContainerPort: 8888, Protocol: corev1.ProtocolTCP}},
			}, Config: "receivers: {}\n", Own: true, Sum: "1"}
			if change != nil {
				change(&s)
			}
			return s, nil
		}}
	}
	limited := func(memory string) func(*render.Sidecar) {
		return func(s *render.Sidecar) {
			s.Container.Resources.Limits = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse(memory)}
		}
	}
	one := []*v1beta1.OpenTelemetryCollector{sidecarCR("shop", "a")}
	deployment := sidecarCR("shop", "d")
	deployment.Spec.Mode = v1beta1.ModeDeployment
	going := sidecarCR("shop", "a")
	going.DeletionTimestamp = &metav1.Time{}
	return map[string]refusal{
		"none":         {"true", nil, nil, plan(nil), "NoneInNamespace: namespace shop has no OpenTelemetryCollector of mode sidecar: make one, or name one of another namespace in annotation sidecar.opentelemetry.io/inject as NAMESPACE/NAME, and start the pod again"},
		"only another": {"true", nil, []*v1beta1.OpenTelemetryCollector{deployment, sidecarCR("other", "a")}, plan(nil), "NoneInNamespace: "},
		"being deleted": {"a", nil, []*v1beta1.OpenTelemetryCollector{going}, plan(nil),
			"NotFound: annotation sidecar.opentelemetry.io/inject names OpenTelemetryCollector shop/a, which does not exist: make it, and start the pod again"},
		"several": {"true", nil, []*v1beta1.OpenTelemetryCollector{sidecarCR("shop", "b"), sidecarCR("shop", "a")}, plan(nil),
			"SeveralInNamespace: namespace shop has several OpenTelemetryCollectors of mode sidecar (a, b): name one of them in annotation sidecar.opentelemetry.io/inject"},
		"no sidecar": {"d", nil, []*v1beta1.OpenTelemetryCollector{deployment}, plan(nil),
			"NotSidecarMode: OpenTelemetryCollector shop/d is of mode deployment: only those of mode sidecar join pods"},
		"bad name": {"a/b/c", nil, nil, plan(nil), `BadName: annotation sidecar.opentelemetry.io/inject is "a/b/c"; it should be true, false, NAME or NAMESPACE/NAME`},
		"bad configuration": {"a", nil, one, Facts{Sidecar: func(*v1beta1.OpenTelemetryCollector) (render.Sidecar, error) {
			return render.Sidecar{}, errors.New("spec.config has no pipelines")
		}}, "BadConfiguration: spec.config has no pipelines"},
		"too large": {"a", nil, one, plan(func(s *render.Sidecar) { s.Config = strings.Repeat("x", 200_000) }),
			"ConfigTooLarge: the configuration of OpenTelemetryCollector shop/a has 200000 bytes, and a sidecar gets it in a variable of at most 131059"},
		"Windows": {"a", func(p *corev1.Pod) { p.Spec.OS = &corev1.PodOS{Name: corev1.Windows} }, one, plan(nil), "WindowsPod: "},
		"port": {"a", func(p *corev1.Pod) { p.Spec.Containers[0].Ports = []corev1.ContainerPort{{ContainerPort: 8888}} }, one, plan(nil),
			"PortTaken: container app listens at port 8888, and so would the sidecar (its port metrics): change one of them"},
		"volume": {"a", func(p *corev1.Pod) { p.Spec.Volumes = []corev1.Volume{{Name: "v"}} }, one,
			plan(func(s *render.Sidecar) {
				s.Volumes = []corev1.Volume{{Name: "v", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}}
			}), "NameTaken: the pod has a volume v of its own: rename one of them"},
		"init container": {"a", nil, one, plan(func(s *render.Sidecar) { s.InitContainers = []corev1.Container{{Name: "app", Image: "x"}} }),
			"InvalidPod: the pod would not be valid: two containers are named app"},
		"mount": {"a", nil, one, plan(func(s *render.Sidecar) {
			s.Container.VolumeMounts = []corev1.VolumeMount{{Name: "gone", MountPath: "/gone"}}
		}), "InvalidPod: the pod would not be valid: container otc-container: it mounts volume gone, which the pod does not have"},
		"limit range": {"a", nil, one, func() Facts {
			f := plan(limited("2Gi"))
			f.Limits = []corev1.LimitRangeItem{{Type: corev1.LimitTypeContainer, Max: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("1Gi")}}}
			return f
		}(), "OutOfLimits: container otc-container asks for 2Gi of memory, and a LimitRange of the namespace allows 1Gi: lower spec.resources of its resource"},
		"limit range of pods": {"a", nil, one, func() Facts {
			f := plan(limited("2Gi"))
			f.Limits = []corev1.LimitRangeItem{{Type: corev1.LimitTypePod, Max: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("1Gi")}}}
			return f
		}(), "OutOfLimits: a LimitRange of the namespace allows a pod 1Gi of memory, and with what is added it would have 2Gi"},
		"quota": {"a", nil, one, func() Facts {
			f := plan(limited("2Gi"))
			f.Quotas = []corev1.ResourceQuota{{ObjectMeta: metav1.ObjectMeta{Name: "q"}, Status: corev1.ResourceQuotaStatus{
				Hard: corev1.ResourceList{"limits.memory": resource.MustParse("4Gi")}, Used: corev1.ResourceList{"limits.memory": resource.MustParse("3Gi")},
			}}}
			return f
		}(), "OverQuota: ResourceQuota q has 1Gi of limits.memory left; the pod needs 0 of it, and with what would be added 2Gi"},
	}
}

// Every reason has a sentence that says what is so, and leaves the pod alone.
func TestRefusals(t *testing.T) {
	for name, c := range refusals() {
		t.Run(name, func(t *testing.T) {
			p := &corev1.Pod{}
			p.Annotations = map[string]string{v1beta1.AnnotationSidecar: c.annotation}
			p.Spec.Containers = []corev1.Container{{Name: "app", Image: "app"}}
			if c.pod != nil {
				c.pod(p)
			}
			r := AddSidecar(p, metav1.ObjectMeta{Name: "shop"}, c.collectors, c.facts)
			if got := fmt.Sprintf("%s: %s", r.Decision.Reason, r.Decision.Message); !strings.HasPrefix(got, c.want) || r.Decision.Outcome != Refused {
				t.Errorf("got %s %s; want refused %s", r.Decision.Outcome, got, c.want)
			}
			if r.Pod != p {
				t.Error("the pod is another")
			}
		})
	}
}

// A quota that the pod exceeds by itself is not our reason: the API server says
// so.
func TestQuotaExceededAnyhow(t *testing.T) {
	p := &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Resources: corev1.ResourceRequirements{
		Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("2")},
	}}}}}
	more := p.DeepCopy()
	more.Spec.Containers = append(more.Spec.Containers, more.Spec.Containers[0])
	quota := corev1.ResourceQuota{Status: corev1.ResourceQuotaStatus{Hard: corev1.ResourceList{"cpu": resource.MustParse("1")}}}
	if err := withinQuota(p, more, &quota); err != nil {
		t.Errorf("got %v; want nothing", err)
	}
}

func TestTotal(t *testing.T) {
	always := corev1.ContainerRestartPolicyAlways
	container := func(cpu string, policy *corev1.ContainerRestartPolicy) corev1.Container {
		return corev1.Container{RestartPolicy: policy, Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu)}}}
	}
	f := func(want string, init, containers []corev1.Container) {
		t.Helper()
		p := &corev1.Pod{Spec: corev1.PodSpec{InitContainers: init, Containers: containers}}
		if got := total(p, corev1.ResourceCPU, requests); got.String() != want {
			t.Errorf("got %s; want %s", got.String(), want)
		}
	}
	f("3", nil, []corev1.Container{container("1", nil), container("2", nil)})
	f("5", []corev1.Container{container("5", nil)}, []corev1.Container{container("1", nil)})
	f("6", []corev1.Container{container("1", &always), container("5", nil)}, []corev1.Container{container("1", nil)})
	f("4", []corev1.Container{container("2", nil), container("1", &always)}, []corev1.Container{container("3", nil)})
}

func TestOwners(t *testing.T) {
	controller := true
	f := func(kind, name, hash string, above *metav1.OwnerReference, want string) {
		t.Helper()
		p := &corev1.Pod{}
		p.Labels = map[string]string{"pod-template-hash": hash}
		if kind != "" {
			p.OwnerReferences = []metav1.OwnerReference{{Kind: kind, Name: name, UID: "1", Controller: &controller}}
		}
		if got := attributeList(ownerAttributes(Owners(p, above), true)); got != want {
			t.Errorf("%s %s, hash %q: got %s; want %s", kind, name, hash, got, want)
		}
	}
	f("", "", "", nil, "")
	f("ReplicaSet", "cart-6f7d", "6f7d", nil, "k8s.deployment.name=cart,k8s.replicaset.name=cart-6f7d,k8s.replicaset.uid=1")
	f("ReplicaSet", "cart-6f7d", "", nil, "k8s.replicaset.name=cart-6f7d,k8s.replicaset.uid=1")
	f("ReplicaSet", "cart-6f7d", "6f7d", &metav1.OwnerReference{Kind: "Rollout", Name: "cart"}, "k8s.replicaset.name=cart-6f7d,k8s.replicaset.uid=1")
	f("ReplicaSet", "cart-6f7d", "6f7d", &metav1.OwnerReference{Kind: "Deployment", Name: "cart", UID: "2"},
		"k8s.deployment.name=cart,k8s.deployment.uid=2,k8s.replicaset.name=cart-6f7d,k8s.replicaset.uid=1")
	f("Job", "nightly-28", "", &metav1.OwnerReference{Kind: "CronJob", Name: "nightly"}, "k8s.cronjob.name=nightly,k8s.job.name=nightly-28,k8s.job.uid=1")
	f("DaemonSet", "agent", "", nil, "k8s.daemonset.name=agent,k8s.daemonset.uid=1")
}

func TestAttributeText(t *testing.T) {
	for in, want := range map[string]string{
		"plain-1.2_3/x@y:z": "plain-1.2_3/x@y:z",
		"a,b=c;d\\e\"f":     "a%2Cb%3Dc%3Bd%5Ce%22f",
		"100% of $(POD) ü":  "100%25%20of%20%24(POD)%20%C3%BC",
	} {
		if got := attributeText(in); got != want {
			t.Errorf("%q: got %s; want %s", in, got, want)
		}
	}
}

// A patch keeps fields of a pod that our types do not know.
func TestPatchKeepsTheUnknown(t *testing.T) {
	raw := `{"metadata":{"name":"a"},"spec":{"later":1,"initContainers":[{"name":"i","later":2}],"containers":[{"name":"x","later":3,"env":[{"name":"A"}]},{"name":"y","later":4}]}}`
	before := &corev1.Pod{}
	before.Name = "a"
	before.Spec.InitContainers = []corev1.Container{{Name: "i"}}
	before.Spec.Containers = []corev1.Container{{Name: "x", Env: []corev1.EnvVar{{Name: "A"}}}, {Name: "y"}}
	after := before.DeepCopy()
	after.Spec.InitContainers = []corev1.Container{{Name: "first"}, {Name: "i"}, {Name: "last"}}
	after.Spec.Containers[0].Env[0].Value = "b"
	after.Spec.Containers = append(after.Spec.Containers, corev1.Container{Name: "z"})
	patch, err := Patch(before, after)
	if err != nil {
		t.Fatal(err)
	}
	got := string(patched(t, []byte(raw), patch))
	for _, want := range []string{`"later":1`, `"name":"i","later":2`, `"later":3`, `"name":"y","later":4`, `"name":"first"`, `"name":"last"`, `"value":"b"`, `"name":"z"`} {
		if !strings.Contains(got, want) {
			t.Errorf("got %s; want %s in it", got, want)
		}
	}
}
