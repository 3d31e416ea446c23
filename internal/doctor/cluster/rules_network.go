package cluster

import (
	"fmt"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// peer is one end of a connection.
type peer struct {
	namespace string
	labels    map[string]string
	ip        string
	// spec resolves names of ports; nil where they have none.
	spec *corev1.PodSpec
}

// connection is what a policy may forbid.
type connection struct {
	from, to peer
	port     int32
	protocol corev1.Protocol
}

// network finds policies that forbid pods to reach where they send to.
func network(p *Picture) []Finding {
	var all []Finding
	told := map[string]bool{}
	for _, u := range p.uses() {
		endpoint, _ := u.endpoint()
		t := targetOf(endpoint, p.Namespace)
		s := p.Services[t.service]
		port := s.port(t.port)
		if port == nil || len(s.Pods) == 0 {
			continue
		}
		pod := &s.Pods[0]
		from := peer{namespace: p.Namespace, labels: u.pod.Labels, spec: &u.pod.Spec}
		c := connection{
			from: from, to: peer{pod.Namespace, pod.Labels, pod.Status.PodIP, &pod.Spec},
			port: targetPort(port, &pod.Spec), protocol: corev1.ProtocolTCP,
		}
		dns := connection{from: from, to: peer{namespace: "kube-system", labels: map[string]string{"k8s-app": "kube-dns"}}, port: 53, protocol: corev1.ProtocolUDP}
		for _, f := range []*Finding{p.forbidden(&u, c, t.service, s.Selector), p.forbidden(&u, dns, types.NamespacedName{}, nil)} {
			if f != nil && !told[f.Fix] {
				told[f.Fix] = true
				all = append(all, *f)
			}
		}
	}
	return all
}

// forbidden tells of policies that do not allow a connection; nil when all do. A
// Service without a name is DNS.
func (p *Picture) forbidden(u *use, c connection, service types.NamespacedName, selector map[string]string) *Finding {
	what := fmt.Sprintf("Service %s at port %d of its pods", service, c.port)
	if service.Name == "" {
		what = "DNS, without which no name is found"
	}
	if by := p.against(c, networkingv1.PolicyTypeEgress); by != "" {
		f := bad(PolicyForbids, u.workload.object(), fmt.Sprintf("NetworkPolicy %s does not let its pods out to %s", by, what), p.letOut(c))
		return &f
	}
	if service.Name == "" {
		return nil
	}
	if by := p.against(c, networkingv1.PolicyTypeIngress); by != "" {
		f := bad(PolicyForbids, u.workload.object(), fmt.Sprintf("NetworkPolicy %s of namespace %s does not let it in to %s", by, c.to.namespace, what), p.letIn(c, service.Name, selector))
		return &f
	}
	return nil
}

// against is a policy of a type that is about the connection where none allows
// it, "" when it is allowed.
func (p *Picture) against(c connection, direction networkingv1.PolicyType) string {
	subject, other := c.from, c.to
	if direction == networkingv1.PolicyTypeIngress {
		subject, other = c.to, c.from
	}
	name := ""
	for i := range p.Policies {
		policy := &p.Policies[i]
		if policy.Namespace != subject.namespace || !slices.Contains(policy.Spec.PolicyTypes, direction) || !selects(&policy.Spec.PodSelector, subject.labels) {
			continue
		}
		name = policy.Name
		if direction == networkingv1.PolicyTypeEgress {
			for _, r := range policy.Spec.Egress {
				if p.opens(r.To, r.Ports, other, policy.Namespace, c) {
					return ""
				}
			}
			continue
		}
		for _, r := range policy.Spec.Ingress {
			if p.opens(r.From, r.Ports, other, policy.Namespace, c) {
				return ""
			}
		}
	}
	return name
}

// opens reports whether a rule of a policy allows a connection with the other end.
func (p *Picture) opens(peers []networkingv1.NetworkPolicyPeer, ports []networkingv1.NetworkPolicyPort, other peer, namespace string, c connection) bool {
	port := len(ports) == 0 || slices.ContainsFunc(ports, func(o networkingv1.NetworkPolicyPort) bool { return c.matches(o) })
	return port && (len(peers) == 0 || slices.ContainsFunc(peers, func(o networkingv1.NetworkPolicyPeer) bool { return p.isPeer(o, other, namespace) }))
}

// matches reports whether the connection goes to a port of a rule.
func (c *connection) matches(o networkingv1.NetworkPolicyPort) bool {
	protocol := corev1.ProtocolTCP
	if o.Protocol != nil {
		protocol = *o.Protocol
	}
	switch {
	case protocol != c.protocol:
		return false
	case o.Port == nil:
		return true
	case o.Port.Type == intstr.String:
		return namedPort(c.to.spec, o.Port.StrVal) == c.port
	case o.EndPort != nil:
		return c.port >= o.Port.IntVal && c.port <= *o.EndPort
	}
	return c.port == o.Port.IntVal
}

// isPeer reports whether a rule is about the other end.
func (p *Picture) isPeer(o networkingv1.NetworkPolicyPeer, other peer, namespace string) bool {
	if o.IPBlock != nil {
		block, err := netip.ParsePrefix(o.IPBlock.CIDR)
		ip, err2 := netip.ParseAddr(other.ip)
		return err == nil && err2 == nil && block.Contains(ip) && !slices.ContainsFunc(o.IPBlock.Except, func(except string) bool {
			out, err := netip.ParsePrefix(except)
			return err == nil && out.Contains(ip)
		})
	}
	if o.NamespaceSelector == nil {
		return other.namespace == namespace && selects(o.PodSelector, other.labels)
	}
	return selects(o.NamespaceSelector, p.Namespaces[other.namespace]) && (o.PodSelector == nil || selects(o.PodSelector, other.labels))
}

func selects(s *metav1.LabelSelector, of map[string]string) bool {
	selector, err := metav1.LabelSelectorAsSelector(s)
	return err == nil && selector.Matches(labels.Set(of))
}

// targetPort is the port of a pod that one of a Service leads to.
func targetPort(p *corev1.ServicePort, spec *corev1.PodSpec) int32 {
	switch {
	case p.TargetPort.Type == intstr.String:
		return namedPort(spec, p.TargetPort.StrVal)
	case p.TargetPort.IntVal != 0:
		return p.TargetPort.IntVal
	}
	return p.Port
}

func namedPort(spec *corev1.PodSpec, name string) int32 {
	if spec == nil {
		return 0
	}
	for _, c := range spec.Containers {
		for _, port := range c.Ports {
			if port.Name == name {
				return port.ContainerPort
			}
		}
	}
	return 0
}

// policy is one that allows something.
func policy(namespace, name string, spec map[string]any) map[string]any {
	return map[string]any{
		"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
		"metadata": map[string]any{"name": name, "namespace": namespace}, "spec": spec,
	}
}

func inNamespace(name string) []any {
	return []any{map[string]any{"namespaceSelector": map[string]any{"matchLabels": map[string]any{"kubernetes.io/metadata.name": name}}}}
}

// letOut lets the pods of the namespace out to where a connection goes.
func (p *Picture) letOut(c connection) string {
	name, to := "signalbox-telemetry", inNamespace(c.to.namespace)
	ports := []any{map[string]any{"port": c.port, "protocol": c.protocol}}
	if c.port == 53 {
		name, ports = "signalbox-dns", append(ports, map[string]any{"port": 53, "protocol": corev1.ProtocolTCP})
	}
	return p.tools.apply(manifest(policy(c.from.namespace, name, map[string]any{
		"podSelector": map[string]any{}, "policyTypes": []string{"Egress"}, "egress": []any{map[string]any{"to": to, "ports": ports}},
	})))
}

// letIn lets the pods of the namespace in to the pods of a Service.
func (p *Picture) letIn(c connection, service string, selector map[string]string) string {
	return p.tools.apply(manifest(policy(c.to.namespace, service+"-from-"+c.from.namespace, map[string]any{
		"podSelector": map[string]any{"matchLabels": selector}, "policyTypes": []string{"Ingress"},
		"ingress": []any{map[string]any{"from": inNamespace(c.from.namespace), "ports": []any{map[string]any{"port": c.port, "protocol": c.protocol}}}},
	})))
}

func networkFine(p *Picture) string {
	if len(p.Policies) == 0 || len(p.uses()) == 0 {
		return ""
	}
	return "no NetworkPolicy forbids what programs send"
}
