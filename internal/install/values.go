package install

import (
	_ "embed"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
)

// DefaultValues are the values that hold when nothing is said, each with what it
// is for.
//
//go:embed values.yaml
var DefaultValues []byte

// Values are what users say about an installation; values.yaml describes them.
type Values struct {
	Namespace        string                        `json:"namespace"`
	CreateNamespace  bool                          `json:"createNamespace"`
	PodSecurity      string                        `json:"podSecurity"`
	Image            string                        `json:"image"`
	ImagePullPolicy  corev1.PullPolicy             `json:"imagePullPolicy"`
	ImagePullSecrets []corev1.LocalObjectReference `json:"imagePullSecrets"`
	CRDs             bool                          `json:"crds"`
	Operator         Operator                      `json:"operator"`
	Store            Store                         `json:"store"`
	Collector        Collector                     `json:"collector"`
}

// Operator are the values of the operator.
type Operator struct {
	Enabled                 bool                        `json:"enabled"`
	Replicas                int32                       `json:"replicas"`
	WatchNamespaces         []string                    `json:"watchNamespaces"`
	CollectorImage          string                      `json:"collectorImage"`
	TargetAllocatorImage    string                      `json:"targetAllocatorImage"`
	InstrumentationDelivery string                      `json:"instrumentationDelivery"`
	WebhookPort             int32                       `json:"webhookPort"`
	HostNetwork             bool                        `json:"hostNetwork"`
	CertManager             bool                        `json:"certManager"`
	NetworkPolicy           bool                        `json:"networkPolicy"`
	Rules                   []rbacv1.PolicyRule         `json:"rules"`
	Args                    []string                    `json:"args"`
	Env                     []corev1.EnvVar             `json:"env"`
	Resources               corev1.ResourceRequirements `json:"resources"`
	PriorityClassName       string                      `json:"priorityClassName"`
	NodeSelector            map[string]string           `json:"nodeSelector"`
	Tolerations             []corev1.Toleration         `json:"tolerations"`
	Affinity                corev1.Affinity             `json:"affinity"`
}

// Store are the values of the store.
type Store struct {
	Enabled           bool                        `json:"enabled"`
	Persistent        bool                        `json:"persistent"`
	Size              string                      `json:"size"`
	StorageClass      string                      `json:"storageClass"`
	Retention         string                      `json:"retention"`
	RetentionSize     string                      `json:"retentionSize"`
	Args              []string                    `json:"args"`
	Resources         corev1.ResourceRequirements `json:"resources"`
	Service           Service                     `json:"service"`
	NetworkPolicy     bool                        `json:"networkPolicy"`
	PriorityClassName string                      `json:"priorityClassName"`
	NodeSelector      map[string]string           `json:"nodeSelector"`
	Tolerations       []corev1.Toleration         `json:"tolerations"`
	Affinity          corev1.Affinity             `json:"affinity"`
}

// Service are the values of the Service of the page.
type Service struct {
	Type        corev1.ServiceType `json:"type"`
	NodePort    int32              `json:"nodePort"`
	Annotations map[string]string  `json:"annotations"`
}

// Collector are the values of the default collector.
type Collector struct {
	Enabled   bool                        `json:"enabled"`
	Name      string                      `json:"name"`
	Mode      string                      `json:"mode"`
	Replicas  int32                       `json:"replicas"`
	Resources corev1.ResourceRequirements `json:"resources"`
}
