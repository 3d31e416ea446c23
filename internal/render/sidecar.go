package render

import (
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/signalbox-otel/signalbox/api/v1beta1"
)

// CollectorContainer is the name of the collector's container, in its own pods
// and in those that it joins.
const CollectorContainer = "otc-container"

// SidecarConfigVariable holds the configuration of a sidecar: its pod is in a
// namespace that may not have the ConfigMap.
const SidecarConfigVariable = "OTEL_CONFIG"

// Sidecar is what a collector of mode sidecar gives the pods that it joins.
type Sidecar struct {
	// Container without SidecarConfigVariable, which its arguments name, and
	// without what depends on the pod.
	Container corev1.Container
	// InitContainers run before it; Volumes are what they and it mount.
	InitContainers []corev1.Container
	Volumes        []corev1.Volume
	// Config is the configuration as the collector is to read it.
	Config string
	// Own says that the image is the operator's own, which runs as a user that is
	// not root and needs no privilege.
	Own bool
	// Sum is a hash of all of the above: a pod that was given another has an old
	// sidecar.
	Sum string
}

// SidecarOf says what a collector of mode sidecar gives the pods that it joins.
// The resource is not changed.
func SidecarOf(cr *v1beta1.OpenTelemetryCollector, facts Facts) (Sidecar, error) {
	c, err := newCollector(cr, &facts, new(Plan))
	if err != nil {
		return Sidecar{}, fmt.Errorf("rendering OpenTelemetryCollector %s/%s: %w", cr.Namespace, cr.Name, err)
	}
	volumes, mounts := mountedConfigMaps(c.spec.ConfigMaps)
	container := c.container(append(arguments(c.args), "--config=env:"+SidecarConfigVariable))
	s := Sidecar{
		Container: as[corev1.Container](container.WithVolumeMounts(mounts...)),
		Volumes:   as[[]corev1.Volume](volumes),
		Config:    c.text,
		// Another image may be the operator's default too, but then has a program of
		// its own, and a user that nobody knows.
		Own: c.image == facts.CollectorImage && facts.CollectorCommand != nil,
	}
	own := c.spec.DeepCopy()
	s.InitContainers = own.InitContainers
	s.Container.VolumeMounts = append(own.VolumeMounts, s.Container.VolumeMounts...)
	s.Volumes = append(own.Volumes, s.Volumes...)
	all, err := json.Marshal(s)
	if err != nil {
		return Sidecar{}, fmt.Errorf("writing the sidecar of OpenTelemetryCollector %s/%s: %w", cr.Namespace, cr.Name, err)
	}
	s.Sum = hash(string(all))
	return s, nil
}
