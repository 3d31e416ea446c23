package allocator

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
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

// start runs an allocator until the test ends and returns its URL.
func start(t *testing.T, c Config, collectors ...string) string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done, listening := make(chan error, 1), make(chan net.Addr, 1)
	go func() {
		done <- Run(ctx, Settings{Config: c, Collectors: Static(collectors...), Logger: slog.New(slog.DiscardHandler),
			Listening: func(a net.Addr) { listening <- a }})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	select {
	case a := <-listening:
		return "http://" + a.String()
	case err := <-done:
		done <- err
		t.Fatal(err)
		return ""
	}
}

// get waits until the allocator is ready.
func get(t *testing.T, url string) string {
	t.Helper()
	for {
		resp, err := http.Get(url)
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
		"/": "shop/front end", "/livez": "", "/readyz": "", "/debug/pprof/": "goroutine",
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
