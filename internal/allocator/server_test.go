package allocator

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/signalbox-otel/signalbox/internal/collector/tlstest"
)

// config parses a configuration over the defaults.
func config(t *testing.T, text string) Config {
	t.Helper()
	c := DefaultConfig()
	if err := c.parse([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	c.ListenAddr = "127.0.0.1:0"
	return c
}

// start runs an allocator for these collectors until the test ends and returns
// its URL.
func start(t *testing.T, c Config, collectors ...string) string {
	t.Helper()
	return startWith(t, c, Static(collectors...))
}

func startWith(t *testing.T, c Config, source Source) string {
	t.Helper()
	address, ok := <-listen(t, c, source)
	if !ok {
		t.Fatal("the allocator did not start")
	}
	return "http://" + address.String()
}

// listen runs an allocator until the test ends, and gives the addresses that it
// listens at.
func listen(t *testing.T, c Config, source Source) <-chan net.Addr {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done, listening := make(chan error, 1), make(chan net.Addr, 2)
	go func() {
		err := Run(ctx, Settings{Config: c, Collectors: source, Logger: slog.New(slog.DiscardHandler),
			Listening: func(a net.Addr) { listening <- a }})
		close(listening)
		done <- err
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return listening
}

// get waits until the allocator is ready.
func get(t *testing.T, url string) string {
	t.Helper()
	return getWith(t, http.DefaultClient, url)
}

func getWith(t *testing.T, client *http.Client, url string) string {
	t.Helper()
	for {
		resp, err := client.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode == http.StatusServiceUnavailable {
			continue
		}
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("GET %s: %s: %s", url, resp.Status, body)
		}
		return string(body)
	}
}

// Browsers are shown pages, and looking takes no target from anybody.
func TestPagesForBrowsers(t *testing.T) {
	url := start(t, config(t, served), "a")
	for path, want := range map[string]string{
		"/jobs": "<title>Target allocator", "/jobs/token/targets?collector_id=a": "<title>Job token", "/scrape_configs": "<title>Scrape configs",
	} {
		get(t, url+path)
		r, err := http.NewRequest(http.MethodGet, url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept", "text/html,*/*")
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || !strings.Contains(string(body), want) || strings.Contains(string(body), "hunter") {
			t.Errorf("%s: %v; got %s; want %q and no secret", path, err, body, want)
		}
	}
}

const served = `
config:
  global: {scrape_interval: 7s}
  scrape_configs:
    - job_name: shop/front end
      basic_auth: {username: u, password: hunter2}
      static_configs:
        - targets: [10.0.0.1:80, 10.0.0.2:80, 10.0.0.3:80]
          labels: {zone: z, __meta_x: m}
      relabel_configs:
        - {source_labels: [__address__], regex: 10.0.0.3.*, action: drop}
        - {source_labels: [zone], target_label: job, action: keepequal}
        - {source_labels: [__address__], target_label: __tmp_hash, modulus: 2, action: hashmod}
        - {source_labels: [__tmp_hash, __tmp_disable_sharding], regex: $(SHARD);|.+;.+, action: keep}
    - job_name: token
      bearer_token: hunter3
      static_configs: [{targets: [10.0.0.9:80]}]
`

func TestHTTP(t *testing.T) {
	c := config(t, strings.ReplaceAll(served, "        - {source_labels: [zone], target_label: job, action: keepequal}\n", ""))
	url := start(t, c, "a")
	f := func(path, want string) {
		t.Helper()
		var got, wanted any
		text := get(t, url+path)
		if err := json.Unmarshal([]byte(text), &got); err != nil {
			t.Fatalf("%s: %v in %s", path, err, text)
		}
		if err := json.Unmarshal([]byte(want), &wanted); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(wanted, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
	f("/jobs", `{"shop/front end": {"_link": "/jobs/shop%2Ffront+end/targets"}, "token": {"_link": "/jobs/token/targets"}}`)
	f("/jobs/token/targets", `{"a": {"_link": "/jobs/token/targets?collector_id=a", "targets": [{"targets": ["10.0.0.9:80"], "labels": {}}]}}`)
	f("/jobs/token/targets?collector_id=b", `[]`)
	f("/jobs/none/targets?collector_id=a", `[]`)
	var targets []group
	if err := json.Unmarshal([]byte(get(t, url+"/jobs/shop%2Ffront+end/targets?collector_id=a")), &targets); err != nil {
		t.Fatal(err)
	}
	if len(targets) != 2 {
		t.Errorf("got %v; want two targets, the third was dropped", targets)
	}
	for _, g := range targets {
		if diff := cmp.Diff(map[string]string{"zone": "z", "__meta_x": "m"}, g.Labels); diff != "" {
			t.Errorf("labels of %v (-want +got):\n%s", g.Targets, diff)
		}
	}
	for path, want := range map[string]string{
		"/": "shop/front end", "/debug/jobs": "shop/front end", "/debug/targets": "10.0.0.9:80",
		"/debug/job?job_id=shop%2Ffront+end": "__meta_x=m, zone=z", "/debug/collector?collector_id=a": "10.0.0.1:80",
		"/debug/scrape_configs": "hashmod", "/livez": "", "/readyz": "", "/debug/pprof/": "goroutine",
		"/metrics": `opentelemetry_allocator_targets_per_collector{collector_name="a",strategy="consistent-hashing"} 3`,
	} {
		if got := get(t, url+path); !strings.Contains(got, want) {
			t.Errorf("%s has no %q:\n%s", path, want, got)
		}
	}
}

func TestScrapeConfigs(t *testing.T) {
	c := config(t, served)
	plain := c
	plain.AllowInsecureAuthSecrets = true
	f := func(c Config, password, token string) {
		t.Helper()
		text := get(t, start(t, c, "a")+"/scrape_configs")
		var got map[string]struct {
			ScrapeInterval string `json:"scrape_interval"`
			BasicAuth      struct {
				Password string `json:"password"`
			} `json:"basic_auth"`
			Authorization struct {
				Credentials string `json:"credentials"`
			} `json:"authorization"`
			RelabelConfigs []map[string]any `json:"relabel_configs"`
		}
		if err := json.Unmarshal([]byte(text), &got); err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		shop := got["shop/front end"]
		if shop.ScrapeInterval != "7s" || shop.BasicAuth.Password != password || got["token"].Authorization.Credentials != token {
			t.Errorf("got %s; want interval 7s, password %s, token %s", text, password, token)
		}
		if _, has := shop.RelabelConfigs[1]["regex"]; has {
			t.Errorf("the rule keepequal has a regex, which the receiver refuses: %v", shop.RelabelConfigs[1])
		}
	}
	f(c, "<secret>", "<secret>")
	f(plain, "hunter2", "hunter3")
}

// Over HTTPS secrets are told, to clients with a certificate of the authority.
func TestHTTPS(t *testing.T) {
	certFile, keyFile, pool := tlstest.Certificate(t)
	c := config(t, served)
	c.HTTPS = HTTPS{Enabled: true, ListenAddr: "127.0.0.1:0", CAFilePath: certFile, TLSCertFilePath: certFile, TLSKeyFilePath: keyFile}
	addresses := listen(t, c, Static("a"))
	plain, secure := <-addresses, <-addresses
	if plain == nil || secure == nil {
		t.Fatal("the allocator did not start")
	}
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	client := func(certificates ...tls.Certificate) *http.Client {
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, Certificates: certificates}}
		t.Cleanup(transport.CloseIdleConnections)
		return &http.Client{Transport: transport}
	}
	if got := getWith(t, client(pair), "https://"+secure.String()+"/scrape_configs"); !strings.Contains(got, "hunter2") {
		t.Errorf("a client with a certificate is not told the password: %s", got)
	}
	if resp, err := client().Get("https://" + secure.String() + "/scrape_configs"); err == nil {
		resp.Body.Close()
		t.Error("a client without a certificate got an answer")
	}
	if got := get(t, "http://"+plain.String()+"/scrape_configs"); strings.Contains(got, "hunter") {
		t.Errorf("plain HTTP tells secrets: %s", got)
	}
}
