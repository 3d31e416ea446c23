package operator

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/signalbox-otel/signalbox/internal/operator/needs"
)

const oldCollector = `
apiVersion: opentelemetry.io/v1alpha1
kind: OpenTelemetryCollector
metadata: {name: gateway, namespace: default}
spec:
  config: |
    receivers: {otlp: {protocols: {grpc: {}}}}
    exporters: {debug: {}}
    service: {pipelines: {traces: {receivers: [otlp], exporters: [debug]}}}
`

// The operator starts with nothing but its rights: it makes its certificate, the
// API server trusts it, resources are admitted, converted and worked on.
func TestRun(t *testing.T) {
	c := startLight(t)
	op := c.operator(nil)
	c.run(op)
	c.eventually("health", func() error { return status("http://"+op.HealthAddress()+"/healthz", "") })
	c.install(op.WebhookAddress())
	c.eventually("readiness", func() error { return status("http://"+op.HealthAddress()+"/readyz", "") })

	c.eventually("admission of an old collector", func() error {
		out, err := c.Kubectl(c.ctx, oldCollector, "apply", "-f", "-")
		if err != nil {
			return errors.New(out)
		}
		return nil
	})
	c.kubectl("", "wait", "--for=create", "--timeout=60s", "deployment/gateway-collector")
	c.kubectl("", "rollout", "status", "--timeout=60s", "deployment/gateway-collector")

	metrics := "https://" + op.MetricsAddress() + "/metrics"
	c.kubectl("", "create", "serviceaccount", "reader")
	token := strings.TrimSpace(c.kubectl("", "create", "token", "reader"))
	if err := status(metrics, ""); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("got %v; want 401 for metrics without a token", err)
	}
	if err := status(metrics, token); err == nil || !strings.Contains(err.Error(), "403") {
		t.Errorf("got %v; want 403 for metrics without the right", err)
	}
	c.kubectl("", "create", "clusterrole", needs.MetricsReaderRole, "--verb=get", "--non-resource-url=/metrics")
	c.kubectl("", "create", "serviceaccount", "scraper")
	c.kubectl("", "create", "clusterrolebinding", "scraper", "--clusterrole="+needs.MetricsReaderRole, "--serviceaccount=default:scraper")
	token = strings.TrimSpace(c.kubectl("", "create", "token", "scraper"))
	c.eventually("metrics of the self-test", func() error {
		body, err := get(metrics, token)
		for _, path := range []string{"admission", "conversion"} {
			want := fmt.Sprintf(`signalbox_operator_webhook_reachable{path=%q} 1`, path)
			if err == nil && !strings.Contains(body, want) {
				err = errors.New("no " + want)
			}
		}
		return err
	})
}

// get asks for a page, by whatever certificate.
func get(url, token string) (string, error) {
	request, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	c := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}}
	answer, err := c.Do(request)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", answer.Status, body)
	}
	return string(body), err
}

func status(url, token string) error {
	_, err := get(url, token)
	return err
}
