package readiness

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signalbox-otel/signalbox/internal/migrate"
)

var now = metav1.NewTime(time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC))

// deployment wants pods, of which some are there, run the wanted template, and
// are ready.
func deployment(wanted, replicas, updated, ready int32, conditions ...appsv1.DeploymentCondition) *appsv1.Deployment {
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "gateway-collector", Generation: 2},
		Spec:       appsv1.DeploymentSpec{Replicas: &wanted},
		Status:     appsv1.DeploymentStatus{ObservedGeneration: 2, Replicas: replicas, UpdatedReplicas: updated, ReadyReplicas: ready, Conditions: conditions},
	}
}

// pod is one of the wanted configuration that runs, ready, but for what change
// does to it.
func pod(name string, change func(*corev1.Pod, *corev1.ContainerStatus)) corev1.Pod {
	p := corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, CreationTimestamp: now, Labels: map[string]string{appsv1.DefaultDeploymentUniqueLabelKey: "new"}},
		Spec: corev1.PodSpec{NodeName: "node-1", Containers: []corev1.Container{{
			Name: "otc-container", Image: "registry.example/collector:1",
			Resources: corev1.ResourceRequirements{Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("128Mi")}},
		}}},
		Status: corev1.PodStatus{
			Phase:             corev1.PodRunning,
			Conditions:        []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}},
			ContainerStatuses: []corev1.ContainerStatus{{Name: "otc-container", Ready: true, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: now}}}},
		},
	}
	if change != nil {
		p.Status.Conditions[0].Status = corev1.ConditionFalse
		c := &p.Status.ContainerStatuses[0]
		c.Ready, c.State = false, corev1.ContainerState{}
		change(&p, c)
	}
	return p
}

func waiting(reason, message string) func(*corev1.Pod, *corev1.ContainerStatus) {
	return func(p *corev1.Pod, c *corev1.ContainerStatus) {
		p.Status.Phase = corev1.PodPending
		c.State.Waiting = &corev1.ContainerStateWaiting{Reason: reason, Message: message}
	}
}

func crashes(code, restarts int32, reason string) func(*corev1.Pod, *corev1.ContainerStatus) {
	return func(p *corev1.Pod, c *corev1.ContainerStatus) {
		c.RestartCount = restarts
		c.State.Waiting = &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff", Message: "back-off 5m0s restarting failed container"}
		c.LastTerminationState.Terminated = &corev1.ContainerStateTerminated{ExitCode: code, Reason: reason}
	}
}

// evicted is what the kubelet makes of a pod that it has no room for.
func evicted(p *corev1.Pod, c *corev1.ContainerStatus) {
	p.Status.Phase, p.Status.Reason, p.Status.Message = corev1.PodFailed, "Evicted", "The node was low on resource: memory."
	c.State.Terminated = &corev1.ContainerStateTerminated{ExitCode: 137}
}

// lines of conditions, as "Ready=False RollingOut: message".
func lines(conditions []metav1.Condition) map[string]string {
	m := map[string]string{}
	for _, c := range conditions {
		m[c.Type] = string(c.Status) + " " + c.Reason + ": " + c.Message
	}
	return m
}

func TestJudge(t *testing.T) {
	const (
		applied = "True Applied: All objects are as wanted"
		fine    = "False AsExpected: Nothing is wrong"
	)
	look := Look{
		LastLine: func(p *corev1.Pod, c string) string { return "Error: " + p.Name + "/" + c + " has no exporter\n" },
		LastWarning: func(o client.Object) string {
			return `MountVolume.SetUp failed for volume "tls": secret "tls" not found`
		},
	}
	hold := func(text string) map[string]string { // a problem that lasts, before any pod is ready
		reason, message, _ := strings.Cut(text, ": ")
		return map[string]string{
			Ready: "False " + reason + ": 0 of 1 pods are ready: " + message, Applied: applied,
			Progressing: "True RollingOut: 0 of 1 pods are ready", Degraded: "True " + reason + ": " + message,
		}
	}
	for name, test := range map[string]struct {
		state State
		want  map[string]string
		scale string
	}{
		"all ready": {
			State{Workload: deployment(2, 2, 2, 2), Pods: []corev1.Pod{pod("a", nil), pod("b", nil)}},
			map[string]string{Ready: "True Reconciled: Successfully reconciled", Applied: applied, Progressing: "False RolledOut: 2 of 2 pods are ready", Degraded: fine},
			"2/2",
		},
		"scaled to nothing": {
			State{Workload: deployment(0, 0, 0, 0)},
			map[string]string{Ready: "True Reconciled: Successfully reconciled", Applied: applied, Progressing: "False RolledOut: no pods are wanted", Degraded: fine},
			"0/0",
		},
		"not seen by its controller": {
			State{Workload: func() *appsv1.Deployment { d := deployment(1, 1, 1, 1); d.Generation = 3; return d }()},
			map[string]string{Ready: "False RollingOut: the change is not rolled out yet", Applied: applied, Progressing: "True RollingOut: the change is not rolled out yet", Degraded: fine},
			"1/1",
		},
		"old pods serve while new ones start": {
			State{Workload: deployment(2, 3, 1, 2), Pods: []corev1.Pod{pod("new", waiting("PodInitializing", ""))}},
			map[string]string{
				Ready:   "False RollingOut: 2 of 2 pods are ready, 1 run the wanted configuration: pod new is starting",
				Applied: applied, Progressing: "True RollingOut: 2 of 2 pods are ready, 1 run the wanted configuration", Degraded: fine,
			},
			"2/3",
		},
		"a registry that says no": {
			State{Workload: deployment(1, 1, 1, 0), Pods: []corev1.Pod{pod("a", waiting("ErrImagePull", `rpc error: code = NotFound desc = failed to resolve reference "registry.example/collector:1": not found`))}},
			hold(`ImagePullBackOff: pod a: image registry.example/collector:1 of container otc-container cannot be pulled: failed to resolve reference "registry.example/collector:1": not found`),
			"0/1",
		},
		"the same while the kubelet waits": {
			State{Workload: deployment(1, 1, 1, 0), Pods: []corev1.Pod{pod("a", waiting("ImagePullBackOff", `Back-off pulling image "registry.example/collector:1": ErrImagePull: rpc error: code = NotFound desc = failed to resolve reference "registry.example/collector:1": not found`))}},
			hold(`ImagePullBackOff: pod a: image registry.example/collector:1 of container otc-container cannot be pulled: failed to resolve reference "registry.example/collector:1": not found`),
			"0/1",
		},
		"an old kubelet that waits keeps what the registry said": {
			State{
				Workload: deployment(1, 1, 1, 0), Pods: []corev1.Pod{pod("a", waiting("ImagePullBackOff", `Back-off pulling image "registry.example/collector:1"`))},
				Conditions: []metav1.Condition{{Type: Degraded, Status: metav1.ConditionTrue, Reason: imagePull, LastTransitionTime: now, Message: "pod a: image registry.example/collector:1 of container otc-container cannot be pulled: no such host"}},
			},
			hold(`ImagePullBackOff: pod a: image registry.example/collector:1 of container otc-container cannot be pulled: no such host`),
			"0/1",
		},
		"a crash, with its last line": {
			State{Workload: deployment(1, 1, 1, 0), Pods: []corev1.Pod{pod("a", crashes(1, 4, "Error"))}, Look: look},
			hold("CrashLoopBackOff: pod a: container otc-container ended with exit code 1, restarted 4 times: Error: a/otc-container has no exporter"),
			"0/1",
		},
		"a crash between two starts": {
			State{Workload: deployment(1, 1, 1, 0), Pods: []corev1.Pod{pod("a", func(_ *corev1.Pod, c *corev1.ContainerStatus) {
				c.RestartCount = 1
				c.State.Running = &corev1.ContainerStateRunning{StartedAt: now}
				c.LastTerminationState.Terminated = &corev1.ContainerStateTerminated{ExitCode: 2}
			})}},
			hold("CrashLoopBackOff: pod a: container otc-container ended with exit code 2, restarted once"),
			"0/1",
		},
		"out of memory": {
			State{Workload: deployment(1, 1, 1, 0), Pods: []corev1.Pod{pod("a", crashes(137, 2, "OOMKilled"))}, Look: look},
			hold("OOMKilled: pod a: container otc-container was killed because it used more memory than it may (128Mi), restarted 2 times; raise spec.resources.limits.memory"),
			"0/1",
		},
		"a Secret that is not there": {
			State{Workload: deployment(1, 1, 1, 0), Pods: []corev1.Pod{pod("a", waiting("CreateContainerConfigError", `secret "token" not found`))}},
			hold(`CreateContainerConfigError: pod a: container otc-container cannot be made: secret "token" not found`),
			"0/1",
		},
		"a volume that is not there": {
			State{Workload: deployment(1, 1, 1, 0), Pods: []corev1.Pod{pod("a", func(p *corev1.Pod, c *corev1.ContainerStatus) {
				waiting("ContainerCreating", "")(p, c)
				p.Status.StartTime = &metav1.Time{Time: now.Add(-time.Minute)}
			})}, Look: look},
			hold(`ContainerCreating: pod a: the node prepares its volumes and network: MountVolume.SetUp failed for volume "tls": secret "tls" not found`),
			"0/1",
		},
		"no room": {
			State{Workload: deployment(1, 1, 1, 0), Pods: []corev1.Pod{pod("a", func(p *corev1.Pod, _ *corev1.ContainerStatus) {
				p.Status = corev1.PodStatus{Phase: corev1.PodPending, Conditions: []corev1.PodCondition{{
					Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: "Unschedulable", Message: "0/3 nodes are available: 3 Insufficient cpu. no new claims to deallocate, preemption: 0/3 nodes are available: 3 No preemption victims found."}}}
			})}},
			hold("Unschedulable: pod a: no node takes it: 0/3 nodes are available: 3 Insufficient cpu."),
			"0/1",
		},
		"a quota": {
			State{Workload: deployment(1, 0, 0, 0, appsv1.DeploymentCondition{
				Type: appsv1.DeploymentReplicaFailure, Status: corev1.ConditionTrue, Reason: "FailedCreate", Message: `pods "a" is forbidden: exceeded quota: tiny`})},
			map[string]string{
				Ready:   `False FailedCreate: 0 of 1 pods are ready, 0 run the wanted configuration: pods cannot be made: pods "a" is forbidden: exceeded quota: tiny`,
				Applied: applied, Progressing: "True RollingOut: 0 of 1 pods are ready, 0 run the wanted configuration",
				Degraded: `True FailedCreate: pods cannot be made: pods "a" is forbidden: exceeded quota: tiny`,
			},
			"0/0",
		},
		"a probe that does not succeed": {
			State{Workload: deployment(1, 1, 1, 0), Pods: []corev1.Pod{pod("a", func(p *corev1.Pod, c *corev1.ContainerStatus) {
				p.Status.Conditions[0].LastTransitionTime = now
				c.State.Running = &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(now.Add(-time.Hour))}
				c.LastTerminationState.Terminated = &corev1.ContainerStateTerminated{ExitCode: 1}
			})}},
			map[string]string{
				Ready:   "False ContainersNotReady: 0 of 1 pods are ready: pod a: its readiness probe does not succeed: otc-container",
				Applied: applied, Progressing: "True RollingOut: 0 of 1 pods are ready", Degraded: fine,
			},
			"0/1",
		},
		"a probe that has not succeeded for long": {
			State{Workload: deployment(1, 1, 1, 0), Pods: []corev1.Pod{pod("a", func(p *corev1.Pod, c *corev1.ContainerStatus) {
				c.State.Running = &corev1.ContainerStateRunning{StartedAt: now}
				p.Status.Conditions[0].LastTransitionTime = metav1.NewTime(now.Add(-unreadyLimit))
			})}},
			hold("ContainersNotReady: pod a: its readiness probe does not succeed: otc-container"),
			"0/1",
		},
		"a pod that was evicted and replaced": {
			State{Workload: deployment(1, 1, 1, 1), Pods: []corev1.Pod{pod("a", nil), pod("b", evicted)}},
			map[string]string{Ready: "True Reconciled: Successfully reconciled", Applied: applied, Progressing: "False RolledOut: 1 of 1 pods are ready", Degraded: fine},
			"1/1",
		},
		"a pod that was evicted": {
			State{Workload: deployment(1, 1, 1, 0), Pods: []corev1.Pod{pod("b", evicted)}},
			map[string]string{
				Ready:   "False Evicted: 0 of 1 pods are ready: pod b: The node was low on resource: memory.",
				Applied: applied, Progressing: "True RollingOut: 0 of 1 pods are ready", Degraded: fine,
			},
			"0/1",
		},
		"a node that is gone": {
			State{Workload: deployment(1, 1, 1, 0), Pods: []corev1.Pod{pod("a", func(p *corev1.Pod, c *corev1.ContainerStatus) {
				c.Ready, c.State.Running = true, &corev1.ContainerStateRunning{}
				p.Status.Conditions[0].LastTransitionTime = metav1.NewTime(now.Add(-unreadyLimit))
			})}},
			hold("ContainersNotReady: pod a: its containers are ready and the pod is not: node node-1 may be gone"),
			"0/1",
		},
		"a readiness gate": {
			State{Workload: deployment(1, 1, 1, 0), Pods: []corev1.Pod{pod("a", func(p *corev1.Pod, c *corev1.ContainerStatus) {
				c.Ready, c.State.Running = true, &corev1.ContainerStateRunning{}
				p.Status.Conditions[0] = corev1.PodCondition{Type: corev1.PodReady, Status: corev1.ConditionFalse, Reason: "ReadinessGatesNotReady", Message: `the status of pod readiness gate "lb" is not "True", but False`}
			})}},
			hold(`ReadinessGatesNotReady: pod a: the status of pod readiness gate "lb" is not "True", but False`),
			"0/1",
		},
		"too late": {
			State{
				Workload: deployment(1, 1, 1, 0, appsv1.DeploymentCondition{Type: appsv1.DeploymentProgressing, Status: corev1.ConditionFalse, Reason: "ProgressDeadlineExceeded", Message: `ReplicaSet "g-1" has timed out progressing.`}),
			},
			map[string]string{
				Ready:       `False ProgressDeadlineExceeded: 0 of 1 pods are ready: the rollout does not get on: ReplicaSet "g-1" has timed out progressing.`,
				Applied:     applied,
				Progressing: `False ProgressDeadlineExceeded: the rollout does not get on: ReplicaSet "g-1" has timed out progressing.`,
				Degraded:    `True ProgressDeadlineExceeded: the rollout does not get on: ReplicaSet "g-1" has timed out progressing.`,
			},
			"0/1",
		},
		"what fails in pods on their way out does not matter": {
			State{Workload: deployment(1, 2, 1, 0), Pods: []corev1.Pod{pod("old", func(p *corev1.Pod, c *corev1.ContainerStatus) {
				p.Labels[appsv1.DefaultDeploymentUniqueLabelKey] = "old"
				p.CreationTimestamp = metav1.NewTime(now.Add(-time.Hour))
				crashes(1, 9, "Error")(p, c)
			}), pod("new", waiting("PodInitializing", ""))}},
			map[string]string{Ready: "False RollingOut: 0 of 1 pods are ready, 1 are to go: pod new is starting", Applied: applied, Progressing: "True RollingOut: 0 of 1 pods are ready, 1 are to go", Degraded: fine},
			"0/2",
		},
		"nor does it when none is new yet": {
			State{Workload: deployment(1, 1, 0, 0), Pods: []corev1.Pod{pod("old", crashes(1, 9, "Error"))}},
			map[string]string{Ready: "False RollingOut: 0 of 1 pods are ready, 0 run the wanted configuration", Applied: applied, Progressing: "True RollingOut: 0 of 1 pods are ready, 0 run the wanted configuration", Degraded: fine},
			"0/1",
		},
		"a statefulset knows its revision": {
			State{
				Workload: func() *appsv1.StatefulSet {
					s := statefulSet(2, 2, 1, 1, "")
					s.Status.UpdateRevision = "new"
					return s
				}(),
				Pods: []corev1.Pod{pod("a-0", func(p *corev1.Pod, c *corev1.ContainerStatus) {
					p.Labels = map[string]string{appsv1.StatefulSetRevisionLabel: "old"}
					crashes(1, 9, "Error")(p, c)
				})},
			},
			map[string]string{Ready: "False RollingOut: 1 of 2 pods are ready, 1 run the wanted configuration", Applied: applied, Progressing: "True RollingOut: 1 of 2 pods are ready, 1 run the wanted configuration", Degraded: fine},
			"1/2",
		},
		"of several problems the first": {
			State{Workload: deployment(3, 3, 3, 0), Pods: []corev1.Pod{
				pod("a", waiting("ContainerCreating", "")), pod("c", crashes(1, 1, "Error")), pod("b", crashes(1, 1, "Error")),
			}},
			map[string]string{
				Ready:   "False CrashLoopBackOff: 0 of 3 pods are ready: pod b: container otc-container ended with exit code 1, restarted once (and 1 more like it)",
				Applied: applied, Progressing: "True RollingOut: 0 of 3 pods are ready",
				Degraded: "True CrashLoopBackOff: pod b: container otc-container ended with exit code 1, restarted once (and 1 more like it)",
			},
			"0/3",
		},
		"applying failed": {
			State{Err: errors.New("applying Service a: forbidden")},
			map[string]string{
				Ready: "False ReconcileError: applying Service a: forbidden", Applied: "False ReconcileError: applying Service a: forbidden",
				Progressing: "False RolledOut: no pods are wanted", Degraded: "True ReconcileError: applying Service a: forbidden",
			},
			"",
		},
		"a name that somebody else has": {
			State{Err: taken{}},
			map[string]string{
				Ready: "False ReconcileError: Service a is somebody else's", Applied: "False NameTaken: Service a is somebody else's",
				Progressing: "False RolledOut: no pods are wanted", Degraded: "True NameTaken: Service a is somebody else's",
			},
			"",
		},
		"sidecars of an older configuration": {
			State{Injected: Injected{Pods: 5, Stale: 2}},
			map[string]string{
				Ready: "True Reconciled: Successfully reconciled", Applied: applied, Degraded: fine,
				Progressing: "True StaleSidecars: 2 of 5 pods have the sidecar with an older configuration; they get the new one when they are restarted",
			},
			"",
		},
		"findings": {
			State{Workload: deployment(1, 1, 1, 1), Findings: []migrate.Finding{
				{Rule: "logging", Path: []string{"spec", "config", "exporters", "logging"}, New: "debug", Since: "0.111", Why: "it has another name", Severity: migrate.Changed},
				{Rule: "undefined", Path: []string{"spec", "config", "service", "pipelines", "traces"}, Why: "names batch, which nothing configures", Severity: migrate.Error},
			}},
			map[string]string{
				Ready: "True Reconciled: Successfully reconciled", Applied: applied, Progressing: "False RolledOut: 1 of 1 pods are ready",
				Degraded: "True ConfigInvalid: spec::config::service::pipelines::traces: error: names batch, which nothing configures",
				Findings: "True Warnings: spec::config::exporters::logging: changed to debug: it has another name (since 0.111); spec::config::service::pipelines::traces: error: names batch, which nothing configures",
			},
			"1/1",
		},
	} {
		t.Run(name, func(t *testing.T) {
			test.state.Now = now
			got := Judge(test.state)
			if diff := cmp.Diff(test.want, lines(got.Conditions)); diff != "" {
				t.Error("conditions (-want +got):\n" + diff)
			}
			if got.Scale.StatusReplicas != test.scale {
				t.Errorf("got %s; want %s", got.Scale.StatusReplicas, test.scale)
			}
		})
	}
}

// taken is an error with a reason.
type taken struct{}

func (taken) Error() string  { return "Service a is somebody else's" }
func (taken) Reason() string { return "NameTaken" }
