package clients

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// openCensusChain is what OpenCensus was deployed as: an agent that programs send
// to, and a gateway that agents send to. Here both are one process, and the
// gateway keeps what comes.
const openCensusChain = `
receivers:
  opencensus/agent:
    endpoint: 127.0.0.1:%[1]s
  opencensus/gateway:
    endpoint: 127.0.0.1:%[2]s
exporters:
  opencensus:
    endpoint: 127.0.0.1:%[2]s
    insecure: true
service:
  pipelines:
    traces/agent: {receivers: [opencensus/agent], exporters: [opencensus]}
    metrics/agent: {receivers: [opencensus/agent], exporters: [opencensus]}
    traces/gateway: {receivers: [opencensus/gateway], exporters: [store]}
    metrics/gateway: {receivers: [opencensus/gateway], exporters: [store]}
`

// The retired clients get through: from the program to the agent, from the agent
// to the gateway, from the gateway to the store.
func TestOpenCensusClients(t *testing.T) {
	t.Parallel()
	ports := make([]any, 2)
	var held []io.Closer
	for i := range ports {
		l, port, err := listenBelow(func(addr string) (io.Closer, error) { return net.Listen("tcp", addr) })
		if err != nil {
			t.Fatal(err)
		}
		held, ports[i] = append(held, l), strconv.Itoa(port)
	}
	for _, l := range held {
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "chain.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, openCensusChain, ports...), 0o600); err != nil {
		t.Fatal(err)
	}
	s := startOwn(t, filepath.Join(dir, "data"), "--config", file)
	for _, test := range []struct {
		name    string
		program program
	}{
		{"opencensus-go", goProgram(t, "opencensusgo", "opencensusgo", ".")},
		{"opencensus-go-v0.5.0", oldGoProgram(t, "opencensusgo", "v0.5.0")},
		{"opencensus-go-v0.4.12", oldGoProgram(t, "opencensusgo", "v0.4.12")},
		{"opencensus-python", pythonProgram(t, "opencensuspy", "shop.py")},
	} {
		id := test.program.run(t, map[string]string{
			"OC_AGENT_HOST": "127.0.0.1:" + ports[0].(string), "SERVICE_NAME": test.name, "OC_AWAIT": "1", "PYTHONWARNINGS": "ignore",
		})
		want := map[string]span{
			"POST /checkout": {
				Kind: "Server", Status: "Unset", Service: test.name,
				Attrs: map[string]any{"cart.items": int64(3), "customer.vip": true},
			},
			"charge card": {
				Parent: "POST /checkout", Kind: "Client", Status: "Error: refused", Service: test.name,
				Events: []event{{"card refused", map[string]any{"card.provider": "visa"}}},
			},
		}
		eventually(t, func(ctx context.Context) error {
			td, err := s.trace(ctx, id)
			if err != nil {
				return err
			}
			got, err := spans(td)
			if err != nil {
				return err
			}
			for _, one := range got {
				delete(one.Attrs, "opencensus.same_process_as_parent_span")
			}
			if diff := cmp.Diff(want, got); diff != "" {
				return fmt.Errorf("trace %s (-want +got):\n%s", id, diff)
			}
			return nil
		})
		eventually(t, func(ctx context.Context) error {
			expr := fmt.Sprintf(`shop_items_total{job=%q,region="eu"}`, test.name)
			got, err := s.value(ctx, expr)
			if err == nil && got != 3 {
				err = fmt.Errorf("%s is %v; want 3", expr, got)
			}
			return err
		})
	}
	stopOwn(t, s)
}
