package install

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation"
)

// unprivileged is the first port that any process may listen on.
const unprivileged = 1024

// Validate finds values that no cluster would take, or that do not fit together.
func (v Values) Validate() error {
	var p problems
	p.name("namespace", v.Namespace)
	p.oneOf("podSecurity", v.PodSecurity, "restricted", "baseline", "privileged")
	p.oneOf("imagePullPolicy", string(v.ImagePullPolicy), "Always", "IfNotPresent", "Never")
	v.Operator.validate(&p, v.PodSecurity)
	v.Store.validate(&p)
	v.Collector.validate(&p)
	if v.Collector.Enabled && !v.Operator.Enabled {
		p.add("collector.enabled", "it is the operator that makes collectors; turn on operator.enabled, or this off")
	}
	if v.Collector.Enabled && !v.Store.Enabled {
		p.add("collector.enabled", "it sends to the store; turn on store.enabled, or this off and write a collector of your own")
	}
	return errors.Join(p...)
}

func (o Operator) validate(p *problems, podSecurity string) {
	p.between("operator.replicas", o.Replicas, 1, 10)
	p.between("operator.webhookPort", o.WebhookPort, 1, 65535)
	p.oneOf("operator.instrumentationDelivery", o.InstrumentationDelivery, "copy", "image-volume", "auto")
	for _, namespace := range o.WatchNamespaces {
		p.name("operator.watchNamespaces", namespace)
	}
	if o.HostNetwork && podSecurity != "privileged" {
		p.add("operator.hostNetwork", "namespaces with podSecurity: "+podSecurity+" refuse it; set podSecurity: privileged")
	}
	if o.HostNetwork && o.WebhookPort < unprivileged {
		p.add("operator.webhookPort", fmt.Sprintf("in the network of its node it cannot listen below %d", unprivileged))
	}
}

var (
	age  = regexp.MustCompile(`^[1-9][0-9]*(ms|s|m|h|d|w|y)([0-9]+(ms|s|m|h|d|w|y))*$`)
	size = regexp.MustCompile(`^[1-9][0-9]*([kKMGT]i?B|B|%)?$`)
)

func (s Store) validate(p *problems) {
	if q, err := resource.ParseQuantity(s.Size); err != nil || q.Sign() <= 0 {
		p.add("store.size", fmt.Sprintf("%q is no size; want one as 50Gi", s.Size))
	}
	if !age.MatchString(s.Retention) {
		p.add("store.retention", fmt.Sprintf("%q is no length of time; want one as 36h or 30d", s.Retention))
	}
	if s.RetentionSize != "" && !size.MatchString(s.RetentionSize) {
		p.add("store.retentionSize", fmt.Sprintf("%q is no size; want one as 20GiB or 50%%", s.RetentionSize))
	}
	p.oneOf("store.service.type", string(s.Service.Type), "ClusterIP", "NodePort", "LoadBalancer")
	if s.Service.NodePort != 0 {
		p.between("store.service.nodePort", s.Service.NodePort, 1, 65535)
		if s.Service.Type == corev1.ServiceTypeClusterIP {
			p.add("store.service.nodePort", "it needs store.service.type: NodePort or LoadBalancer")
		}
	}
}

func (c Collector) validate(p *problems) {
	p.name("collector.name", c.Name)
	p.oneOf("collector.mode", c.Mode, "deployment", "daemonset", "statefulset")
	p.between("collector.replicas", c.Replicas, 0, 1000)
}

// problems are what is wrong with values.
type problems []error

func (p *problems) add(path, what string) { *p = append(*p, fmt.Errorf("%s: %s", path, what)) }

func (p *problems) name(path, name string) {
	if why := validation.IsDNS1123Label(name); len(why) > 0 {
		p.add(path, fmt.Sprintf("%q is no name: %s", name, why[0]))
	}
}

func (p *problems) oneOf(path, v string, known ...string) {
	if !slices.Contains(known, v) {
		p.add(path, fmt.Sprintf("got %q; want %s", v, strings.Join(known, ", ")))
	}
}

func (p *problems) between(path string, v, low, high int32) {
	if v < low || v > high {
		p.add(path, fmt.Sprintf("got %d; want %d to %d", v, low, high))
	}
}
