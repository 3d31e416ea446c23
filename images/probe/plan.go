package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/signalbox-otel/signalbox/internal/inject/verdict"
)

// plan is what a container has, and gets with each language that is used in it.
type plan struct {
	Verdict verdict.Verdict `json:"verdict"`
	// Base are variables that the container has without an agent, of those that
	// agents change.
	Base map[string]string `json:"base,omitempty"`
	// Variables are those of languages that are used.
	Variables map[string]map[string]string `json:"variables,omitempty"`
	// Active are languages whose agent is there, in the order in which it came.
	Active []string `json:"active,omitempty"`
}

// load is the plan of a container.
func load(dir, container string) (*plan, error) {
	content, err := os.ReadFile(planFile(dir, container))
	if err != nil {
		return nil, fmt.Errorf("reading the plan of container %s: %w", container, err)
	}
	p := new(plan)
	if err := json.Unmarshal(content, p); err != nil {
		return nil, fmt.Errorf("reading the plan of container %s: %w", container, err)
	}
	return p, nil
}

// save writes the plan, and then the variables that come of it.
func (p *plan) save(dir, container string) error {
	content, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("writing the plan of container %s: %w", container, err)
	}
	if err := write(planFile(dir, container), content, 0o644); err != nil {
		return err
	}
	return write(variablesFile(dir, container), p.variables(), 0o644)
}

// variables is the file that the kubelet reads. Where two languages want different
// values for one variable, that which came first has it.
func (p *plan) variables() []byte {
	all := map[string]string{}
	for _, language := range p.Active {
		for name, value := range p.Variables[language] {
			if _, ok := all[name]; !ok && verdict.Writable(value) {
				all[name] = value
			}
		}
	}
	for name, value := range p.Base {
		if _, ok := all[name]; !ok && verdict.Writable(value) {
			all[name] = value
		}
	}
	var lines []string
	for name, value := range all {
		lines = append(lines, name+"='"+value+"'\n")
	}
	slices.Sort(lines)
	return []byte(strings.Join(lines, ""))
}

// plans are those of all containers that use a language.
func plans(dir, language string) (map[string]*plan, error) {
	files, err := os.ReadDir(filepath.Join(dir, "plan"))
	if err != nil {
		return nil, fmt.Errorf("reading the plans: %w", err)
	}
	all := map[string]*plan{}
	for _, f := range files {
		if strings.HasPrefix(f.Name(), ".") {
			continue
		}
		p, err := load(dir, f.Name())
		if err != nil {
			return nil, err
		}
		if slices.Contains(p.Verdict.Used(), language) {
			all[f.Name()] = p
		}
	}
	return all, nil
}

// prefixed are the variables whose names begin so, without that.
func prefixed(environ []string, prefix string) map[string]string {
	all := map[string]string{}
	for _, v := range environ {
		name, value, _ := strings.Cut(v, "=")
		if name, ok := strings.CutPrefix(name, prefix); ok && name != "" {
			all[name] = value
		}
	}
	return all
}

// wanted are the variables of a language, and the reason why it cannot have them.
func wanted(environ []string, language string, image func(string) string) (map[string]string, error) {
	capitals := strings.ToUpper(language) + "_"
	all := prefixed(environ, verdict.SetPrefix+capitals)
	for name, template := range prefixed(environ, verdict.AddPrefix+capitals) {
		all[name] = composed(template, image(name))
	}
	for name, value := range all {
		if !verdict.Writable(value) {
			return nil, fmt.Errorf("variable %s of the image has a quote or is too long, so nothing can be added to it: set it in the pod", name)
		}
	}
	return all, nil
}

// composed puts the image's own value where a template wants it. Without one, the
// separator behind it goes too: an empty element of a path means something.
func composed(template, own string) string {
	if own == "" {
		return strings.ReplaceAll(strings.ReplaceAll(template, verdict.Own+":", ""), verdict.Own, "")
	}
	return strings.ReplaceAll(template, verdict.Own, own)
}
