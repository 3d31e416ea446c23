package readiness

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signalbox-otel/signalbox/api/v1beta1"
)

func daemonSet(scheduled, updated, ready int32, strategy appsv1.DaemonSetUpdateStrategyType) *appsv1.DaemonSet {
	return &appsv1.DaemonSet{
		Spec:   appsv1.DaemonSetSpec{UpdateStrategy: appsv1.DaemonSetUpdateStrategy{Type: strategy}},
		Status: appsv1.DaemonSetStatus{DesiredNumberScheduled: scheduled, UpdatedNumberScheduled: updated, NumberReady: ready},
	}
}

func statefulSet(wanted, replicas, updated, ready int32, strategy appsv1.StatefulSetUpdateStrategyType) *appsv1.StatefulSet {
	return &appsv1.StatefulSet{
		Spec:   appsv1.StatefulSetSpec{Replicas: &wanted, UpdateStrategy: appsv1.StatefulSetUpdateStrategy{Type: strategy}},
		Status: appsv1.StatefulSetStatus{Replicas: replicas, UpdatedReplicas: updated, ReadyReplicas: ready},
	}
}

func TestWorkloads(t *testing.T) {
	for name, test := range map[string]struct {
		workload client.Object
		ready    string
		scale    string
	}{
		"daemonset":                    {daemonSet(3, 3, 3, appsv1.RollingUpdateDaemonSetStrategyType), "True Reconciled: Successfully reconciled", "3/3"},
		"daemonset that starts":        {daemonSet(3, 3, 1, appsv1.RollingUpdateDaemonSetStrategyType), "False RollingOut: 1 of 3 pods are ready", "1/3"},
		"daemonset for no node":        {daemonSet(0, 0, 0, ""), "True Reconciled: Successfully reconciled", "0/0"},
		"daemonset that people delete": {daemonSet(3, 1, 3, appsv1.OnDeleteDaemonSetStrategyType), "False WaitingForDelete: 3 of 3 pods are ready, 1 run the wanted configuration: the update strategy is OnDelete, so pods are replaced when somebody deletes them", "3/3"},
		"statefulset":                  {statefulSet(2, 2, 2, 2, ""), "True Reconciled: Successfully reconciled", "2/2"},
		"statefulset that shrinks":     {statefulSet(1, 2, 1, 1, ""), "False RollingOut: 1 of 1 pods are ready, 1 are to go", "1/2"},
		"statefulset that is replaced": {statefulSet(2, 2, 1, 1, ""), "False RollingOut: 1 of 2 pods are ready, 1 run the wanted configuration", "1/2"},
		"deployment without replicas":  {&appsv1.Deployment{}, "False RollingOut: 0 of 1 pods are ready, 0 run the wanted configuration", "0/0"},
	} {
		j := Judge(State{Workload: test.workload, Now: now})
		if got := lines(j.Conditions)[Ready]; got != test.ready {
			t.Errorf("%s:\ngot  %s\nwant %s", name, got, test.ready)
		}
		if j.Scale.StatusReplicas != test.scale {
			t.Errorf("%s: got %s; want %s", name, j.Scale.StatusReplicas, test.scale)
		}
	}
}

// A resource is ready when its parts are.
func TestParts(t *testing.T) {
	ready := State{Workload: deployment(1, 1, 1, 1), Now: now}
	for name, test := range map[string]struct {
		part Part
		want map[string]string
	}{
		"ready": {
			Part{Workload: deployment(1, 1, 1, 1)},
			map[string]string{Ready: "True Reconciled: Successfully reconciled", Progressing: "False RolledOut: 1 of 1 pods are ready", Degraded: "False AsExpected: Nothing is wrong"},
		},
		"not there": {
			Part{},
			map[string]string{Ready: "False RollingOut: target allocator: it is not there yet", Progressing: "False RolledOut: 1 of 1 pods are ready", Degraded: "False AsExpected: Nothing is wrong"},
		},
		"starting": {
			Part{Workload: deployment(1, 1, 1, 0)},
			map[string]string{Ready: "False RollingOut: target allocator: 0 of 1 pods are ready", Progressing: "True RollingOut: target allocator: 0 of 1 pods are ready", Degraded: "False AsExpected: Nothing is wrong"},
		},
		"broken": {
			Part{Workload: deployment(1, 1, 1, 0), Pods: []corev1.Pod{pod("a", crashes(1, 2, "Error"))}},
			map[string]string{
				Ready:       "False CrashLoopBackOff: target allocator: 0 of 1 pods are ready: pod a: container otc-container ended with exit code 1, restarted 2 times",
				Progressing: "True RollingOut: target allocator: 0 of 1 pods are ready",
				Degraded:    "True CrashLoopBackOff: target allocator: pod a: container otc-container ended with exit code 1, restarted 2 times",
			},
		},
	} {
		test.part.Name = "target allocator"
		ready.Parts = []Part{test.part}
		got := lines(Judge(ready).Conditions)
		delete(got, Applied)
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	// What is wrong with the resource itself comes first.
	ready.Workload = deployment(1, 1, 1, 0)
	if got, want := lines(Judge(ready).Conditions)[Ready], "False RollingOut: 0 of 1 pods are ready"; got != want {
		t.Errorf("got %s; want %s", got, want)
	}
}

// Statefulsets and daemonsets have no conditions that say why there are no pods.
func TestPodsRefused(t *testing.T) {
	w := statefulSet(1, 0, 0, 0, "")
	why := ""
	look := Look{LastWarning: func(client.Object) string { return why }}
	j := Judge(State{Workload: w, Now: now, Look: look})
	if got, want := lines(j.Conditions)[Degraded], "False AsExpected: Nothing is wrong"; got != want || j.Again == 0 {
		t.Errorf("at first: got %s, again after %s; want %s and again", got, j.Again, want)
	}
	why = `create Pod a-0 in StatefulSet a failed error: pods "a-0" is forbidden: violates PodSecurity "restricted:latest"`
	j = Judge(State{Workload: w, Now: now, Look: look})
	if got, want := lines(j.Conditions)[Degraded], "True FailedCreate: pods cannot be made: "+why; got != want || j.Again != 0 {
		t.Errorf("with an event: got %s, again after %s; want %s", got, j.Again, want)
	}
}

// A node that takes long is asked about, as nothing announces its events.
func TestAgain(t *testing.T) {
	look := Look{LastWarning: func(client.Object) string { return "" }}
	for _, test := range []struct{ age, want time.Duration }{{0, patience}, {patience, time.Minute}} {
		p := pod("a", func(p *corev1.Pod, c *corev1.ContainerStatus) {
			waiting("ContainerCreating", "")(p, c)
			p.Status.StartTime = &metav1.Time{Time: now.Add(-test.age)}
		})
		if got := Judge(State{Workload: deployment(1, 1, 1, 0), Pods: []corev1.Pod{p}, Now: now, Look: look}).Again; got != test.want {
			t.Errorf("a pod that is %s old: again after %s; want %s", test.age, got, test.want)
		}
	}
}

// Without a readiness probe a container that crashes again and again is ready in
// between: it has to stay for a while.
func TestReadyBetweenCrashes(t *testing.T) {
	ago := func(d time.Duration) metav1.Time { return metav1.NewTime(now.Add(-d)) }
	for _, test := range []struct {
		lasted, runs time.Duration
		ready        string
		again        time.Duration
	}{
		{2 * time.Second, 5 * time.Second, "False CrashLoopBackOff", 25 * time.Second},
		{2 * time.Second, 30 * time.Second, "True Reconciled", 0},
		{time.Minute, 30 * time.Second, "False CrashLoopBackOff", 90 * time.Second},
		{9 * time.Minute, 5 * time.Minute, "False CrashLoopBackOff", 5 * time.Minute},
		{time.Hour, time.Second, "True Reconciled", 0},
	} {
		p := pod("a", nil)
		c := &p.Status.ContainerStatuses[0]
		c.State.Running.StartedAt, c.RestartCount = ago(test.runs), 1
		c.LastTerminationState.Terminated = &corev1.ContainerStateTerminated{ExitCode: 1, StartedAt: ago(test.runs + test.lasted), FinishedAt: ago(test.runs)}
		j := Judge(State{Workload: deployment(1, 1, 1, 1), Pods: []corev1.Pod{p}, Now: now})
		got, _, _ := strings.Cut(lines(j.Conditions)[Ready], ":")
		if got != test.ready || j.Again != test.again {
			t.Errorf("after a run of %s one of %s: got %s, again after %s; want %s, %s", test.lasted, test.runs, got, j.Again, test.ready, test.again)
		}
	}
}

// An init container that has succeeded after all is no problem.
func TestInitContainer(t *testing.T) {
	p := pod("a", func(p *corev1.Pod, c *corev1.ContainerStatus) {
		waiting("PodInitializing", "")(p, c)
		p.Status.InitContainerStatuses = []corev1.ContainerStatus{{
			Name: "copy", Ready: true, RestartCount: 1,
			State:                corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{}},
			LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 1}},
		}}
	})
	got := lines(Judge(State{Workload: deployment(1, 1, 1, 0), Pods: []corev1.Pod{p}, Now: now}).Conditions)[Ready]
	if want := "False RollingOut: 0 of 1 pods are ready: pod a is starting"; got != want {
		t.Errorf("got %s; want %s", got, want)
	}
}

// The time of a condition is when its status changed, not its message; and
// judging the same again changes nothing at all.
func TestTimes(t *testing.T) {
	at := func(minutes int) metav1.Time { return metav1.NewTime(now.Add(time.Duration(minutes) * time.Minute)) }
	times := func(conditions []metav1.Condition) map[string]metav1.Time {
		m := map[string]metav1.Time{}
		for _, c := range conditions {
			m[c.Type] = c.LastTransitionTime
		}
		return m
	}
	starting := State{Generation: 1, Workload: deployment(2, 2, 2, 0), Now: at(0)}
	first := Judge(starting).Conditions

	more := State{Generation: 1, Conditions: first, Workload: deployment(2, 2, 2, 1), Now: at(1)}
	second := Judge(more).Conditions
	want := map[string]metav1.Time{Ready: at(0), Applied: at(0), Progressing: at(0), Degraded: at(0)}
	if diff := cmp.Diff(want, times(second)); diff != "" {
		t.Error("another message (-want +got):\n" + diff)
	}

	done := State{Generation: 1, Conditions: second, Workload: deployment(2, 2, 2, 2), Now: at(2)}
	third := Judge(done).Conditions
	want[Ready], want[Progressing] = at(2), at(2)
	if diff := cmp.Diff(want, times(third)); diff != "" {
		t.Error("another status (-want +got):\n" + diff)
	}

	done.Conditions, done.Now = third, at(3)
	if diff := cmp.Diff(third, Judge(done).Conditions); diff != "" {
		t.Error("the same again (-want +got):\n" + diff)
	}
	if diff := cmp.Diff(first, Judge(starting).Conditions); diff != "" {
		t.Error("the conditions that were given were changed:\n" + diff)
	}
}

func TestCountInjected(t *testing.T) {
	with := func(hash string) metav1.PartialObjectMetadata {
		return metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{v1beta1.AnnotationSidecarHash: hash}}}
	}
	ends := with("old")
	ends.DeletionTimestamp = &now
	got := CountInjected([]metav1.PartialObjectMetadata{with("new"), with("old"), {}, ends}, "new")
	if want := (Injected{Pods: 3, Stale: 2}); got != want {
		t.Errorf("got %+v; want %+v", got, want)
	}
}

func TestLongMessages(t *testing.T) {
	long := make([]rune, maxMessage)
	for i := range long {
		long[i] = 'é'
	}
	got := Set(nil, metav1.Condition{Type: Ready, Message: string(long)})[0].Message
	if len(got) > maxMessage || got[len(got)-len("…"):] != "…" {
		t.Errorf("got %d bytes; want at most %d", len(got), maxMessage)
	}
}
