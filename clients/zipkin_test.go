package clients

import "testing"

func TestZipkinClient(t *testing.T) {
	t.Parallel()
	id := nodeProgram(t, "zipkinjs", "shop.js").run(t, map[string]string{
		"ZIPKIN_SERVICE_NAME": "zipkinjs",
		"ZIPKIN_ENDPOINT":     box.url("zipkin-port") + "/api/v2/spans",
	})
	wantTrace(t, id, map[string]span{
		// The client writes names in lower case, values as text.
		"post /checkout": {
			Kind: "Unspecified", Status: "Unset", Service: "zipkinjs",
			Attrs: map[string]any{"cart.items": "3"},
		},
		"charge card": {
			Parent: "post /checkout", Kind: "Unspecified", Status: "Error", Service: "zipkinjs",
			Attrs: map[string]any{"error": "card refused"},
		},
	})
}
