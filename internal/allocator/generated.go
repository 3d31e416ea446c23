package allocator

import (
	"fmt"
	"log/slog"

	promconfig "github.com/prometheus/prometheus/config"
	"go.yaml.in/yaml/v3"
)

// parsed is a scrape config of a resource that Prometheus takes.
type parsed struct {
	generated
	config *promconfig.ScrapeConfig
}

// parseGenerated reads the scrape configs that were made from resources, and
// says which are wrong; the others go on. A name that is taken already, by a
// scrape config that somebody wrote, gets a number.
func parseGenerated(base *promconfig.Config, resources []generated, written []*promconfig.ScrapeConfig) ([]parsed, []error) {
	taken := map[string]bool{}
	for _, c := range written {
		taken[c.JobName] = true
	}
	var all []parsed
	var problems []error
	for _, g := range resources {
		name := g.name
		for n := 2; taken[name]; n++ {
			name = fmt.Sprintf("%s-%d", g.name, n)
		}
		if name != g.name {
			problems = append(problems, fmt.Errorf("%s: there is another job of this name; this one is %s", g.name, name))
		}
		g.tree["job_name"] = name
		c, err := parseOne(base, g.tree)
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", name, err))
			continue
		}
		taken[name] = true
		all = append(all, parsed{g, c})
	}
	return all, problems
}

// parseOne reads a scrape config under the global part of a configuration.
func parseOne(base *promconfig.Config, tree node) (*promconfig.ScrapeConfig, error) {
	document := map[string]any{"scrape_configs": []any{tree}}
	if base != nil {
		document["global"] = node{"scrape_timeout": base.GlobalConfig.ScrapeTimeout.String(), "scrape_interval": base.GlobalConfig.ScrapeInterval.String()}
	}
	written, err := yaml.Marshal(document)
	if err != nil {
		return nil, err
	}
	config, err := promconfig.Load(string(written), slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	configs, err := config.GetScrapeConfigs()
	if err != nil {
		return nil, err
	}
	return configs[0], nil
}
