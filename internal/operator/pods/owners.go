package pods

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signalbox-otel/signalbox/internal/inject"
)

// owners knows who owns the owners of pods: the Deployment of a ReplicaSet, the
// CronJob of a Job. A ReplicaSet never changes hands.
type owners struct {
	live  client.Reader
	known questions[types.UID, *metav1.OwnerReference]
}

func newOwners(live client.Reader, now func() time.Time) *owners {
	return &owners{live: live, known: questions[types.UID, *metav1.OwnerReference]{now: now}}
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
	key, kind, uid := client.ObjectKey{Namespace: namespace, Name: ref.Name}, schema.FromAPIVersionAndKind(ref.APIVersion, ref.Kind), ref.UID
	a := o.known.ask(uid, func(ctx context.Context) (*metav1.OwnerReference, error) {
		object := new(metav1.PartialObjectMetadata)
		object.SetGroupVersionKind(kind)
		if err := o.live.Get(ctx, key, object); err != nil || object.UID != uid {
			return nil, err
		}
		return metav1.GetControllerOf(object), nil
	})
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	above, _ := a.within(ctx)
	return inject.Owners(pod, above)
}
