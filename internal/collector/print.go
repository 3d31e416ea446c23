package collector

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/xconfmap"
	"go.opentelemetry.io/collector/otelcol"
	"go.opentelemetry.io/collector/service"
	"go.yaml.in/yaml/v3"
)

func newPrintCommand(version string) *cobra.Command {
	flags := newFlags()
	var mode, format string
	var validate bool
	cmd := &cobra.Command{
		Use:     "print-config",
		Aliases: []string{"print-initial-config"},
		Short:   "Print a configuration as it is after merging, expansion and defaults",
		Example: `  signalbox collector print-config --config config.yaml
  signalbox up --print-config`,
		Long: `Prints a configuration as the collector sees it: merged, with references
expanded and every default filled in. What is printed loads again.`,
		Args:         cobra.NoArgs,
		SilenceUsage: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			out, err := printConfig(cmd.Context(), flags.settings(version), strings.ToLower(mode), strings.ToLower(format), validate)
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(out)
			return err
		},
	}
	cmd.Flags().StringVar(&mode, "mode", "redacted", "redacted hides secrets, unredacted shows them")
	cmd.Flags().StringVar(&format, "format", "yaml", "yaml or json")
	cmd.Flags().BoolVar(&validate, "validate", true, "refuse to print what is invalid")
	flags.addTo(cmd)
	return cmd
}

// PrintConfig writes the configuration that Run would run as YAML, with every
// default filled in and secrets hidden.
func PrintConfig(ctx context.Context, s Settings, w io.Writer) error {
	out, err := printConfig(ctx, s, "redacted", "yaml", true)
	if err != nil {
		return err
	}
	_, err = w.Write(out)
	return err
}

func printConfig(ctx context.Context, s Settings, mode, format string, validate bool) ([]byte, error) {
	if mode != "redacted" && mode != "unredacted" {
		return nil, fmt.Errorf("unknown mode %q: want redacted or unredacted", mode)
	}
	if format != "yaml" && format != "json" {
		return nil, fmt.Errorf("unknown format %q: want yaml or json", format)
	}
	factories, err := s.factories()
	if err != nil {
		return nil, err
	}
	var conf *confmap.Conf
	if validate {
		config, err := load(ctx, s, factories)
		if err != nil {
			return nil, err
		}
		conf = config.conf
	} else {
		resolved, _, err := resolve(ctx, s)
		if err != nil {
			return nil, err
		}
		conf = resolved.conf
	}
	printed, err := printable(conf, factories, mode == "redacted")
	if err != nil {
		return nil, err
	}
	if format == "json" {
		out, err := json.MarshalIndent(printed, "", "  ")
		return append(out, '\n'), err
	}
	return yaml.Marshal(printed)
}

// printable returns the whole configuration in a form that decodes to the same
// configuration again.
func printable(conf *confmap.Conf, factories otelcol.Factories, redacted bool) (map[string]any, error) {
	whole := map[string]any{}
	if err := errors.Join(
		printSection(whole, conf, "receivers", factories.Receivers, redacted),
		printSection(whole, conf, "processors", factories.Processors, redacted),
		printSection(whole, conf, "exporters", factories.Exporters, redacted),
		printSection(whole, conf, "connectors", factories.Connectors, redacted),
		printSection(whole, conf, "extensions", factories.Extensions, redacted),
	); err != nil {
		return nil, err
	}
	service, err := printPart(conf, "service", func() any {
		return &service.Config{Telemetry: factories.Telemetry.CreateDefaultConfig()}
	}, redacted)
	if err != nil {
		return nil, err
	}
	whole["service"] = service
	return escape(whole).(map[string]any), nil
}

// printSection adds one section with its components to whole.
func printSection[F component.Factory](whole map[string]any, conf *confmap.Conf, section string, factories map[component.Type]F, redacted bool) error {
	sub, err := conf.Sub(section)
	if err != nil {
		return err
	}
	printed := map[string]any{}
	for key := range sub.ToStringMap() {
		var id component.ID
		if err := id.UnmarshalText([]byte(key)); err != nil {
			return fmt.Errorf("printing %s::%s: %w", section, key, err)
		}
		factory, ok := factories[id.Type()]
		if !ok {
			return fmt.Errorf("printing %s::%s: %s", section, key, unknownType(section, id.Type().String(), factories))
		}
		if printed[key], err = printPart(sub, key, func() any { return factory.CreateDefaultConfig() }, redacted); err != nil {
			return fmt.Errorf("printing %s::%s: %w", section, key, err)
		}
	}
	if len(printed) > 0 {
		whole[section] = printed
	}
	return nil
}

// printPart prints what conf has under key, which decodes into what newConfig
// returns.
//
// The components' structs do not all print as what they were decoded from:
// optional parts that are absent print as null, which switches them on when it
// is read again; some types print as nothing. So several forms are tried, the
// most complete first, and the first one that decodes to an equal struct, as
// valid as it was, is it. The last, what the user wrote after merging and
// expansion, always does.
func printPart(conf *confmap.Conf, key string, newConfig func() any, redacted bool) (map[string]any, error) {
	sub, err := conf.Sub(key)
	if err != nil {
		return nil, err
	}
	cfg := newConfig()
	if err := sub.Unmarshal(&cfg); err != nil {
		return nil, err
	}
	written := sub.ToStringMap()
	full, hidden := confmap.New(), confmap.New()
	if err := errors.Join(full.Marshal(cfg, xconfmap.WithUnredacted()), hidden.Marshal(cfg)); err != nil {
		return nil, err
	}
	complete := full.ToStringMap()
	out, valid := written, confmap.Validate(cfg) == nil
	for _, form := range []map[string]any{
		overlay(pruned(complete), written, false),
		overlay(pruned(complete), written, true),
	} {
		again := newConfig()
		if reread(form, &again) == nil && reflect.DeepEqual(cfg, again) && (!valid || confmap.Validate(again) == nil) {
			out = form
			break
		}
	}
	if redacted {
		secrets := map[string]bool{}
		findSecrets(complete, hidden.ToStringMap(), secrets)
		out = redact(out, "", secrets).(map[string]any)
	}
	return out, nil
}

// reread decodes what a reader of the printed form would.
func reread(form map[string]any, into any) error {
	text, err := yaml.Marshal(form)
	if err != nil {
		return err
	}
	var read map[string]any
	if err := yaml.Unmarshal(text, &read); err != nil {
		return err
	}
	return confmap.NewFromStringMap(read).Unmarshal(into)
}

// pruned returns m without what says nothing: nulls and empty values.
func pruned(m map[string]any) map[string]any {
	out := map[string]any{}
	for key, value := range m {
		switch v := value.(type) {
		case nil:
			continue
		case string:
			if v == "" {
				continue
			}
		case []any:
			if len(v) == 0 {
				continue
			}
			list := slices.Clone(v)
			for i, element := range list {
				if m, ok := element.(map[string]any); ok {
					list[i] = pruned(m)
				}
			}
			value = list
		case map[string]any:
			if value = pruned(v); len(value.(map[string]any)) == 0 {
				continue
			}
		}
		out[key] = value
	}
	return out
}

// overlay adds to base what is only in top; where both have a value that is
// not a mapping, that of top counts if replace.
func overlay(base, top map[string]any, replace bool) map[string]any {
	out := maps.Clone(base)
	for key, value := range top {
		below, inBase := out[key]
		if a, ok := below.(map[string]any); ok {
			if b, ok := value.(map[string]any); ok {
				out[key] = overlay(a, b, replace)
				continue
			}
		}
		if !inBase || replace {
			out[key] = value
		}
	}
	return out
}

// findSecrets collects the values that differ where a configuration is printed
// with secrets and without.
func findSecrets(shown, hidden any, into map[string]bool) {
	switch s := shown.(type) {
	case map[string]any:
		h, _ := hidden.(map[string]any)
		for key := range s {
			findSecrets(s[key], h[key], into)
		}
	case []any:
		h, _ := hidden.([]any)
		for i := range min(len(s), len(h)) {
			findSecrets(s[i], h[i], into)
		}
	case string:
		if s != "" && hidden != any(s) {
			into[s] = true
		}
	}
}

// secretKey matches the keys whose values are secret by their name: not every
// component says so of its own.
var secretKey = regexp.MustCompile(`(?i)(passw(or)?d|secrets?|token|credentials?|api_?key|private_?key|key_pem|authorization)$`)

// redact returns value with its secrets hidden.
func redact(value any, key string, secrets map[string]bool) any {
	switch v := value.(type) {
	case string:
		if v != "" && (secrets[v] || secretKey.MatchString(key)) {
			return "[REDACTED]"
		}
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = redact(v[i], key, secrets)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k := range v {
			out[k] = redact(v[k], k, secrets)
		}
		return out
	}
	return value
}

// escape returns value with dollar signs doubled, which the resolver would
// take for references.
func escape(value any) any {
	switch v := value.(type) {
	case string:
		return strings.ReplaceAll(v, "$", "$$")
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = escape(v[i])
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for key := range v {
			out[key] = escape(v[key])
		}
		return out
	}
	return value
}
