package settings

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/signalbox-otel/signalbox/internal/operator/needs"
)

const (
	// mountedNamespace is where a pod finds the name of its namespace.
	mountedNamespace = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"
	// mountedCertificate is where manifests of opentelemetry-operator mount the
	// certificate that cert-manager makes.
	mountedCertificate = "/tmp/k8s-webhook-server/serving-certs"
)

// imageVariable names our own image where it is not that of the release.
const imageVariable = "SIGNALBOX_IMAGE"

// Flags are the settings of a command line.
type Flags struct {
	set    *pflag.FlagSet
	own    own
	table  []Setting
	values map[string]*flagValue
	read   func(path string) ([]byte, error)
}

// Default are the settings of an operator that is told nothing, as release
// version has them.
func Default(version string) Settings { return defaults(release(version)) }

// defaults are those of an operator whose image is o.
func defaults(o own) Settings {
	s := Settings{own: o.image, Namespace: needs.Namespace, ServiceAccount: needs.Deployment}
	for _, t := range table(o) {
		if t.Default == "" {
			continue
		}
		if err := t.set(&s, []string{t.Default}); err != nil {
			panic(fmt.Sprintf("default of %s: %v", t.Name(), err)) // the table is ours
		}
	}
	return s
}

// own is the operator's own image, which is the one of all commands, and the
// release in it.
type own struct{ image, version string }

// release is our image where nothing else is said.
func release(version string) own { return own{"signalbox:" + version, version} }

// beside is an image of ours that is kept beside it: registry/signalbox:1 has
// registry/signalbox-java:1. A digest is of one image alone; without a tag, that of
// the release stands for it.
func (o own) beside(name string) string {
	image, _, _ := strings.Cut(o.image, "@")
	repository, tag := image, o.version
	if i := strings.LastIndexByte(image, ':'); i > strings.LastIndexByte(image, '/') {
		repository, tag = image[:i], image[i+1:]
	}
	return repository + "-" + name + ":" + tag
}

// Register adds the flags of all settings to set.
func Register(set *pflag.FlagSet, version string) *Flags {
	f := &Flags{set: set, own: release(version), values: map[string]*flagValue{}, read: os.ReadFile}
	f.table = table(f.own)
	for _, s := range f.table {
		if s.Flag == "" {
			continue
		}
		value := &flagValue{setting: s}
		f.values[s.Flag] = value
		flag := set.VarPF(value, s.Flag, "", s.Help)
		flag.Hidden = s.rare || s.NoEffect != ""
		if s.boolean {
			flag.NoOptDefVal = "true"
		}
	}
	return f
}

// flagValue is what the command line gives to a flag, in order.
type flagValue struct {
	setting Setting
	given   []string
}

func (v *flagValue) String() string { return v.setting.Default }

func (v *flagValue) Type() string {
	if v.setting.boolean {
		return "bool"
	}
	return "string"
}

// Set tries the value on settings of no use, so that what cannot be understood
// is said with the name of the flag.
func (v *flagValue) Set(text string) error {
	if err := v.setting.set(new(Settings), []string{text}); err != nil {
		return err
	}
	if !v.setting.repeated {
		v.given = nil
	}
	v.given = append(v.given, text)
	return nil
}

// Parse parses arguments and returns the flags in them that are not known and
// were left out: a manifest that was written for another release of
// opentelemetry-operator must not keep this one from starting.
func (f *Flags) Parse(args []string) (unknown []string, err error) {
	var known []string
	for i := 0; i < len(args); i++ {
		name, isFlag := strings.CutPrefix(args[i], "--")
		if !isFlag || name == "" {
			known = append(known, args[i])
			continue
		}
		name, _, hasValue := strings.Cut(name, "=")
		flag := f.set.Lookup(name)
		// The value may be an argument of its own.
		next := !hasValue && i+1 < len(args)
		switch {
		case flag == nil:
			unknown = append(unknown, "--"+name)
			if next && !strings.HasPrefix(args[i+1], "-") {
				i++
			}
		case next && flag.NoOptDefVal == "":
			known = append(known, args[i], args[i+1])
			i++
		default:
			known = append(known, args[i])
		}
	}
	return unknown, f.set.Parse(known)
}

// Load puts the settings together, after Parse. env is os.LookupEnv.
func (f *Flags) Load(env func(string) (string, bool)) (Settings, error) {
	s := f.base(env)
	if in, _ := env("KUBERNETES_SERVICE_HOST"); in != "" {
		s.LeaderElection = true
	}
	if text, err := os.ReadFile(mountedNamespace); err == nil {
		s.Namespace = strings.TrimSpace(string(text))
	}
	if err := f.over(&s, env, f.file, f.environment, f.flags); err != nil {
		return s, err
	}
	if s.Webhooks.CertDir == "" {
		if _, err := os.Stat(filepath.Join(mountedCertificate, corev1.TLSCertKey)); err == nil {
			s.Webhooks.CertDir = mountedCertificate
		}
	}
	return s, s.validate()
}

// base are the built-in values, for the image that the environment names.
func (f *Flags) base(env func(string) (string, bool)) Settings {
	ours := f.own
	if image, _ := env(imageVariable); image != "" {
		ours.image = image
	}
	return defaults(ours)
}

// over puts what sources say over the settings, each over the one before.
func (f *Flags) over(s *Settings, env func(string) (string, bool), sources ...func(*Settings, func(string) (string, bool)) error) error {
	for _, source := range sources {
		if err := source(s, env); err != nil {
			return err
		}
	}
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"} {
		if v, ok := env(name); ok {
			s.Proxy = append(s.Proxy, corev1.EnvVar{Name: name, Value: v})
		}
	}
	return nil
}

// put gives a setting its values, and says so when that changes nothing.
func (t Setting) put(s *Settings, source string, values []string) error {
	if err := t.set(s, values); err != nil {
		return fmt.Errorf("%s: %w", source, err)
	}
	if t.NoEffect != "" {
		s.Warnings = append(s.Warnings, source+" is accepted, without effect: "+t.NoEffect)
	}
	return nil
}

func (f *Flags) flags(s *Settings, _ func(string) (string, bool)) error {
	for _, t := range f.table {
		if v := f.values[t.Flag]; v != nil && v.given != nil {
			if err := t.put(s, "--"+t.Flag, v.given); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f *Flags) environment(s *Settings, env func(string) (string, bool)) error {
	for _, t := range f.table {
		if t.Env == "" {
			continue
		}
		// A variable that is empty is one that is not set.
		if v, _ := env(t.Env); v != "" {
			values := []string{v}
			if t.repeated {
				values = strings.Split(v, ",")
			}
			if err := t.put(s, "variable "+t.Env, values); err != nil {
				return err
			}
		}
	}
	return nil
}

// file reads the file that --config-file names.
func (f *Flags) file(s *Settings, _ func(string) (string, bool)) error {
	named := f.values["config-file"].given
	if named == nil {
		return nil
	}
	text, err := f.read(named[0])
	if err != nil {
		return fmt.Errorf("reading the settings: %w", err)
	}
	var tree map[string]any
	if err := yaml.Unmarshal(text, &tree); err != nil {
		return fmt.Errorf("reading the settings in %s: %w", named[0], err)
	}
	if err := s.takeInstrumentation(tree); err != nil {
		return fmt.Errorf("%s: instrumentations: %w", named[0], err)
	}
	given := map[string][]string{}
	flatten(tree, "", given)
	for _, t := range f.table {
		values, ok := given[t.File]
		if t.File == "" || !ok {
			continue
		}
		delete(given, t.File)
		if err := t.put(s, fmt.Sprintf("%s: %s", named[0], t.File), values); err != nil {
			return err
		}
	}
	for _, key := range slices.Sorted(maps.Keys(given)) {
		s.Warnings = append(s.Warnings, fmt.Sprintf("%s: %s is not known and is ignored", named[0], key))
	}
	return nil
}

// takeInstrumentation takes the one resource out of the file.
func (s *Settings) takeInstrumentation(tree map[string]any) error {
	object, ok := tree["instrumentations"]
	delete(tree, "instrumentations")
	if !ok {
		return nil
	}
	data, err := json.Marshal(object)
	if err != nil {
		return err
	}
	return yaml.UnmarshalStrict(data, &s.Instrumentation)
}

// flatten names each value by the keys that lead to it, joined by dots.
func flatten(tree map[string]any, path string, into map[string][]string) {
	for key, value := range tree {
		switch v := value.(type) {
		case map[string]any:
			flatten(v, path+key+".", into)
		case []any:
			texts := []string{}
			for _, item := range v {
				texts = append(texts, fmt.Sprint(item))
			}
			into[path+key] = texts
		case nil: // as if it were not there
		default:
			into[path+key] = []string{fmt.Sprint(v)}
		}
	}
}
