package v1beta1

import networkingv1 "k8s.io/api/networking/v1"

// Ingress makes receivers reachable from outside the cluster.
type Ingress struct {
	// Type is ingress, or route on OpenShift; none if empty.
	Type IngressType `json:"type,omitempty"`
	// RuleType tells the receivers apart by path or by subdomain.
	RuleType IngressRuleType `json:"ruleType,omitempty"`
	// Hostname of the rules.
	Hostname string `json:"hostname,omitempty"`
	// Annotations of the Ingress or the routes.
	Annotations map[string]string `json:"annotations,omitempty"`
	// TLS of the Ingress.
	TLS []networkingv1.IngressTLS `json:"tls,omitempty"`
	// IngressClassName of the Ingress.
	IngressClassName *string `json:"ingressClassName,omitempty"`
	// Route is for type route.
	Route Route `json:"route,omitempty,omitzero"`
}

// IngressType is what makes receivers reachable.
//
// +kubebuilder:validation:Enum=ingress;route
type IngressType string

// The types of ingress.
const (
	IngressTypeIngress IngressType = "ingress"
	IngressTypeRoute   IngressType = "route"
)

// IngressRuleType is how receivers are told apart.
//
// +kubebuilder:validation:Enum=path;subdomain
type IngressRuleType string

// The types of rules.
const (
	IngressRulePath      IngressRuleType = "path"
	IngressRuleSubdomain IngressRuleType = "subdomain"
)

// Route is what OpenShift's routes need besides.
type Route struct {
	// Termination is where TLS ends.
	Termination RouteTermination `json:"termination,omitempty"`
}

// RouteTermination is where TLS ends.
//
// +kubebuilder:validation:Enum=insecure;edge;passthrough;reencrypt
type RouteTermination string

// The terminations of routes.
const (
	RouteInsecure    RouteTermination = "insecure"
	RouteEdge        RouteTermination = "edge"
	RoutePassthrough RouteTermination = "passthrough"
	RouteReencrypt   RouteTermination = "reencrypt"
)

// HTTPRoute makes receivers reachable through a gateway.
type HTTPRoute struct {
	// Enabled makes an HTTPRoute for each port.
	Enabled bool `json:"enabled"`
	// Gateway is the name of the gateway.
	Gateway string `json:"gateway"`
	// GatewayNamespace is the gateway's namespace; the collector's if empty.
	GatewayNamespace string `json:"gatewayNamespace,omitempty"`
	// Hostnames of the routes.
	Hostnames []string `json:"hostnames,omitempty"`
}
