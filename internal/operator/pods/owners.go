package pods

import (
	"context"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signalbox-otel/signalbox/internal/inject"
)

const (
	// ownerBudget is how long an admission waits for who owns the owner.
	ownerBudget = 100 * time.Millisecond
	// ownerTimeout is how long the question goes on without it: pods of one
	// owner come together, and the answer serves those that follow.
	ownerTimeout = 5 * time.Second
	// ownerRetry is when a question that failed is asked again.
	ownerRetry = 5 * time.Second
	// ownersKept is how many answers are kept. A ReplicaSet never changes hands.
	ownersKept = 4096
)

// owners knows who owns the owners of pods: the Deployment of a ReplicaSet, the
// CronJob of a Job.
type owners struct {
	live client.Reader
	now  func() time.Time

	mu      sync.Mutex
	answers map[types.UID]*answer
}

// answer is a question that was asked; ref and err are set once done is closed.
type answer struct {
	done chan struct{}
	at   time.Time
	ref  *metav1.OwnerReference
	err  error
}

func newOwners(live client.Reader, now func() time.Time) *owners {
	return &owners{live: live, now: now, answers: map[types.UID]*answer{}}
}

// of are the owners of a pod, nearest first: as many as are known in time.
func (o *owners) of(ctx context.Context, namespace string, pod *corev1.Pod) []inject.Owner {
	ref := metav1.GetControllerOf(pod)
	if ref == nil {
		return nil
	}
	group, err := schema.ParseGroupVersion(ref.APIVersion)
	if err != nil || !(ref.Kind == "ReplicaSet" && group.Group == "apps" || ref.Kind == "Job" && group.Group == "batch") {
		return inject.Owners(pod, nil)
	}
	a := o.ask(namespace, ref)
	ctx, cancel := context.WithTimeout(ctx, ownerBudget)
	defer cancel()
	select {
	case <-a.done:
		return inject.Owners(pod, a.ref)
	case <-ctx.Done():
		return inject.Owners(pod, nil)
	}
}

// ask looks an owner up, once for all that ask.
func (o *owners) ask(namespace string, ref *metav1.OwnerReference) *answer {
	o.mu.Lock()
	defer o.mu.Unlock()
	if a, ok := o.answers[ref.UID]; ok && !o.stale(a) {
		return a
	}
	if len(o.answers) >= ownersKept {
		// Half of them, whichever: those in use come back at the price of a question.
		for uid := range o.answers {
			if delete(o.answers, uid); len(o.answers) <= ownersKept/2 {
				break
			}
		}
	}
	a := &answer{done: make(chan struct{}), at: o.now()}
	o.answers[ref.UID] = a
	go o.look(a, namespace, ref.APIVersion, ref.Kind, ref.Name, ref.UID)
	return a
}

// stale reports whether a question failed and may be asked again.
func (o *owners) stale(a *answer) bool {
	select {
	case <-a.done:
		return a.err != nil && o.now().Sub(a.at) >= ownerRetry
	default:
		return false
	}
}

func (o *owners) look(a *answer, namespace, api, kind, name string, uid types.UID) {
	defer close(a.done)
	ctx, cancel := context.WithTimeout(context.Background(), ownerTimeout)
	defer cancel()
	object := new(metav1.PartialObjectMetadata)
	object.SetGroupVersionKind(schema.FromAPIVersionAndKind(api, kind))
	if a.err = o.live.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, object); a.err != nil {
		return
	}
	if object.UID == uid {
		a.ref = metav1.GetControllerOf(object)
	}
}
