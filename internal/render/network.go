package render

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
	networkingv1ac "k8s.io/client-go/applyconfigurations/networking/v1"

	"github.com/signalbox-otel/signalbox/api/v1beta1"
)

// network adds what lets others reach the collector, and what keeps them off.
func (c *collector) network() {
	ports := slices.DeleteFunc(joined(c.listed, c.receivers, c.plan), func(p port) bool {
		return p.protocol != corev1.ProtocolTCP // which none of these can forward
	})
	switch c.spec.Ingress.Type {
	case v1beta1.IngressTypeIngress:
		if len(ports) > 0 {
			c.plan.add(c.ingress(ports))
		}
	case v1beta1.IngressTypeRoute:
		if !c.facts.Routes {
			c.plan.warn("no-routes", "this cluster has no routes (route.openshift.io), so none is made", "spec", "ingress", "type")
			break
		}
		for _, p := range ports {
			c.plan.add(c.route(p))
		}
	}
	c.httpRoutes(ports)
	if enabled := c.spec.NetworkPolicy.Enabled; enabled != nil && *enabled {
		object := name("%s-collector-networkpolicy", c.meta.Name)
		c.plan.add(c.networkPolicy(object, c.labels(object, true), c.selector(), c.allPorts()))
	}
}

func (c *collector) ingress(ports []port) Object {
	in := c.spec.Ingress
	backend := func(p port) *networkingv1ac.HTTPIngressPathApplyConfiguration {
		return networkingv1ac.HTTPIngressPath().WithPathType(networkingv1.PathTypePrefix).WithBackend(networkingv1ac.IngressBackend().
			WithService(networkingv1ac.IngressServiceBackend().WithName(c.object()).WithPort(networkingv1ac.ServiceBackendPort().WithName(p.name))))
	}
	spec := networkingv1ac.IngressSpec()
	if in.RuleType == v1beta1.IngressRuleSubdomain {
		for _, p := range ports {
			spec.WithRules(networkingv1ac.IngressRule().WithHost(p.name + "." + in.Hostname).
				WithHTTP(networkingv1ac.HTTPIngressRuleValue().WithPaths(backend(p).WithPath("/"))))
		}
	} else {
		paths := networkingv1ac.HTTPIngressRuleValue()
		for _, p := range ports {
			paths.WithPaths(backend(p).WithPath("/" + p.name))
		}
		rule := networkingv1ac.IngressRule().WithHTTP(paths)
		rule.Host = set(in.Hostname)
		spec.WithRules(rule)
	}
	spec.TLS = as[[]networkingv1ac.IngressTLSApplyConfiguration](in.TLS)
	spec.IngressClassName = in.IngressClassName
	object := name("%s-ingress", c.meta.Name)
	return networkingv1ac.Ingress(object, c.meta.Namespace).WithLabels(c.labels(object, true)).
		WithAnnotations(in.Annotations).WithOwnerReferences(c.references()...).WithSpec(spec)
}

// route is OpenShift's Ingress for one port.
func (c *collector) route(p port) Object {
	object := name("%s-%s-route", p.name, c.meta.Name)
	spec := map[string]any{
		"to":             map[string]any{"kind": "Service", "name": c.object()},
		"port":           map[string]any{"targetPort": p.name},
		"wildcardPolicy": "None",
	}
	if host := c.spec.Ingress.Hostname; host != "" {
		spec["host"] = p.name + "." + host
	}
	switch termination := c.spec.Ingress.Route.Termination; termination {
	case v1beta1.RouteInsecure:
	default:
		spec["tls"] = map[string]any{"termination": termination}
	}
	labels := c.selector()
	delete(labels, v1beta1.LabelPartOf)
	labels[v1beta1.LabelName] = object
	return c.custom("route.openshift.io/v1", "Route", object, labels, c.spec.Ingress.Annotations, spec)
}

// httpRoutes adds a route through a gateway for each port that speaks HTTP.
func (c *collector) httpRoutes(ports []port) {
	h := c.spec.HTTPRoute
	if h == nil || !h.Enabled {
		return
	}
	if !c.facts.HTTPRoutes {
		c.plan.warn("no-gateway", "this cluster has no gateways (gateway.networking.k8s.io), so no HTTPRoute is made", "spec", "httpRoute")
		return
	}
	if h.Gateway == "" {
		c.plan.warn("no-gateway", "no gateway is named, so no HTTPRoute is made", "spec", "httpRoute", "gateway")
		return
	}
	ns := h.GatewayNamespace
	if ns == "" {
		ns = c.meta.Namespace
	}
	for _, p := range ports {
		if p.app == "grpc" || p.app == "h2c" {
			continue
		}
		spec := map[string]any{
			"parentRefs": []any{map[string]any{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": h.Gateway, "namespace": ns}},
			"rules": []any{map[string]any{
				"matches": []any{map[string]any{"path": map[string]any{"type": "PathPrefix", "value": "/" + p.name}}},
				"filters": []any{map[string]any{"type": "URLRewrite", "urlRewrite": map[string]any{
					"path": map[string]any{"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}}}},
				"backendRefs": []any{map[string]any{"name": c.object(), "port": p.number}},
			}},
		}
		if len(h.Hostnames) > 0 {
			spec["hostnames"] = slices.Clone(h.Hostnames)
		}
		object := name("%s-%s-httproute", c.meta.Name, p.name)
		c.plan.add(c.custom("gateway.networking.k8s.io/v1", "HTTPRoute", object, c.labels(object, true), c.annotations(), spec))
	}
}

// networkPolicy lets anybody reach the ports of the pods, and nobody anything
// else.
func (o *owner) networkPolicy(object string, labels, selector map[string]string, ports []port) *networkingv1ac.NetworkPolicyApplyConfiguration {
	spec := networkingv1ac.NetworkPolicySpec().WithPodSelector(metav1ac.LabelSelector().WithMatchLabels(selector)).
		WithPolicyTypes(networkingv1.PolicyTypeIngress)
	if len(ports) > 0 {
		rule := networkingv1ac.NetworkPolicyIngressRule()
		for _, p := range ports {
			open := networkingv1ac.NetworkPolicyPort().WithProtocol(p.protocol)
			open.Port = portRef(p.container())
			rule.WithPorts(open)
		}
		spec.WithIngress(rule)
	}
	return networkingv1ac.NetworkPolicy(object, o.meta.Namespace).WithLabels(labels).
		WithAnnotations(o.annotations()).WithOwnerReferences(o.references()...).WithSpec(spec)
}
