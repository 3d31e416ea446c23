package metrics

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// promtool builds Prometheus' command line client with the module that pins it
// and returns its path. It lies in the user's cache so that it is linked once
// only.
func promtool(t *testing.T) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = t.TempDir()
	}
	bin := filepath.Join(cache, "signalbox", "promtool")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-modfile=tools/promtool/go.mod", "-o", bin, "github.com/prometheus/prometheus/cmd/promtool")
	cmd.Dir = "../.."
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building promtool: %v\n%s", err, out)
	}
	return bin
}

func TestPromtool(t *testing.T) {
	bin := promtool(t)
	db := filled(t)
	_, url := client(t, db)
	at := strconv.FormatInt(now.Unix(), 10)
	before := strconv.FormatInt(now.Add(-time.Minute).Unix(), 10)
	const series = `http_server_requests_total{http_route="/cart", instance="cart-0", job="shop/cart", k8s_pod_name="cart-7d9f", service_version="2.1"}`
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"query", "instant", "--time", at, url, "http_server_requests_total"}, series + " => 70 @[" + at + "]\n"},
		{
			[]string{"query", "range", "--start", before, "--end", at, "--step", "1m", url, "sum(http_server_requests_total)"},
			"{} =>\n10 @[" + before + "]\n70 @[" + at + "]\n",
		},
		{[]string{"query", "series", "--match", "http_server_requests_total", url}, `{__name__="` + strings.Replace(series, "{", `", `, 1) + "\n"},
		{[]string{"query", "labels", url, "job"}, "shop/cart\n"},
		{[]string{"check", "healthy", "--url", url}, "  SUCCESS:  Signalbox metrics are healthy.\n\n"},
		{[]string{"check", "ready", "--url", url}, "  SUCCESS:  Signalbox metrics are ready.\n\n"},
	} {
		out, err := exec.Command(bin, tc.args...).CombinedOutput()
		if err != nil || string(out) != tc.want {
			t.Errorf("promtool %s:\n%s%v; want\n%s", strings.Join(tc.args, " "), out, err, tc.want)
		}
	}
}
