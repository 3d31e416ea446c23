package collector

import (
	"fmt"

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

// What the language of transformations, OTTL, is given to read. Its parser needs
// time by the square of a statement's length, and by more for brackets in each
// other.
const (
	maxStatement  = 4 << 10  // bytes
	maxStatements = 32 << 10 // bytes of all in a component
	maxBrackets   = 20       // in each other
)

// tooCostly says why a component's configuration is not read, "" when it is.
func tooCostly(section string, typ component.Type, tree map[string]any) string {
	switch section + "::" + typ.String() {
	case "processors::transform", "processors::filter", "processors::tail_sampling", "connectors::routing", "connectors::count":
	default:
		return ""
	}
	all, longest, deepest := 0, 0, 0
	eachText(tree, func(text string) {
		all += len(text)
		longest = max(longest, len(text))
		depth := 0
		for _, c := range []byte(text) {
			switch c {
			case '(', '[', '{':
				depth++
				deepest = max(deepest, depth)
			case ')', ']', '}':
				depth--
			}
		}
	})
	switch {
	case longest > maxStatement:
		return fmt.Sprintf("it has a statement of more than %d bytes", maxStatement)
	case all > maxStatements:
		return fmt.Sprintf("it has more than %d bytes of statements", maxStatements)
	case deepest > maxBrackets:
		return fmt.Sprintf("it has a statement with more than %d brackets in each other", maxBrackets)
	}
	return ""
}

// eachText calls f for every text in a tree.
func eachText(v any, f func(string)) {
	switch v := v.(type) {
	case string:
		f(v)
	case mark:
		f(string(v))
	case map[string]any:
		for _, e := range v {
			eachText(e, f)
		}
	case []any:
		for _, e := range v {
			eachText(e, f)
		}
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
