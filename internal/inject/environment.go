package inject

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/signalbox-otel/signalbox/api/v1alpha1"
	"github.com/signalbox-otel/signalbox/api/v1beta1"
)

// serviceVariable is the name of a service, in every SDK.
const serviceVariable = "OTEL_SERVICE_NAME"

// variable is one that the container itself has, nil when it has none.
func variable(c *corev1.Container, name string) *corev1.EnvVar {
	if i := slices.IndexFunc(c.Env, func(v corev1.EnvVar) bool { return v.Name == name }); i >= 0 {
		return &c.Env[i]
	}
	return nil
}

// sourced is where a container takes a variable from as part of a ConfigMap,
// nil when no ConfigMap that was seen has it.
func (in *injection) sourced(name string) *corev1.ConfigMapKeySelector {
	for _, source := range slices.Backward(in.container.EnvFrom) { // the last one wins
		key, ok := strings.CutPrefix(name, source.Prefix)
		if !ok || source.ConfigMapRef == nil {
			continue
		}
		if slices.Contains(in.facts.ConfigMaps[source.ConfigMapRef.Name], key) {
			return &corev1.ConfigMapKeySelector{LocalObjectReference: source.ConfigMapRef.LocalObjectReference, Key: key}
		}
	}
	return nil
}

// unseen are sources of the container's environment that could not be looked
// into.
func (in *injection) unseen() []string {
	var all []string
	for _, source := range in.container.EnvFrom {
		switch {
		case source.SecretRef != nil:
			all = append(all, "Secret "+source.SecretRef.Name)
		case source.ConfigMapRef != nil && in.facts.ConfigMaps[source.ConfigMapRef.Name] == nil:
			all = append(all, "ConfigMap "+source.ConfigMapRef.Name)
		}
	}
	return all
}

// has reports whether the container has a variable, from wherever.
func (in *injection) has(name string) bool {
	return variable(in.container, name) != nil || in.sourced(name) != nil
}

// add adds variables that the container does not have.
func (in *injection) add(vars ...corev1.EnvVar) {
	for _, v := range vars {
		if !in.has(v.Name) {
			in.container.Env = append(in.container.Env, v)
		}
	}
}

// literally adds a variable whose value the kubelet is not to expand.
func (in *injection) literally(name, value string) {
	in.add(corev1.EnvVar{Name: name, Value: literal(value)})
}

// change gives a variable a value that has the old one in it. What comes from
// elsewhere is not known, and cannot be changed; what comes with a ConfigMap is
// taken from it by a variable of our own.
func (in *injection) change(name string, with func(old string) string) error {
	if v := variable(in.container, name); v != nil {
		if v.ValueFrom != nil {
			return &refused{ValueFromElsewhere, fmt.Sprintf("variable %s comes from elsewhere (valueFrom), so nothing can be added to it: write its value into the pod", name)}
		}
		v.Value = with(v.Value)
		return nil
	}
	if key := in.sourced(name); key != nil {
		original := originalPrefix + name
		in.container.Env = append(in.container.Env,
			corev1.EnvVar{Name: original, ValueFrom: &corev1.EnvVarSource{ConfigMapKeyRef: key}},
			corev1.EnvVar{Name: name, Value: with("$(" + original + ")")})
		return nil
	}
	in.created = append(in.created, name)
	in.container.Env = append(in.container.Env, corev1.EnvVar{Name: name, Value: with("")})
	return nil
}

// appended is a change that puts a value behind the old one, once.
func appended(value, separator string) func(string) string {
	return func(old string) string {
		switch {
		case strings.Contains(old, value):
			return old
		case old == "":
			return value
		}
		return old + separator + value
	}
}

// addresses come first, so that all others can refer to them.
func (in *injection) addresses() {
	var first []corev1.EnvVar
	for _, v := range []corev1.EnvVar{field("OTEL_NODE_IP", "status.hostIP"), field("OTEL_POD_IP", "status.podIP")} {
		if !in.has(v.Name) {
			first = append(first, v)
		}
	}
	in.container.Env = append(first, in.container.Env...)
}

// common is the environment of every language: own variables of the container
// come before those of its resource for the language, these before those for
// all languages, and these before what is generated. Early is what a language
// puts before those for all languages, late what it puts behind.
func (in *injection) common(early, late func() error) error {
	in.addresses()
	in.add(in.payload(in.spec()).Env...)
	if early != nil {
		if err := early(); err != nil {
			return err
		}
	}
	in.add(in.spec().Env...)
	if late != nil {
		if err := late(); err != nil {
			return err
		}
	}
	return in.telemetry()
}

// telemetry tells an SDK who it speaks for, to whom, and of what.
func (in *injection) telemetry() error {
	attributes, service := in.attributes()
	in.literally(serviceVariable, service)
	in.send()
	in.checkEndpoints()
	if err := in.certificates(); err != nil {
		return err
	}
	in.add(field(podNameVariable, "metadata.name"))
	if in.spec().Resource.AddK8sUIDAttributes {
		in.add(field(podUIDVariable, "metadata.uid"))
	}
	in.add(field(nodeNameVariable, "spec.nodeName"))
	if p := in.spec().Propagators; len(p) > 0 {
		names := make([]string, len(p))
		for i, name := range p {
			names[i] = string(name)
		}
		in.literally("OTEL_PROPAGATORS", strings.Join(names, ","))
	}
	const sampler, argument = "OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG"
	if s := in.spec().Sampler; s.Type != "" && !in.has(sampler) && !in.has(argument) {
		in.literally(sampler, string(s.Type))
		if s.Argument != "" {
			in.literally(argument, s.Argument)
		}
	}
	in.describe(attributes)
	return nil
}

// describe adds attributes to OTEL_RESOURCE_ATTRIBUTES, which goes to the end,
// behind the variables that it refers to.
func (in *injection) describe(attributes map[string]string) {
	c := in.container
	own := variable(c, attributesVariable)
	switch {
	case own == nil && in.sourced(attributesVariable) != nil, own != nil && own.ValueFrom != nil:
		in.note("container %s has %s from elsewhere, so no resource attributes are added to it, and a service.name in it does not count", c.Name, attributesVariable)
		return
	case own == nil:
		in.add(corev1.EnvVar{Name: attributesVariable, Value: attributeList(attributes)})
		return
	}
	v := *own
	if old := strings.TrimRight(v.Value, ", "); len(attributes) > 0 {
		v.Value = strings.TrimPrefix(old+","+attributeList(attributes), ",")
	}
	c.Env = append(slices.DeleteFunc(c.Env, func(v corev1.EnvVar) bool { return v.Name == attributesVariable }), v)
}

// attributes are the resource attributes that the container does not have by
// itself, written as in OTEL_RESOURCE_ATTRIBUTES, and the name of the service.
func (in *injection) attributes() (attributes map[string]string, service string) {
	spec, pod, own := in.spec(), in.pod, in.ownAttributes()
	attributes = map[string]string{}
	for key, value := range spec.Resource.Attributes {
		attributes[attributeText(key)] = attributeText(value)
	}
	uids := spec.Resource.AddK8sUIDAttributes
	maps.Copy(attributes, ownerAttributes(in.facts.Owners, uids))
	attributes["k8s.namespace.name"] = attributeText(in.namespace.Name)
	attributes["k8s.container.name"] = attributeText(in.container.Name)
	attributes["k8s.pod.name"] = "$(" + podNameVariable + ")"
	attributes["k8s.node.name"] = "$(" + nodeNameVariable + ")"
	if uids {
		attributes["k8s.pod.uid"] = "$(" + podUIDVariable + ")"
	}
	attributes["service.instance.id"] = fmt.Sprintf("%s.$(%s).%s", attributeText(in.namespace.Name), podNameVariable, attributeText(in.container.Name))
	attributes["service.namespace"] = attributeText(in.namespace.Name)
	if version := in.version(); version != "" {
		attributes["service.version"] = attributeText(version)
	}
	asked := map[string]string{}
	for key, value := range pod.Annotations {
		if key, ok := strings.CutPrefix(key, v1beta1.ResourceAttributePrefix); ok {
			asked[key] = value
			attributes[attributeText(key)] = attributeText(value)
		}
	}
	service = in.service(own["service.name"], asked["service.name"], spec.Resource.Attributes["service.name"])
	delete(attributes, "service.name") // OTEL_SERVICE_NAME has it
	for key := range own {
		delete(attributes, key)
	}
	return attributes, service
}

// ownAttributes are those that the container sets by itself.
func (in *injection) ownAttributes() map[string]string {
	own := map[string]string{}
	v := variable(in.container, attributesVariable)
	if v == nil {
		return own
	}
	for pair := range strings.SplitSeq(v.Value, ",") {
		if key, value, ok := strings.Cut(pair, "="); ok {
			value = strings.TrimSpace(value)
			if text, err := url.PathUnescape(value); err == nil {
				value = text
			}
			own[strings.TrimSpace(key)] = value
		}
	}
	return own
}

// service is the name of the service: what somebody wrote, else what the pod
// belongs to.
func (in *injection) service(written ...string) string {
	for _, name := range written {
		if name != "" {
			return name
		}
	}
	if in.spec().Defaults.UseLabelsForResourceAttributes {
		for _, label := range []string{v1beta1.LabelInstance, v1beta1.LabelName} {
			if name := in.before.Labels[label]; name != "" {
				return name
			}
		}
	}
	for _, kind := range []string{"Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "CronJob", "Job"} {
		for _, o := range in.facts.Owners {
			if o.Kind == kind {
				return o.Name
			}
		}
	}
	if in.pod.Name != "" {
		return in.pod.Name
	}
	return in.container.Name
}

// version is that of the service: the label where it counts, else what the image
// says.
func (in *injection) version() string {
	if in.spec().Defaults.UseLabelsForResourceAttributes {
		if v := in.before.Labels[v1beta1.LabelVersion]; v != "" {
			return v
		}
	}
	ref, digest, _ := strings.Cut(in.container.Image, "@")
	tag := ""
	if i := strings.LastIndex(ref, ":"); i > strings.LastIndex(ref, "/") {
		tag = ref[i+1:]
	}
	switch {
	case digest == "":
		return tag
	case tag == "":
		return digest
	}
	return tag + "@" + digest
}

// certificates mount those of the exporter and say where they are. What is
// mounted may be missing: the program starts without.
func (in *injection) certificates() error {
	tls := in.spec().Exporter.TLS
	if tls == nil {
		return nil
	}
	optional := true
	secret, bundle := tls.SecretName, tls.ConfigMapName
	if secret != "" {
		if err := in.mount(corev1.Volume{Name: cut(secretVolume + secret), VolumeSource: corev1.VolumeSource{
			Secret: &corev1.SecretVolumeSource{SecretName: secret, Optional: &optional},
		}}, secretFolder(secret)); err != nil {
			return err
		}
	}
	if bundle != "" {
		if err := in.mount(corev1.Volume{Name: cut(bundleVolume + bundle), VolumeSource: corev1.VolumeSource{
			ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: bundle}, Optional: &optional},
		}}, bundleFolder(bundle)); err != nil {
			return err
		}
	}
	if slices.Contains(in.facts.NoConfigMaps, bundle) {
		in.note("namespace %s has no ConfigMap %s, which has the certificate of whom the exporter trusts: make it, and start the pod again", in.namespace.Name, bundle)
	}
	in.certificate("OTEL_EXPORTER_OTLP_CERTIFICATE", tls.CA, tls, true)
	in.certificate("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", tls.Cert, tls, false)
	in.certificate("OTEL_EXPORTER_OTLP_CLIENT_KEY", tls.Key, tls, false)
	return nil
}

// Beginnings of the names of volumes with certificates.
const (
	secretVolume = "otel-auto-secret-"
	bundleVolume = "otel-auto-configmap-"
)

func secretFolder(name string) string { return "/otel-auto-instrumentation-secret-" + name }
func bundleFolder(name string) string { return "/otel-auto-instrumentation-configmap-" + name }

// certificate says where one file is: a path as it is, a name in what is
// mounted.
func (in *injection) certificate(name, file string, tls *v1alpha1.ExporterTLS, authority bool) {
	switch {
	case file == "":
		return
	case strings.HasPrefix(file, "/"):
	case authority && tls.ConfigMapName != "":
		file = bundleFolder(tls.ConfigMapName) + "/" + file
	case tls.SecretName != "":
		file = secretFolder(tls.SecretName) + "/" + file
	default:
		return
	}
	in.literally(name, file)
}

// cut is as much of a name as volumes have.
func cut(name string) string {
	if len(name) > 63 {
		name = strings.TrimRight(name[:63], "-.")
	}
	return strings.ReplaceAll(name, ".", "-")
}

// mount adds a volume to the pod and mounts it in the container, once; read-only
// where it holds what somebody else made. It refuses to take the place of what
// the pod's author has under the same name or at the same path: the agent would
// look for its files there.
func (in *injection) mount(v corev1.Volume, path string) error {
	return in.mountPart(v, path, "")
}

// mountPart mounts a folder of a volume.
func (in *injection) mountPart(v corev1.Volume, path, folder string) error {
	if err := addVolume(&in.pod.Spec, v); err != nil {
		return err
	}
	for _, m := range in.container.VolumeMounts {
		switch {
		case m.MountPath == path && m.Name == v.Name:
			return nil
		case m.MountPath == path:
			return &refused{NameTaken, fmt.Sprintf("container %s has volume %s at %s, where what %s needs would be: mount it elsewhere", in.container.Name, m.Name, path, in.kind)}
		}
	}
	in.container.VolumeMounts = append(in.container.VolumeMounts, corev1.VolumeMount{
		Name: v.Name, MountPath: path, SubPath: folder, ReadOnly: v.Secret != nil || v.ConfigMap != nil || v.Image != nil,
	})
	return nil
}
