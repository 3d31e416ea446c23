package allocator

import (
	"encoding/json"
	"fmt"

	promconfig "github.com/prometheus/prometheus/config"
	yamlv2 "go.yaml.in/yaml/v2"
	"go.yaml.in/yaml/v3"
)

// secretText is how Prometheus' types write a secret.
const secretText = "<secret>"

// jobs are the scrape configurations, ready to be answered.
type jobs struct {
	configs  []*promconfig.ScrapeConfig
	redacted []byte // JSON: job -> scrape config
	plain    []byte // the same with secrets
}

// newJobs writes scrape configurations as JSON. sources are the documents that
// they were read from, by job: Prometheus' types do not give secrets back.
func newJobs(configs []*promconfig.ScrapeConfig, sources map[string]any) (*jobs, error) {
	redacted := make(map[string]any, len(configs))
	plain := make(map[string]any, len(configs))
	for _, c := range configs {
		tree, err := treeOf(c)
		if err != nil {
			return nil, fmt.Errorf("writing scrape config %s: %w", c.JobName, err)
		}
		dropDefaultRegexes(tree)
		redacted[c.JobName] = tree
		plain[c.JobName] = reveal(tree, sources[c.JobName])
	}
	j := &jobs{configs: configs}
	var err error
	if j.redacted, err = json.Marshal(redacted); err != nil {
		return nil, fmt.Errorf("writing scrape configs: %w", err)
	}
	if j.plain, err = json.Marshal(plain); err != nil {
		return nil, fmt.Errorf("writing scrape configs: %w", err)
	}
	return j, nil
}

// treeOf is the scrape configuration as maps and lists. Prometheus' types are
// made for version 2 of the YAML package, whose maps JSON cannot hold.
func treeOf(c *promconfig.ScrapeConfig) (map[string]any, error) {
	text, err := yamlv2.Marshal(c)
	if err != nil {
		return nil, err
	}
	var tree map[string]any
	return tree, yaml.Unmarshal(text, &tree)
}

// dropDefaultRegexes removes what marshaling added to rules that may have no
// regex: the receiver would refuse its own default.
func dropDefaultRegexes(tree map[string]any) {
	for _, list := range []string{"relabel_configs", "metric_relabel_configs"} {
		rules, _ := tree[list].([]any)
		for _, r := range rules {
			if rule, ok := r.(map[string]any); ok && (rule["action"] == "keepequal" || rule["action"] == "dropequal") {
				delete(rule, "regex")
			}
		}
	}
}

// reveal is tree with its secrets as they are in source, which has the same
// shape where it has secrets.
func reveal(tree, source any) any {
	switch t := tree.(type) {
	case map[string]any:
		from, _ := source.(map[string]any)
		shown := make(map[string]any, len(t))
		for key, value := range t {
			shown[key] = reveal(value, from[key])
		}
		// The old way to write a token is read as the new one.
		if auth, ok := shown["authorization"].(map[string]any); ok && auth["credentials"] == secretText {
			if token, ok := from["bearer_token"].(string); ok {
				auth["credentials"] = token
			}
		}
		return shown
	case []any:
		from, _ := source.([]any)
		shown := make([]any, len(t))
		for i, value := range t {
			if i < len(from) {
				shown[i] = reveal(value, from[i])
			} else {
				shown[i] = value
			}
		}
		return shown
	case string:
		if text, ok := source.(string); ok && t == secretText {
			return text
		}
	}
	return tree
}

// sourcesOf are the documents of the scrape configs of a Prometheus
// configuration, by job.
func sourcesOf(config *yaml.Node) (map[string]any, error) {
	var document struct {
		ScrapeConfigs []map[string]any `yaml:"scrape_configs"`
	}
	if err := config.Decode(&document); err != nil {
		return nil, err
	}
	sources := map[string]any{}
	for _, c := range document.ScrapeConfigs {
		if name, ok := c["job_name"].(string); ok {
			sources[name] = c
		}
	}
	return sources, nil
}
