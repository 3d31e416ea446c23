package clients

import "testing"

func TestZipkinClients(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"v1", "v2"} {
		t.Run("Node.js, "+version, func(t *testing.T) {
			t.Parallel()
			service := "zipkinjs-" + version
			id := nodeProgram(t, "zipkinjs", "shop.js").run(t, map[string]string{
				"ZIPKIN_SERVICE_NAME": service,
				"ZIPKIN_ENDPOINT":     box.url("zipkin-port") + "/api/" + version + "/spans",
			})
			charge := span{Parent: "post /checkout", Kind: "Unspecified", Status: "Error", Service: service}
			if version == "v2" { // of version 1 the receiver keeps the status alone
				charge.Attrs = map[string]any{"error": "card refused"}
			}
			wantTrace(t, id, map[string]span{
				// The client writes names in lower case, values as text.
				"post /checkout": {
					Kind: "Unspecified", Status: "Unset", Service: service,
					Attrs: map[string]any{"cart.items": "3"},
				},
				"charge card": charge,
			})
		})
	}
	t.Run("OpenTelemetry for Node.js", func(t *testing.T) {
		t.Parallel()
		const service = "oteljs19-zipkin"
		id := nodeProgram(t, "oteljs19", "shop.js").run(t, map[string]string{
			"SERVICE": service, "EXPORTER": "zipkin",
			"OTEL_EXPORTER_ZIPKIN_ENDPOINT": box.url("zipkin-port") + "/api/v2/spans",
		})
		wantTrace(t, id, map[string]span{
			"POST /checkout": {
				Kind: "Server", Status: "Unset", Service: service,
				Attrs: map[string]any{"cart.items": "3", "cart.total": "59.97", "customer.vip": "true", "shop.region": "eu"},
			},
			"charge card": {
				Parent: "POST /checkout", Kind: "Client", Status: "Error", Service: service,
				Attrs:  map[string]any{"error": "refused", "shop.region": "eu"},
				Events: []event{{Name: "card refused"}},
			},
		})
	})
	t.Run("Go", func(t *testing.T) {
		t.Parallel()
		id := goProgram(t, "zipkingo", "zipkingo", ".").run(t, zipkinEnv("zipkingo", box.addr("zipkin-port"), "128"))
		wantTrace(t, id, zipkinGoTrace("zipkingo", "post /checkout"))
	})
	t.Run("Go, protobuf", func(t *testing.T) {
		t.Parallel()
		env := zipkinEnv("zipkingo-protobuf", box.addr("zipkin-port"), "64")
		env["FORMAT"] = "protobuf"
		id := goProgram(t, "zipkingo", "zipkingo", ".").run(t, env)
		wantTrace(t, id, zipkinGoTrace("zipkingo-protobuf", "POST /checkout"))
	})
	t.Run("Go of 2019, ids of 64 bits", func(t *testing.T) {
		t.Parallel()
		id := oldGoProgram(t, "zipkingo", "v0.1.6").run(t, zipkinEnv("zipkingo-old", box.addr("zipkin-port"), "64"))
		wantTrace(t, id, zipkinGoTrace("zipkingo-old", "POST /checkout"))
	})
}

// zipkinEnv is what the program zipkingo reads.
func zipkinEnv(service, addr, bits string) map[string]string {
	return map[string]string{"SERVICE": service, "ZIPKIN_ENDPOINT": "http://" + addr + "/api/v2/spans", "TRACE_ID_BITS": bits}
}

// zipkinGoTrace is what zipkingo reports. Only its JSON of today has names in lower
// case.
func zipkinGoTrace(service, checkout string) map[string]span {
	return map[string]span{
		checkout: {
			Kind: "Server", Status: "Unset", Service: service,
			Attrs: map[string]any{"cart.items": "3", "net.host.port": int64(8080), "network.local.address": "192.0.2.7"},
		},
		"charge card": {
			Parent: checkout, Kind: "Client", Status: "Error", Service: service,
			Attrs:  map[string]any{"error": "refused", "net.host.port": int64(8080), "network.local.address": "192.0.2.7"},
			Events: []event{{Name: "card refused"}},
		},
	}
}
