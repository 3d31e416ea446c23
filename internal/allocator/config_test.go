package allocator

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestConfig(t *testing.T) {
	t.Setenv("OTELCOL_NAMESPACE", "from-env")
	c := DefaultConfig()
	err := c.parse([]byte(`
allocation_strategy: per-node
allocation_fallback_strategy: consistent-hashing
filter_strategy: ""
collector_not_ready_grace_period: 5s
collector_selector:
  matchlabels: {app.kubernetes.io/component: opentelemetry-collector}
  matchExpressions: [{key: a, operator: Exists}]
https: {enabled: true, listen_addr: ":1"}
config:
  scrape_configs: [{job_name: j}]
`))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
	if c.CollectorNamespace != "from-env" || c.FilterStrategy != "" || c.CollectorNotReadyGracePeriod != 5*time.Second {
		t.Errorf("got %+v", c)
	}
	if diff := cmp.Diff(HTTPS{Enabled: true, ListenAddr: ":1", CAFilePath: "/tls/ca.crt", TLSCertFilePath: "/tls/tls.crt", TLSKeyFilePath: "/tls/tls.key"}, c.HTTPS); diff != "" {
		t.Errorf("https (-want +got):\n%s", diff)
	}
	if s := c.CollectorSelector; s.MatchLabels["app.kubernetes.io/component"] != "opentelemetry-collector" || s.MatchExpressions[0].Operator != "Exists" {
		t.Errorf("collector_selector: got %+v", s)
	}
}

func TestBadConfigs(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		c := DefaultConfig()
		err := c.parse([]byte(text))
		if err == nil {
			err = c.Validate()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v; want %q", text, err, want)
		}
	}
	const job = "\nconfig: {scrape_configs: [{job_name: j}]}"
	f("", "config::scrape_configs: at least one")
	f("allocation_strategi: x"+job, "field allocation_strategi not found")
	f("allocation_strategy: random"+job, `allocation_strategy: got "random"; want consistent-hashing, least-weighted or per-node`)
	f("allocation_fallback_strategy: per-node"+job, "allocation_fallback_strategy")
	f("filter_strategy: x"+job, "filter_strategy")
	f("collector_selector: {labels: {}}"+job, `a selector has no "labels"`)
	f("collector_selector: x"+job, "a selector has matchLabels")
	f("config: {scrape_configs: [{job_name: j}, {job_name: j}]}", "multiple scrape configs with job name")
	f("https: {enabled: true, ca_file_path: ''}"+job, "https: ca_file_path")
	f("collector_not_ready_grace_period: -1s"+job, "must not be negative")
}
