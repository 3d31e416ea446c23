package admission

import (
	"bytes"
	"context"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/clientcmd"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
	"sigs.k8s.io/yaml"

	"github.com/signalbox-otel/signalbox/api/crds"
	"github.com/signalbox-otel/signalbox/api/v1alpha1"
	"github.com/signalbox-otel/signalbox/api/v1beta1"
	"github.com/signalbox-otel/signalbox/e2e/kube/kubetest"
	"github.com/signalbox-otel/signalbox/internal/operator/needs"
	"github.com/signalbox-otel/signalbox/internal/render"
)

// cluster is a real API server that calls our webhooks.
type cluster struct {
	*kubetest.Cluster
	t *testing.T
}

func startCluster(t *testing.T) cluster {
	t.Helper()
	ctrl.SetLogger(logr.Discard())
	c := cluster{kubetest.Light(t, 0), t}
	server := c.serve()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	at := func(path string) *string { return new(server.URL + path) }

	definitions, err := crds.WithConversion(needs.Namespace)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range definitions {
		var crd apiextensionsv1.CustomResourceDefinition
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(d.Object, &crd); err != nil {
			t.Fatal(err)
		}
		if conversion := crd.Spec.Conversion; conversion != nil {
			service := conversion.Webhook.ClientConfig.Service
			conversion.Webhook.ClientConfig = &apiextensionsv1.WebhookClientConfig{URL: at(*service.Path), CABundle: ca}
		}
		c.apply(crd)
	}
	c.Established()
	for _, configuration := range configurations(func(path string) admissionregistrationv1.WebhookClientConfig {
		return admissionregistrationv1.WebhookClientConfig{URL: at(path), CABundle: ca}
	}) {
		c.apply(configuration)
	}
	c.Run("", "create", "namespace", "shop")
	return c
}

// serve serves the webhooks, which ask the cluster.
func (c cluster) serve() *httptest.Server {
	c.t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", c.Kubeconfig)
	if err != nil {
		c.t.Fatal(err)
	}
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme, v1beta1.AddToScheme} {
		if err := add(scheme); err != nil {
			c.t.Fatal(err)
		}
	}
	api, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		c.t.Fatal(err)
	}
	server := webhook.NewServer(webhook.Options{WebhookMux: http.NewServeMux()})
	h := &hooks{
		Config:  Config{Images: images, Facts: func(string) render.Facts { return render.Facts{CollectorImage: "ours:1", RBAC: true} }},
		decoder: admission.NewDecoder(scheme),
		authorizer: newAuthorizer(func(ctx context.Context, r *authorizationv1.SubjectAccessReview) error {
			return api.Create(ctx, r)
		}),
	}
	h.register(server)
	https := httptest.NewTLSServer(server.(*webhook.DefaultServer).WebhookMux())
	c.t.Cleanup(https.Close)
	return https
}

// configurations are the webhook configurations of what is served here.
func configurations(at func(path string) admissionregistrationv1.WebhookClientConfig) []any {
	mutating := admissionregistrationv1.MutatingWebhookConfiguration{}
	mutating.APIVersion, mutating.Kind, mutating.Name = "admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration", needs.MutatingWebhooks
	validating := admissionregistrationv1.ValidatingWebhookConfiguration{}
	validating.APIVersion, validating.Kind, validating.Name = "admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", needs.ValidatingWebhooks
	for _, hook := range needs.Webhooks() {
		rules := []admissionregistrationv1.RuleWithOperations{{
			Operations: hook.Operations,
			Rule:       admissionregistrationv1.Rule{APIGroups: []string{hook.Group}, APIVersions: []string{hook.Version}, Resources: []string{hook.Resource}},
		}}
		switch {
		case hook.Path == needs.PodPath:
		case hook.Mutating:
			mutating.Webhooks = append(mutating.Webhooks, admissionregistrationv1.MutatingWebhook{
				Name: hook.Name, ClientConfig: at(hook.Path), Rules: rules, FailurePolicy: &hook.Policy,
				SideEffects: new(admissionregistrationv1.SideEffectClassNone), AdmissionReviewVersions: []string{"v1"},
			})
		default:
			validating.Webhooks = append(validating.Webhooks, admissionregistrationv1.ValidatingWebhook{
				Name: hook.Name, ClientConfig: at(hook.Path), Rules: rules, FailurePolicy: &hook.Policy,
				SideEffects: new(admissionregistrationv1.SideEffectClassNone), AdmissionReviewVersions: []string{"v1"},
			})
		}
	}
	return []any{mutating, validating}
}

func (c cluster) apply(object any) {
	c.t.Helper()
	text, err := yaml.Marshal(object)
	if err != nil {
		c.t.Fatal(err)
	}
	c.Run(string(text), "create", "-f", "-")
}

// said is what kubectl prints on both its outputs.
func (c cluster) said(stdin string, args ...string) (string, error) {
	cmd := c.Command(c.t.Context(), args...)
	cmd.Stdin = strings.NewReader(stdin)
	var b bytes.Buffer
	cmd.Stdout, cmd.Stderr = &b, &b
	err := cmd.Run()
	return strings.TrimSpace(b.String()), err
}

func (c cluster) with(f func(cluster)) func(*testing.T) {
	return func(t *testing.T) { f(cluster{c.In(t), t}) }
}
