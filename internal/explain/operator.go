package explain

import (
	"context"
	"fmt"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signalbox-otel/signalbox/internal/operator/needs"
	"github.com/signalbox-otel/signalbox/internal/operator/pods"
	"github.com/signalbox-otel/signalbox/internal/operator/settings"
)

// Operator is how the operator of the cluster is.
type Operator struct {
	// Deployment of the operator, as namespace/name; "" where none was found.
	Deployment string `json:"deployment,omitempty"`
	Image      string `json:"image,omitempty"`
	// Runs says that a replica of it is available.
	Runs bool `json:"runs"`
	// Message says what is wrong with it, and Fix what to do; "" where nothing is.
	Message string `json:"message,omitempty"`
	Fix     string `json:"fix,omitempty"`
	// Warnings are about its settings: what could not be seen from outside.
	Warnings []string `json:"warnings,omitempty"`
}

// operatorLabel marks the Deployment of the operator, ours and the one whose
// place it takes.
var operatorLabel = client.MatchingLabels{"app.kubernetes.io/name": "opentelemetry-operator"}

// findOperator finds the operator's Deployment and the settings that it has;
// without one, the settings are those of an operator that is told nothing.
func (e *Explainer) findOperator(ctx context.Context, o Options) (*settings.Settings, error) {
	usual := settings.Default(o.Version)
	d, err := e.deployment(ctx, o.OperatorNamespace)
	switch {
	case apierrors.IsForbidden(err):
		e.Operator = Operator{Runs: true, Warnings: []string{"its Deployment may not be read, so its settings are taken to be the usual ones: " + err.Error()}}
		return &usual, nil
	case err != nil:
		return nil, fmt.Errorf("looking for the operator: %w", err)
	case d == nil:
		e.Operator = Operator{Message: "no operator was found in the cluster: nothing is injected into pods that start", Fix: "signalbox install --apply"}
		return &usual, nil
	}
	set, err := settings.Deployed(d, o.Version, func(name, key string) (string, error) {
		var m corev1.ConfigMap
		if err := e.reader.Get(ctx, client.ObjectKey{Namespace: d.Namespace, Name: name}, &m); err != nil {
			return "", err
		}
		text, ok := m.Data[key]
		if !ok {
			return "", fmt.Errorf("ConfigMap %s/%s has no key %s", d.Namespace, name, key)
		}
		return text, nil
	})
	e.Operator = stateOf(d, &set, time.Now())
	if err != nil {
		e.Operator.Warnings = append(e.Operator.Warnings, "its settings are taken to be the usual ones: "+err.Error())
		return &usual, nil
	}
	e.Operator.Warnings = append(e.Operator.Warnings, set.Warnings...)
	if set.CrashGuard {
		if _, err := pods.ReadGuards(ctx, e.reader, set.Namespace); err != nil {
			e.Operator.Warnings = append(e.Operator.Warnings, "it is not known which workloads the crash guard keeps agents off: "+err.Error())
		}
	}
	return &set, nil
}

// deployment is that of the operator, nil where there is none.
func (e *Explainer) deployment(ctx context.Context, namespace string) (*appsv1.Deployment, error) {
	d := new(appsv1.Deployment)
	at := namespace
	if at == "" {
		at = needs.Namespace
	}
	err := e.reader.Get(ctx, client.ObjectKey{Namespace: at, Name: needs.Deployment}, d)
	if err == nil || !apierrors.IsNotFound(err) {
		return d, err
	}
	var all appsv1.DeploymentList
	if err := e.reader.List(ctx, &all, client.InNamespace(namespace), operatorLabel); err != nil {
		return nil, err
	}
	if len(all.Items) == 0 {
		return nil, nil
	}
	// One that runs, where there are several.
	return &slices.SortedFunc(slices.Values(all.Items), func(a, b appsv1.Deployment) int {
		return int(b.Status.AvailableReplicas - a.Status.AvailableReplicas)
	})[0], nil
}

// stateOf says how the operator is.
func stateOf(d *appsv1.Deployment, set *settings.Settings, now time.Time) Operator {
	o := Operator{Deployment: d.Namespace + "/" + d.Name, Runs: d.Status.AvailableReplicas > 0}
	for _, c := range d.Spec.Template.Spec.Containers {
		if c.Name == needs.Container || len(d.Spec.Template.Spec.Containers) == 1 {
			o.Image = c.Image
		}
	}
	wanted := int32(1)
	if d.Spec.Replicas != nil {
		wanted = *d.Spec.Replicas
	}
	switch {
	case wanted == 0:
		o.Message = "the operator is scaled to 0: pods that start get nothing until it runs"
		o.Fix = fmt.Sprintf("kubectl scale -n %s deployment/%s --replicas=1", d.Namespace, d.Name)
	case !o.Runs:
		since := ""
		for _, c := range d.Status.Conditions {
			if c.Type == appsv1.DeploymentAvailable && c.Status != corev1.ConditionTrue {
				since = ", since " + ago(c.LastTransitionTime, now)
			}
		}
		o.Message = fmt.Sprintf("the operator does not run (0 of %d replicas are available%s): pods that start get nothing until it does", wanted, since)
		o.Fix = fmt.Sprintf("kubectl get pods -n %s -l app.kubernetes.io/name=opentelemetry-operator\nsignalbox doctor", d.Namespace)
	case !set.Webhooks.Enabled:
		o.Message = "the operator runs without webhooks (--enable-webhooks=false): nothing is injected into pods"
		o.Fix = fmt.Sprintf("kubectl set env -n %s deployment/%s ENABLE_WEBHOOKS=true", d.Namespace, d.Name)
	}
	return o
}
