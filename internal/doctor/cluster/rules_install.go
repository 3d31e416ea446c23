package cluster

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/signalbox-otel/signalbox/api/crds"
	"github.com/signalbox-otel/signalbox/api/v1beta1"
	"github.com/signalbox-otel/signalbox/internal/operator/needs"
)

// wanted are the versions that each definition has to serve. The first is stored.
func wanted() map[string][]string {
	return map[string][]string{
		needs.CollectorCRD:                  {"v1beta1", "v1alpha1"},
		"instrumentations." + v1beta1.Group: {"v1alpha1"},
		"targetallocators." + v1beta1.Group: {"v1alpha1"},
		"opampbridges." + v1beta1.Group:     {"v1alpha1"},
	}
}

// home is the namespace of the operator, or where it would be.
func (p *Picture) home() string {
	if p.Operator != nil {
		return p.Operator.Namespace
	}
	return needs.Namespace
}

// install is the command that installs, or mends what is installed: with the
// values that it has, and others over them.
func (p *Picture) install(values ...string) string {
	words := []string{"signalbox", "install"}
	if home := p.home(); home != needs.Namespace {
		words = append(words, "-n", home)
	}
	var own []string
	if o := p.Operator; o != nil && o.Ours {
		own = append(own, o.Values...)
		if o.Image != "" && o.Image != p.Image {
			words = append(words, "--image", o.Image)
		}
	}
	if p.Store != nil {
		own = append(own, p.Store.Values...)
	}
	for _, v := range own {
		key, _, _ := strings.Cut(v, "=")
		if !slices.ContainsFunc(values, func(o string) bool { return strings.HasPrefix(o, key+"=") }) {
			words = append(words, "--set", v)
		}
	}
	for _, v := range values {
		words = append(words, "--set", v)
	}
	return command(words...) + " | " + p.tools.kubectl("apply", "-f", "-")
}

func definitions(p *Picture) []Finding {
	var all []Finding
	if len(p.Unseen[Definitions]) > 0 {
		return nil
	}
	for _, name := range sortedKeys(wanted()) {
		object, d := "customresourcedefinition/"+name, p.Definitions[name]
		if len(d.Served) == 0 {
			all = append(all, bad(DefinitionMissing, object, "the cluster does not know this kind", p.install()))
			continue
		}
		for _, version := range wanted()[name] {
			if !slices.Contains(d.Served, version) {
				all = append(all, bad(DefinitionOld, object,
					fmt.Sprintf("version %s is not served, as in an old release of opentelemetry-operator, whose definition is left over", version), p.install()))
			}
		}
		service := types.NamespacedName{Namespace: p.home(), Name: crds.WebhookService}
		if name == needs.CollectorCRD && p.Operator != nil && d.Conversion != service && slices.Contains(d.Served, "v1beta1") {
			text := "its versions are converted by Service " + d.Conversion.String() + ", which is not this operator's"
			if d.Conversion.Name == "" {
				text = "nobody converts between its versions"
			}
			all = append(all, bad(ConversionForeign, object, text, p.install()))
		}
	}
	return all
}

func definitionsFine(p *Picture) string {
	return fmt.Sprintf("the cluster knows all %d kinds, in all their versions", len(p.Definitions))
}

func operation(p *Picture) []Finding {
	o := p.Operator
	if o == nil {
		if len(p.Unseen[Operator]) > 0 {
			return nil
		}
		return []Finding{bad(OperatorMissing, "", "there is no operator in the cluster: nothing is made of collectors, and no pod is injected", p.install())}
	}
	object := "deployment/" + o.Name
	var all []Finding
	if !o.Ours {
		all = append(all, odd(OperatorForeign, object, "this operator was not installed by Signalbox, and is maybe opentelemetry-operator; two would fight over the same resources",
			lines(p.tools.kubectl("delete", "-n", o.Namespace, object), p.install())))
	}
	if o.NoSecret && !p.CertManager {
		all = append(all, bad(CertManagerMissing, object,
			fmt.Sprintf("its certificate is to come from cert-manager, in Secret %s, and there is no cert-manager; Signalbox needs none, and makes its own", o.Secret),
			p.withoutCertManager()))
		return all
	}
	if o.Trouble != "" {
		all = append(all, bad(OperatorNotReady, object, "is not ready: "+o.Trouble, p.lookAt(o.Namespace, object, o.Pod)))
	}
	for _, w := range o.Warnings {
		all = append(all, odd(OperatorForeign, object, w, ""))
	}
	return all
}

// withoutCertManager makes the operator's certificates its own.
func (p *Picture) withoutCertManager() string {
	o := p.Operator
	if o.Ours {
		return p.install("operator.certManager=false")
	}
	return lines(p.tools.kubectl("delete", "-n", o.Namespace, "deployment/"+o.Name, "--ignore-not-found"), p.install("operator.certManager=false"))
}

// lookAt shows what a workload waits for; it mends nothing.
func (p *Picture) lookAt(namespace, object, pod string) string {
	if pod != "" {
		object = "pod/" + pod
	}
	return p.tools.kubectl("describe", "-n", namespace, object)
}

func operationFine(p *Picture) string {
	if p.Operator == nil {
		return ""
	}
	return fmt.Sprintf("%s of namespace %s is ready", "deployment/"+p.Operator.Name, p.Operator.Namespace)
}

// object is the webhook configuration, as kubectl names it.
func (h *Hook) object() string { return strings.ToLower(h.Kind) + "/" + h.Configuration }

func webhooks(p *Picture) []Finding {
	var all []Finding
	service := types.NamespacedName{Namespace: p.home(), Name: needs.WebhookService}
	found := map[string]bool{}
	told := map[string]bool{}
	for i := range p.Hooks {
		h := &p.Hooks[i]
		found[h.Configuration] = true
		ours := h.Configuration == needs.MutatingWebhooks || h.Configuration == needs.ValidatingWebhooks
		if ours && h.Service == service && !h.NoService || h.Service.Name == "" || told[h.object()] {
			continue
		}
		told[h.object()] = true
		switch {
		case ours && p.Operator != nil && p.Operator.Ours:
			all = append(all, bad(WebhookMissing, h.object(), fmt.Sprintf("calls Service %s, which is not this operator's, or does not exist", h.Service), p.install()))
		case h.NoService:
			text := "is left over from another operator: Service " + h.Service.String() + " does not exist"
			if h.Blocks {
				text += ", so whatever it is called for is refused"
			}
			all = append(all, bad(WebhookLeftOver, h.object(), text, lines(p.tools.kubectl("delete", h.object()), p.afterLeftOver(ours))))
		case !ours:
			all = append(all, odd(WebhookLeftOver, h.object(), fmt.Sprintf("another operator is called for the same kinds, by Service %s", h.Service), p.tools.kubectl("delete", h.object())))
		}
	}
	if p.Operator != nil && len(p.Unseen[Webhooks]) == 0 {
		for kind, name := range map[string]string{"mutating": needs.MutatingWebhooks, "validating": needs.ValidatingWebhooks} {
			if !found[name] {
				all = append(all, bad(WebhookMissing, kind+"webhookconfiguration/"+name, "does not exist, so the API server does not call the operator", p.install()))
			}
		}
	}
	if len(all) == 0 {
		all = unreachable(p)
	}
	return all
}

// afterLeftOver installs again what had the name of something left over.
func (p *Picture) afterLeftOver(ours bool) string {
	if !ours {
		return ""
	}
	return p.install()
}

// unreachable are the webhooks that the API server called in vain.
func unreachable(p *Picture) []Finding {
	var all []Finding
	for _, path := range p.Paths {
		if path.Problem == "" {
			continue
		}
		f := bad(WebhookUnreachable, "", fmt.Sprintf("the API server does not reach the operator for %s: %s", path.Name, path.Problem), "")
		if p.Operator != nil && p.Operator.Trouble == "" && blocked(path.Problem) {
			f.Fix = p.otherPort()
		}
		all = append(all, f)
	}
	return all
}

// blocked reports whether an error looks like a firewall.
func blocked(problem string) bool {
	return slices.ContainsFunc([]string{"deadline exceeded", "i/o timeout", "Client.Timeout", "no route to host", "connection refused"}, func(s string) bool { return strings.Contains(problem, s) })
}

// otherPort has the operator called at a port that firewalls of private clusters
// let through.
func (p *Picture) otherPort() string {
	for _, port := range []int{10250, 443} {
		if port != p.Operator.Port {
			return p.install("operator.webhookPort=" + strconv.Itoa(port))
		}
	}
	return ""
}

func webhooksFine(p *Picture) string {
	var names []string
	for _, path := range p.Paths {
		names = append(names, path.Name)
	}
	if len(names) == 0 {
		return ""
	}
	text := "the API server reaches the operator, for " + strings.Join(names, " and ")
	if leaf := firstCertificate(p.Certificate.Serving); leaf != nil {
		text += fmt.Sprintf("; its certificate is good until %s", leaf.NotAfter.UTC().Format("2006-01-02 15:04"))
	}
	return text
}

// soon is when a certificate should have been replaced long ago: the operator
// does when a third of 90 days is left.
const soon = 7 * 24 * time.Hour

func certificates(p *Picture) []Finding {
	leaf := firstCertificate(p.Certificate.Serving)
	if p.Operator == nil || leaf == nil {
		return nil
	}
	secret := "secret/" + needs.CertificateSecret
	renew := lines(p.tools.kubectl("delete", "-n", p.home(), secret), p.tools.kubectl("rollout", "restart", "-n", p.home(), "deployment/"+p.Operator.Name))
	switch left := leaf.NotAfter.Sub(p.Now); {
	case left <= 0:
		return []Finding{bad(CertificateOld, secret, "the certificate of the webhooks is expired since "+leaf.NotAfter.UTC().Format("2006-01-02 15:04"), renew)}
	case left < soon:
		return []Finding{odd(CertificateOld, secret, fmt.Sprintf("the certificate of the webhooks expires in %s, and should have been replaced", left.Round(time.Hour)), renew)}
	}
	var all []Finding
	told := map[string]bool{}
	check := func(object string, service types.NamespacedName, bundle []byte) {
		if why := distrust(leaf, bundle, service, p.Now); why != "" && service.Name == needs.WebhookService && !told[object] {
			told[object] = true
			all = append(all, bad(CertificateBad, object, "the API server does not trust the operator: "+why,
				p.tools.kubectl("rollout", "restart", "-n", p.home(), "deployment/"+p.Operator.Name)))
		}
	}
	for i := range p.Hooks {
		check(p.Hooks[i].object(), p.Hooks[i].Service, p.Hooks[i].Bundle)
	}
	d := p.Definitions[needs.CollectorCRD]
	check("customresourcedefinition/"+needs.CollectorCRD, d.Conversion, d.Bundle)
	return all
}

// distrust is why somebody who trusts the bundle does not trust a certificate for
// a Service, "" when he does.
func distrust(leaf *x509.Certificate, bundle []byte, service types.NamespacedName, now time.Time) string {
	if len(bundle) == 0 {
		return "it has no caBundle"
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(bundle) {
		return "its caBundle has no certificate"
	}
	_, err := leaf.Verify(x509.VerifyOptions{Roots: pool, CurrentTime: now, DNSName: service.Name + "." + service.Namespace + ".svc", KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	var unknown x509.UnknownAuthorityError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &unknown):
		return "its caBundle is not of the operator's authority"
	}
	return err.Error()
}

func firstCertificate(text []byte) *x509.Certificate {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil
	}
	return c
}

func rights(p *Picture) []Finding {
	var all []Finding
	if len(p.OperatorLacks) > 0 {
		all = append(all, bad(OperatorRights, "deployment/"+p.Operator.Name, "the operator may not "+sayRules(p.OperatorLacks)+", which it needs", p.install()))
	}
	for _, c := range p.concerned() {
		if len(c.Lacks) == 0 || c.AccountMeta == nil {
			continue
		}
		all = append(all, bad(CollectorRights, p.name("otelcol", c.CR.Namespace, c.CR.Name),
			fmt.Sprintf("its components need what its account %s may not: %s", c.Account, sayRules(c.Lacks)), p.grant(c)))
	}
	return all
}

// grant gives the account of a collector what it lacks.
func (p *Picture) grant(c *Collector) string {
	name := c.CR.Namespace + "-" + c.Account + "-signalbox"
	role := map[string]any{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": map[string]any{"name": name}, "rules": c.Lacks}
	binding := map[string]any{
		"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": map[string]any{"name": name},
		"roleRef":  map[string]any{"apiGroup": rbacv1.GroupName, "kind": "ClusterRole", "name": name},
		"subjects": []any{map[string]any{"kind": "ServiceAccount", "name": c.Account, "namespace": c.CR.Namespace}},
	}
	return p.tools.apply(manifest(role, binding))
}

func rightsFine(p *Picture) string {
	if p.Operator == nil {
		return ""
	}
	return fmt.Sprintf("the operator and %s may do what they need", count(len(p.concerned()), "collector"))
}

// maxSaid is how many resources are named.
const maxSaid = 6

// sayRules puts rules into words: get, list pods, services; get nodes/stats.
func sayRules(rules []rbacv1.PolicyRule) string {
	var order []string
	of := map[string][]string{}
	for _, r := range rules {
		verbs := strings.Join(r.Verbs, ", ")
		if of[verbs] == nil {
			order = append(order, verbs)
		}
		for _, name := range r.Resources {
			if len(r.APIGroups) > 0 && r.APIGroups[0] != "" {
				name += "." + r.APIGroups[0]
			}
			of[verbs] = append(of[verbs], name)
		}
		of[verbs] = append(of[verbs], r.NonResourceURLs...)
	}
	var parts []string
	for _, verbs := range order {
		names := of[verbs]
		if more := len(names) - maxSaid; more > 0 {
			names = append(names[:maxSaid], fmt.Sprintf("and %d more", more))
		}
		parts = append(parts, verbs+" "+strings.Join(names, ", "))
	}
	if more := len(parts) - maxSaid; more > 0 {
		parts = append(parts[:maxSaid], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(parts, "; ")
}
