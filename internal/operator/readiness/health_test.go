package readiness

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ago is a time before now.
func ago(d time.Duration) metav1.Time { return metav1.NewTime(now.Add(-d)) }

// crashedAfter is a container that ended a second ago with exit code 1, after having
// run for a while.
func crashedAfter(lasted time.Duration) *corev1.ContainerStateTerminated {
	end := now.Add(-time.Second)
	return &corev1.ContainerStateTerminated{ExitCode: 1, StartedAt: metav1.NewTime(end.Add(-lasted)), FinishedAt: metav1.NewTime(end)}
}

func TestHealthOf(t *testing.T) {
	running := func(since time.Duration) corev1.ContainerState {
		return corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: ago(since)}}
	}
	back := corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: crash}}
	for name, c := range map[string]struct {
		age    time.Duration
		status corev1.ContainerStatus
		want   Health
		how    string
	}{
		"just started":        {time.Second, corev1.ContainerStatus{State: running(time.Second)}, Starting, ""},
		"runs":                {time.Minute, corev1.ContainerStatus{State: running(time.Minute)}, Well, ""},
		"waits for its image": {time.Minute, corev1.ContainerStatus{State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: imagePull}}}, Starting, ""},
		"crashed once": {time.Minute, corev1.ContainerStatus{
			State: running(time.Second), RestartCount: 1, LastTerminationState: corev1.ContainerState{Terminated: crashedAfter(time.Second)},
		}, Starting, ""},
		"crashes": {time.Minute, corev1.ContainerStatus{
			State: running(time.Second), RestartCount: 2, LastTerminationState: corev1.ContainerState{Terminated: crashedAfter(time.Second)},
		}, Crashing, "container app ended with exit code 1, restarted 2 times"},
		"is kept from crashing again": {time.Minute, corev1.ContainerStatus{
			State: back, RestartCount: 1, LastTerminationState: corev1.ContainerState{Terminated: crashedAfter(time.Second)},
		}, Crashing, "container app ended with exit code 1, restarted once"},
		"ends, and should not": {time.Minute, corev1.ContainerStatus{
			State: back, RestartCount: 3, LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{FinishedAt: ago(time.Second)}},
		}, Crashing, "container app ended with exit code 0, restarted 3 times"},
		"crashes slowly": {10 * time.Minute, corev1.ContainerStatus{
			State: running(time.Minute), RestartCount: 4, LastTerminationState: corev1.ContainerState{Terminated: crashedAfter(2 * time.Minute)},
		}, Crashing, "container app ended with exit code 1, restarted 4 times"},
		"recovered": {10 * time.Minute, corev1.ContainerStatus{
			State: running(5 * time.Minute), RestartCount: 4, LastTerminationState: corev1.ContainerState{Terminated: crashedAfter(time.Second)},
		}, Well, ""},
		"ran for days before": {72 * time.Hour, corev1.ContainerStatus{
			State: back, RestartCount: 2, LastTerminationState: corev1.ContainerState{Terminated: crashedAfter(time.Second)},
		}, Well, ""},
	} {
		start := ago(c.age)
		c.status.Name = "app"
		p := &corev1.Pod{Status: corev1.PodStatus{StartTime: &start, ContainerStatuses: []corev1.ContainerStatus{c.status}}}
		if got, how := HealthOf(p, "app", now.Time); got != c.want || how != c.how {
			t.Errorf("%s: got %d %q; want %d %q", name, got, how, c.want, c.how)
		}
	}
	if got, _ := HealthOf(&corev1.Pod{}, "app", now.Time); got != Starting {
		t.Errorf("a pod without status: got %d; want %d", got, Starting)
	}
}

func TestFailure(t *testing.T) {
	terminated := corev1.ContainerState{Terminated: crashedAfter(time.Second)}
	waits := func(reason, message string) corev1.ContainerState {
		return corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}
	}
	for name, c := range map[string]struct {
		age    time.Duration
		phase  corev1.PodPhase
		status corev1.ContainerStatus
		want   string // its beginning
	}{
		"done":                    {time.Minute, corev1.PodRunning, corev1.ContainerStatus{State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{}}}, ""},
		"works":                   {time.Minute, corev1.PodPending, corev1.ContainerStatus{State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: ago(time.Second)}}}, ""},
		"failed once":             {time.Minute, corev1.PodPending, corev1.ContainerStatus{State: terminated}, ""},
		"failed twice":            {time.Minute, corev1.PodPending, corev1.ContainerStatus{State: terminated, RestartCount: 1}, "container copy ended with exit code 1, restarted once"},
		"failed, and the pod did": {time.Minute, corev1.PodFailed, corev1.ContainerStatus{State: terminated}, "container copy ended with exit code 1"},
		"out of memory": {time.Minute, corev1.PodPending, corev1.ContainerStatus{
			State: waits(crash, ""), RestartCount: 2, LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 137, Reason: outOfMem}},
		}, "container copy was killed because it used more memory than it may, restarted 2 times"},
		"image comes":    {time.Second, corev1.PodPending, corev1.ContainerStatus{State: waits("ErrImagePull", "no such host")}, ""},
		"no image":       {time.Minute, corev1.PodPending, corev1.ContainerStatus{State: waits("ErrImagePull", "no such host")}, "image agent:1 of container copy cannot be pulled: no such host"},
		"cannot be made": {time.Minute, corev1.PodPending, corev1.ContainerStatus{State: waits("CreateContainerConfigError", "runs as root")}, "container copy cannot be made: runs as root"},
		"waits its turn": {time.Minute, corev1.PodPending, corev1.ContainerStatus{State: waits("PodInitializing", "")}, ""},
	} {
		start := ago(c.age)
		c.status.Name = "copy"
		p := &corev1.Pod{
			Spec:   corev1.PodSpec{InitContainers: []corev1.Container{{Name: "copy", Image: "agent:1"}}},
			Status: corev1.PodStatus{Phase: c.phase, StartTime: &start, InitContainerStatuses: []corev1.ContainerStatus{c.status}},
		}
		got := Failure(p, []string{"copy"}, now.Time)
		if !strings.HasPrefix(got, c.want) || (got == "") != (c.want == "") {
			t.Errorf("%s: got %q; want %q", name, got, c.want)
		}
		if got := Failure(p, []string{"other"}, now.Time); got != "" {
			t.Errorf("%s: got %q of a container that is not asked about", name, got)
		}
	}
}

func TestBlameFor(t *testing.T) {
	f := func(name string, want Blame, seen ...Witness) {
		t.Helper()
		// Those that crash are among what was seen.
		seen = append(seen, Witness{"new", "python@2", Crashing})
		if got := BlameFor("new", "python@2", seen); got != want {
			t.Errorf("%s: got %d; want %d", name, got, want)
		}
	}
	f("nothing before", Unknown)
	f("one that just starts", Unknown, Witness{"old", "", Starting})
	f("plain ones ran", Injection, Witness{"old", "", Well})
	f("plain ones of the same revision ran", Injection, Witness{"new", "", Well})
	f("an older agent ran", Injection, Witness{"old", "python@1", Well})
	f("the same agent ran", Program, Witness{"old", "python@2", Well})
	f("the same agent ran, and plain ones", Program, Witness{"older", "", Well}, Witness{"old", "python@2", Well})
	f("plain ones crash, too", Program, Witness{"old", "", Crashing})
	f("plain ones crash of late", Injection, Witness{"older", "", Well}, Witness{"old", "", Crashing})
	f("plain ones crashed at first", Injection, Witness{"older", "", Crashing}, Witness{"old", "", Well})
	f("the same agent crashes as well", Unknown, Witness{"old", "python@2", Crashing})
}
