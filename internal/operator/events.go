package operator

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signalbox-otel/signalbox/internal/operator/needs"
)

// events tell users about the operator itself, on its Deployment: there is no
// other object that they would look at. Events about resources are told by who
// works on them.
type events struct {
	client    client.Client
	namespace string
	logger    *slog.Logger

	mu  sync.Mutex
	uid types.UID // of the Deployment, when it was seen
}

// recordTime bounds the telling of an event, which nothing depends on.
const recordTime = 5 * time.Second

// record tells an event; kind is Normal or Warning. Callers tell changes only, so
// that none is told again and again.
func (e *events) record(ctx context.Context, kind, reason, message string) {
	ctx, cancel := context.WithTimeout(ctx, recordTime)
	defer cancel()
	now := metav1.Now()
	event := &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{Namespace: e.namespace, GenerateName: needs.Deployment + "."},
		InvolvedObject: corev1.ObjectReference{
			APIVersion: "apps/v1", Kind: "Deployment", Namespace: e.namespace, Name: needs.Deployment, UID: e.deployment(ctx),
		},
		Type: kind, Reason: reason, Message: strings.ToValidUTF8(message[:min(len(message), 1024)], ""),
		Source: corev1.EventSource{Component: needs.EventSource}, ReportingController: needs.EventSource,
		FirstTimestamp: now, LastTimestamp: now, Count: 1,
	}
	if err := e.client.Create(ctx, event); err != nil {
		e.logger.DebugContext(ctx, "an event was not told", "reason", reason, "error", err)
	}
}

// deployment is the UID by which `kubectl describe` finds events; empty where the
// operator runs outside of the cluster.
func (e *events) deployment(ctx context.Context) types.UID {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.uid == "" {
		d := &appsv1.Deployment{}
		if e.client.Get(ctx, client.ObjectKey{Namespace: e.namespace, Name: needs.Deployment}, d) == nil {
			e.uid = d.UID
		}
	}
	return e.uid
}
