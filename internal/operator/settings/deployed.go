package settings

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/signalbox-otel/signalbox/internal/operator/needs"
)

// Deployed are the settings of the operator that a Deployment runs, for those who
// look at it from outside: what its flags, its environment and its file say.
// Version is what its image is taken for where the Deployment does not say.
//
// configMap reads a key of a ConfigMap of the Deployment's namespace, which a file
// with settings is mounted from. What cannot be read is among the warnings, and
// flags that this release does not know are.
func Deployed(d *appsv1.Deployment, version string, configMap func(name, key string) (string, error)) (Settings, error) {
	pod := &d.Spec.Template.Spec
	c := operatorContainer(pod)
	if c == nil {
		return Settings{}, fmt.Errorf("deployment %s/%s has no container %s", d.Namespace, d.Name, needs.Container)
	}
	env := environmentOf(d, c)
	lookup := func(name string) (string, bool) { v, ok := env[name]; return v, ok }
	set := pflag.NewFlagSet(needs.Container, pflag.ContinueOnError)
	set.SetOutput(io.Discard)
	set.Usage = func() {}
	f := Register(set, version)
	f.read = func(path string) ([]byte, error) { return mounted(pod, c, path, configMap) }
	unknown, err := f.Parse(argumentsOf(c, env))
	if err != nil {
		return Settings{}, fmt.Errorf("reading the flags of deployment %s/%s: %w", d.Namespace, d.Name, err)
	}
	s := f.base(lookup)
	s.Namespace, s.LeaderElection = d.Namespace, true
	if pod.ServiceAccountName != "" {
		s.ServiceAccount = pod.ServiceAccountName
	}
	if err := f.file(&s, lookup); err != nil {
		s.Warnings = append(s.Warnings, err.Error())
	}
	if err := f.over(&s, lookup, f.environment, f.flags); err != nil {
		return Settings{}, fmt.Errorf("deployment %s/%s: %w", d.Namespace, d.Name, err)
	}
	for _, name := range unknown {
		s.Warnings = append(s.Warnings, name+" is not known and is ignored")
	}
	return s, nil
}

// operatorContainer is the one that runs the operator; nil: there is none.
func operatorContainer(pod *corev1.PodSpec) *corev1.Container {
	i := slices.IndexFunc(pod.Containers, func(c corev1.Container) bool { return c.Name == needs.Container })
	if i < 0 && len(pod.Containers) == 1 {
		i = 0
	}
	if i < 0 {
		return nil
	}
	return &pod.Containers[i]
}

// environmentOf are the variables of the container whose values are known without
// its pod.
func environmentOf(d *appsv1.Deployment, c *corev1.Container) map[string]string {
	env := map[string]string{}
	for _, v := range c.Env {
		switch from := v.ValueFrom; {
		case from == nil:
			env[v.Name] = v.Value
		case from.FieldRef != nil && from.FieldRef.FieldPath == "metadata.namespace":
			env[v.Name] = d.Namespace
		case from.FieldRef != nil && from.FieldRef.FieldPath == "spec.serviceAccountName":
			env[v.Name] = d.Spec.Template.Spec.ServiceAccountName
		}
	}
	return env
}

// argumentsOf are the flags of the container: behind the name of the command where
// our image is started, and all arguments of an image that has no other.
func argumentsOf(c *corev1.Container, env map[string]string) []string {
	args := slices.Concat(c.Command, c.Args)
	if i := slices.Index(args, "operator"); i >= 0 {
		args = args[i+1:]
	} else {
		args = slices.Clone(c.Args)
	}
	var pairs []string
	for name, value := range env {
		pairs = append(pairs, "$("+name+")", value)
	}
	expand := strings.NewReplacer(pairs...)
	for i := range args {
		args[i] = expand.Replace(args[i])
	}
	return args
}

// mounted reads a file of the container, which must come from a ConfigMap.
func mounted(pod *corev1.PodSpec, c *corev1.Container, path string, configMap func(name, key string) (string, error)) ([]byte, error) {
	for _, m := range c.VolumeMounts {
		key, below := strings.CutPrefix(path, strings.TrimSuffix(m.MountPath, "/")+"/")
		if m.SubPath != "" && path == m.MountPath {
			key, below = m.SubPath, true
		}
		i := slices.IndexFunc(pod.Volumes, func(v corev1.Volume) bool { return v.Name == m.Name })
		if !below || i < 0 || pod.Volumes[i].ConfigMap == nil || configMap == nil {
			continue
		}
		source := pod.Volumes[i].ConfigMap
		for _, item := range source.Items {
			if item.Path == key {
				key = item.Key
			}
		}
		text, err := configMap(source.Name, key)
		return []byte(text), err
	}
	return nil, fmt.Errorf("%s is in no ConfigMap that could be read", path)
}
