package collector

import (
	"go.opentelemetry.io/collector/component"
)

// blind takes out of a component's body what its rules would look for on the
// machine of this process, or keep in its memory: the collector runs on another
// machine, and what its configuration names must not be opened here.
func blind(section string, typ component.Type, body map[string]any) {
	switch section + "::" + typ.String() {
	case "receivers::host_metrics":
		replace(body, nil, "root_path") // compared with that of the last one that was checked
	case "receivers::prometheus":
		// Files of scrape configurations are read, others asked for.
		replaceAll(body, []any{"/dev/null/none"}, "scrape_config_files")
		replaceAll(body, "/", "credentials_file", "cert_file", "key_file")
	case "processors::k8s_attributes":
		filter, _ := body["filter"].(map[string]any)
		replace(filter, nil, "node_from_env_var")
	case "extensions::oidc":
		replaceAll(body, nil, "public_keys_file")
	case "extensions::file_storage":
		if _, given := body["directory"]; !given {
			body["directory"] = "/"
		}
		compaction, _ := body["compaction"].(map[string]any)
		replace(body, "/", "directory")
		replace(compaction, "/", "directory")
	}
}

// replace puts a value in the place of a text or of a list of texts.
func replace(m map[string]any, value any, key string) {
	switch m[key].(type) {
	case string, mark, []any:
		m[key] = value
	}
}

// replaceAll does so with keys at any depth.
func replaceAll(v any, value any, keys ...string) {
	switch v := v.(type) {
	case map[string]any:
		for _, key := range keys {
			replace(v, value, key)
		}
		for _, e := range v {
			replaceAll(e, value, keys...)
		}
	case []any:
		for _, e := range v {
			replaceAll(e, value, keys...)
		}
	}
}
