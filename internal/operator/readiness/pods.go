package readiness

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// Reasons of problems, as the kubelet and the controllers name them.
const (
	imagePull  = "ImagePullBackOff"
	crash      = "CrashLoopBackOff"
	outOfMem   = "OOMKilled"
	creating   = "ContainerCreating"
	notReady   = "ContainersNotReady"
	deadline   = "ProgressDeadlineExceeded"
	failedMake = "FailedCreate"
)

// Ranks of problems: of several, the first is told.
const (
	rankImage = iota
	rankCrash
	rankConfig
	rankRefused
	rankUnschedulable
	rankNotReady
	rankCreating
	rankFailed
)

// trouble is why pods are not ready.
type trouble struct {
	reason, message string
	// lasting says that waiting does not help.
	lasting bool
	rank    int
	pod     *corev1.Pod
	// container is the one that ended, whose last line may say why.
	container string
	// settles is when time decides: a container that ended has run long enough, or
	// one that is not ready for too long.
	settles time.Duration
	// silent says that the kubelet does not repeat why an image was not pulled.
	silent bool
}

// trouble finds the worst problem, nil when all is well, or only young.
func (s *State) trouble(n counts) *trouble {
	if s.Workload == nil {
		return nil
	}
	var worst *trouble
	affected := map[int]int{}
	for _, p := range s.fresh(n) {
		if t := podTrouble(p, s.Now.Time); t != nil {
			affected[t.rank]++
			if worst == nil || cmp.Or(cmp.Compare(t.rank, worst.rank), cmp.Compare(p.Name, worst.pod.Name)) < 0 {
				worst = t
			}
		}
	}
	if n.done() {
		// Without a readiness probe a container that crashes is ready in between.
		if worst != nil && worst.rank == rankCrash {
			s.explain(worst)
			return worst
		}
		return nil
	}
	if w := workloadTrouble(s.Workload); w != nil && (worst == nil || w.rank < worst.rank) {
		return w
	}
	if worst == nil {
		return cmp.Or(s.refused(n), late(s.Workload))
	}
	s.explain(worst)
	if l := late(s.Workload); l != nil {
		worst.lasting = true
		if worst.rank >= rankNotReady {
			worst.reason, worst.message = l.reason, l.message+": "+worst.message
		}
	}
	if more := affected[worst.rank] - 1; more > 0 {
		worst.message += fmt.Sprintf(" (and %d more like it)", more)
	}
	return worst
}

// fresh are the pods of the present template that stay: what is wrong with those
// on their way out does not matter any more.
func (s *State) fresh(n counts) []*corev1.Pod {
	if n.seen && n.updated == 0 {
		return nil
	}
	current := ""
	if w, ok := s.Workload.(*appsv1.StatefulSet); ok {
		current = w.Status.UpdateRevision
	}
	if current == "" && len(s.Pods) > 0 {
		// The others do not say which revision is theirs: the youngest pod is of it.
		youngest := slices.MaxFunc(s.Pods, func(a, b corev1.Pod) int { return a.CreationTimestamp.Compare(b.CreationTimestamp.Time) })
		current = Revision(&youngest)
	}
	var all []*corev1.Pod
	for i := range s.Pods {
		if p := &s.Pods[i]; p.DeletionTimestamp == nil && Revision(p) == current {
			all = append(all, p)
		}
	}
	return all
}

// Revision names the template that a pod was made of; nothing where its
// controller does not say.
func Revision(p *corev1.Pod) string {
	return cmp.Or(p.Labels[appsv1.DefaultDeploymentUniqueLabelKey], p.Labels[appsv1.ControllerRevisionHashLabelKey])
}

// refused is why a workload without conditions of its own makes no pods.
func (s *State) refused(n counts) *trouble {
	if s.Look.LastWarning == nil || !s.short(n) {
		return nil
	}
	if why := s.Look.LastWarning(s.Workload); why != "" {
		return &trouble{reason: failedMake, message: "pods cannot be made: " + why, lasting: true, rank: rankRefused}
	}
	return nil
}

// short reports whether a workload that has no condition to say so may not make
// its pods.
func (s *State) short(n counts) bool {
	_, says := s.Workload.(*appsv1.Deployment)
	return s.Workload != nil && !says && n.seen && len(s.Pods) < int(n.wanted)
}

// explain adds what only the cluster knows.
func (s *State) explain(t *trouble) {
	switch {
	case t.container != "" && s.Look.LastLine != nil:
		if line := strings.TrimSpace(s.Look.LastLine(t.pod, t.container)); line != "" {
			t.message += ": " + bounded(line, 1000)
		}
	case t.rank == rankCreating && s.Look.LastWarning != nil && s.slow(t.pod):
		if why := s.Look.LastWarning(t.pod); why != "" {
			t.message, t.lasting = t.message+": "+why, true
		}
	case t.silent:
		s.recall(t)
	}
}

// patience is how long a node may prepare a pod until events are read for what
// keeps it: most pods are there sooner.
const patience = 10 * time.Second

// slow reports whether a node has been preparing the pod for long.
func (s *State) slow(p *corev1.Pod) bool {
	return p.Status.StartTime != nil && s.Now.Sub(p.Status.StartTime.Time) >= patience
}

// recall keeps the registry's message while the kubelet waits before it asks
// again, and says only that it waits.
func (s *State) recall(t *trouble) {
	for _, c := range s.Conditions {
		if c.Type == Degraded && c.Reason == imagePull && strings.HasPrefix(c.Message, t.message+": ") {
			t.message = c.Message
		}
	}
}

// waits is what pods wait for in a rollout without problems.
func (s *State) waits(n counts) string {
	for _, p := range s.fresh(n) {
		if !podReady(p) {
			return ": pod " + p.Name + " is starting"
		}
	}
	return ""
}

// podTrouble says what is wrong with a pod; nil when it is ready or just starts.
func podTrouble(p *corev1.Pod, now time.Time) *trouble {
	var t *trouble
	if !ended(p) {
		t = containersTrouble(p, now)
	}
	switch {
	case t != nil || podReady(p):
	case p.Status.Phase == corev1.PodFailed:
		// Its controller makes another, and may leave it for people to look at.
		t = &trouble{reason: cmp.Or(p.Status.Reason, "Failed"), message: cmp.Or(p.Status.Message, "the pod has failed"), rank: rankFailed}
	case p.Status.Phase == corev1.PodPending:
		t = pendingTrouble(p)
	case p.Status.Phase == corev1.PodRunning:
		t = unreadyTrouble(p, now)
	}
	if t != nil {
		t.pod, t.message = p, "pod "+p.Name+": "+t.message
	}
	return t
}

// ended reports whether none of a pod's containers runs ever again.
func ended(p *corev1.Pod) bool {
	return p.Status.Phase == corev1.PodFailed || p.Status.Phase == corev1.PodSucceeded
}

func podReady(p *corev1.Pod) bool {
	c := podCondition(p, corev1.PodReady)
	return c != nil && c.Status == corev1.ConditionTrue
}

func podCondition(p *corev1.Pod, typ corev1.PodConditionType) *corev1.PodCondition {
	i := slices.IndexFunc(p.Status.Conditions, func(c corev1.PodCondition) bool { return c.Type == typ })
	if i < 0 {
		return nil
	}
	return &p.Status.Conditions[i]
}

// containersTrouble is that of the first container with one, init containers
// before the others.
func containersTrouble(p *corev1.Pod, now time.Time) *trouble {
	var worst *trouble
	for _, c := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
		if t := containerTrouble(p, &c, now); t != nil && (worst == nil || t.rank < worst.rank) {
			worst = t
		}
	}
	return worst
}

func containerTrouble(p *corev1.Pod, c *corev1.ContainerStatus, now time.Time) *trouble {
	if end := lastEnd(c); end != nil {
		wait, running := settles(c, end, now)
		if !running || wait > 0 {
			t := crashed(p, c, end)
			t.settles = wait
			return t
		}
	}
	w := c.State.Waiting
	if w == nil {
		return nil
	}
	switch w.Reason {
	case "ErrImagePull", imagePull, "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable", "ImageInspectError", "SignatureValidationFailed":
		message, why := fmt.Sprintf("image %s of container %s cannot be pulled", image(p, c), c.Name), pullMessage(w.Message)
		if why != "" {
			message += ": " + why
		}
		return &trouble{reason: imagePull, message: message, lasting: true, rank: rankImage, silent: why == ""}
	case "", "PodInitializing", creating, crash:
		return nil
	}
	// CreateContainerConfigError and the like name the missing Secret or
	// ConfigMap, or what the runtime says.
	return &trouble{reason: w.Reason, message: fmt.Sprintf("container %s cannot be made: %s", c.Name, cmp.Or(w.Message, w.Reason)), lasting: true, rank: rankConfig}
}

// A container that ended badly and runs again counts as mended when it has run
// for shortest, or for twice as long as it did before, longest at most; one that
// had run for longest before, at once. The kubelet forgets crashes likewise.
const shortest, longest = 30 * time.Second, 10 * time.Minute

// settles says how long a container that ended has still to run; running is false
// for one that does not run.
func settles(c *corev1.ContainerStatus, end *corev1.ContainerStateTerminated, now time.Time) (wait time.Duration, running bool) {
	r := c.State.Running
	if r == nil {
		return 0, false
	}
	lasted := end.FinishedAt.Sub(end.StartedAt.Time)
	if lasted >= longest {
		return 0, true
	}
	return max(0, min(max(shortest, 2*lasted), longest)-now.Sub(r.StartedAt.Time)), true
}

// lastEnd is how the container ended last, nil when it did not or ended well, as
// init containers do.
func lastEnd(c *corev1.ContainerStatus) *corev1.ContainerStateTerminated {
	if t := c.State.Terminated; t != nil && t.ExitCode == 0 {
		return nil
	}
	for _, e := range []*corev1.ContainerStateTerminated{c.State.Terminated, c.LastTerminationState.Terminated} {
		if e != nil && e.ExitCode != 0 {
			return e
		}
	}
	if w := c.State.Waiting; w != nil && w.Reason == crash {
		return cmp.Or(c.LastTerminationState.Terminated, &corev1.ContainerStateTerminated{})
	}
	return nil
}

func crashed(p *corev1.Pod, c *corev1.ContainerStatus, e *corev1.ContainerStateTerminated) *trouble {
	t := &trouble{reason: crash, lasting: true, rank: rankCrash, container: c.Name}
	times := restarts(c)
	if e.Reason == outOfMem {
		t.reason, t.container = outOfMem, ""
		t.message = fmt.Sprintf("container %s was killed because it used more memory than it may%s%s; raise spec.resources.limits.memory", c.Name, memoryLimit(p, c.Name), times)
		return t
	}
	t.message = fmt.Sprintf("container %s ended with exit code %d%s", c.Name, e.ExitCode, times)
	if e.Message != "" { // its termination message is the user's own answer
		t.message, t.container = t.message+": "+bounded(strings.TrimSpace(e.Message), 1000), ""
	}
	return t
}

// restarts says how often a container was restarted, as ", restarted once".
func restarts(c *corev1.ContainerStatus) string {
	switch c.RestartCount {
	case 0:
		return ""
	case 1:
		return ", restarted once"
	}
	return fmt.Sprintf(", restarted %d times", c.RestartCount)
}

// memoryLimit is the limit of a container, as " (128Mi)".
func memoryLimit(p *corev1.Pod, container string) string {
	for _, c := range p.Spec.Containers {
		if limit, ok := c.Resources.Limits[corev1.ResourceMemory]; ok && c.Name == container {
			return " (" + limit.String() + ")"
		}
	}
	return ""
}

// image is what the pod asks for; the status may have the resolved name.
func image(p *corev1.Pod, c *corev1.ContainerStatus) string {
	for _, s := range slices.Concat(p.Spec.Containers, p.Spec.InitContainers) {
		if s.Name == c.Name {
			return s.Image
		}
	}
	return c.Image
}

// pullMessage is what the registry said, without what the kubelet puts around it;
// nothing where the kubelet only says that it waits.
func pullMessage(message string) string {
	if rest, ok := strings.CutPrefix(message, "Back-off pulling image "); ok {
		_, message, _ = strings.Cut(rest, ": ")
		_, message, _ = strings.Cut(message, ": ") // ErrImagePull
	}
	if rest, ok := strings.CutPrefix(message, "rpc error: code = "); ok {
		if _, desc, ok := strings.Cut(rest, " desc = "); ok {
			message = desc
		}
	}
	return message
}

func pendingTrouble(p *corev1.Pod) *trouble {
	if c := podCondition(p, corev1.PodScheduled); c != nil && c.Status == corev1.ConditionFalse {
		return &trouble{reason: cmp.Or(c.Reason, "Pending"), message: "no node takes it: " + cmp.Or(why(c.Message), c.Reason), lasting: true, rank: rankUnschedulable}
	}
	if p.Spec.NodeName == "" {
		return nil
	}
	for _, c := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
		if w := c.State.Waiting; w != nil && w.Reason == creating {
			return &trouble{reason: creating, message: "the node prepares its volumes and network", rank: rankCreating}
		}
	}
	return nil
}

// why is what the scheduler says without what it tried besides.
func why(message string) string {
	for _, aside := range []string{" no new claims to deallocate", " preemption: "} {
		message, _, _ = strings.Cut(message, aside)
	}
	return message
}

// unreadyLimit is how long a pod may run without being ready until that is no
// longer its start.
const unreadyLimit = 5 * time.Minute

// unreadyTrouble is that of a pod whose containers run: they do not say that they
// are ready, or the pod waits for something else.
func unreadyTrouble(p *corev1.Pod, now time.Time) *trouble {
	c := podCondition(p, corev1.PodReady)
	if c == nil {
		return nil
	}
	var names []string
	for _, c := range p.Status.ContainerStatuses {
		if !c.Ready && c.State.Running != nil {
			names = append(names, c.Name)
		}
	}
	t := &trouble{reason: notReady, rank: rankNotReady, settles: max(0, unreadyLimit-now.Sub(c.LastTransitionTime.Time))}
	t.lasting = t.settles == 0
	switch {
	case len(names) > 0:
		t.message = "its readiness probe does not succeed: " + strings.Join(names, ", ")
	case c.Message != "":
		t.reason, t.message = cmp.Or(c.Reason, notReady), c.Message
	default:
		t.message = "its containers are ready and the pod is not: node " + p.Spec.NodeName + " may be gone"
	}
	return t
}
