package readiness

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// Health is how a container fares, as far as its crashes tell.
type Health int

const (
	// Starting containers do not run yet, or not for long.
	Starting Health = iota
	// Well containers run, and have for a while.
	Well
	// Crashing containers ended again and again since their pod started.
	Crashing
)

// crashCount is how often a container has to be restarted to count as crashing: the
// first time may be by chance.
const crashCount = 2

// HealthOf is how a container of a pod fares, and of one that crashes, how that
// looks. A container that ran well before its crashes is not crashing by this:
// what is asked is how it starts.
func HealthOf(p *corev1.Pod, container string, now time.Time) (Health, string) {
	c := containerStatus(p, container)
	if c == nil {
		return Starting, ""
	}
	end := lastEnd(c)
	if end == nil {
		if r := c.State.Running; r != nil && now.Sub(r.StartedAt.Time) >= shortest {
			return Well, ""
		}
		return Starting, ""
	}
	if wait, running := settles(c, end, now); running && wait == 0 {
		return Well, ""
	}
	looping := c.State.Waiting != nil && c.State.Waiting.Reason == crash
	if !looping && c.RestartCount < crashCount {
		return Starting, ""
	}
	// Restarts count from the start of the pod: many days with few of them are no
	// crashes at the start.
	if p.Status.StartTime != nil && end.FinishedAt.Sub(p.Status.StartTime.Time) > longest*time.Duration(c.RestartCount+1) {
		return Well, ""
	}
	return Crashing, ending(c, end)
}

// startLimit is how long a container may wait for its image, or for being made,
// until that is a failure.
const startLimit = time.Minute

// Failure says how one of these containers of a pod failed, without which the pod
// does not start; nothing while none did.
func Failure(p *corev1.Pod, containers []string, now time.Time) string {
	for _, name := range containers {
		c := containerStatus(p, name)
		if c == nil {
			continue
		}
		if end := lastEnd(c); end != nil {
			wait, running := settles(c, end, now)
			looping := c.State.Waiting != nil && c.State.Waiting.Reason == crash
			if (!running || wait > 0) && (c.RestartCount > 0 || looping || p.Status.Phase == corev1.PodFailed) {
				return ending(c, end)
			}
			continue
		}
		if t := containerTrouble(p, c, now); t != nil && p.Status.StartTime != nil && now.Sub(p.Status.StartTime.Time) >= startLimit {
			return t.message
		}
	}
	return ""
}

// ending says how a container ended last.
func ending(c *corev1.ContainerStatus, end *corev1.ContainerStateTerminated) string {
	if end.Reason == outOfMem {
		return "container " + c.Name + " was killed because it used more memory than it may" + restarts(c)
	}
	return fmt.Sprintf("container %s ended with exit code %d%s", c.Name, end.ExitCode, restarts(c))
}

func containerStatus(p *corev1.Pod, name string) *corev1.ContainerStatus {
	for _, list := range [][]corev1.ContainerStatus{p.Status.ContainerStatuses, p.Status.InitContainerStatuses} {
		if i := slices.IndexFunc(list, func(c corev1.ContainerStatus) bool { return c.Name == name }); i >= 0 {
			return &list[i]
		}
	}
	return nil
}

// Witness is what was seen of the pods of a workload that are alike: of one
// revision, and with the same injected of one kind.
type Witness struct {
	Revision, Injected string
	Health             Health
}

// Blame is what is to blame for crashes.
type Blame int

const (
	// Unknown: nothing else was seen that ran or crashed.
	Unknown Blame = iota
	// Injection: what is alike but for it runs, or ran.
	Injection
	// Program: what is alike but for the injection crashes as well, or what has the
	// same injected runs.
	Program
)

// BlameFor weighs what is to blame for the crashes of pods of a revision of a
// workload that something was injected into, by what was seen of its other pods.
func BlameFor(revision, injected string, seen []Witness) Blame {
	blame := Unknown
	for _, w := range seen {
		if w.Revision == revision && w.Injected == injected || w.Health == Starting {
			continue
		}
		switch {
		case w.Injected == injected && w.Health == Well:
			return Program
		case w.Injected != injected && w.Health == Well:
			blame = Injection
		case w.Injected != injected:
			blame = cmp.Or(blame, Program)
		}
	}
	return blame
}
