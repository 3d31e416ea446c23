package collector

import (
	"fmt"
	"net"
	"os"
	"testing"
)

// An exporter whose address is taken stands by, through a reload too, and starts
// when the address is free. An extension does the same.
func TestAddressesInUse(t *testing.T) {
	var taken [2]net.Listener
	for i := range taken {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		taken[i] = l
	}
	c := startCollector(t, fmt.Sprintf(`
receivers: {otlp: {protocols: {http: {endpoint: %q}}}}
exporters: {prometheus: {endpoint: %q}, debug: }
extensions: {health_check: {endpoint: %q}}
service:
  extensions: [health_check]
  telemetry: {metrics: {level: none}}
  pipelines: {metrics: {receivers: [otlp], exporters: [prometheus, debug]}}
`, freePort(t), taken[0].Addr(), taken[1].Addr()))
	c.waitLog(t, "exporter has not started; trying again, and holding its data back")
	c.reload <- os.Interrupt
	c.waitLog(t, "configuration accepted; restarting")
	c.waitLog(t, "exporter has not started; trying again, and holding its data back")
	taken[0].Close()
	c.waitLog(t, "exporter has started")
	fetch(t, "http://"+taken[0].Addr().String()+"/metrics")
	taken[1].Close()
	c.waitLog(t, "extension has started")
	fetch(t, "http://"+taken[1].Addr().String()+"/")
	c.stop()
	if err := <-c.done; err != nil {
		t.Error(err)
	}
}
