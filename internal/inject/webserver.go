package inject

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/signalbox-otel/signalbox/api/v1alpha1"
)

// Names of what the web servers' agents need. Those of a second web server in
// one pod end in the name of its container.
const (
	webServerClone = "otel-agent-source-container-clone"
	apacheAttach   = "otel-agent-attach-apache"
	nginxAttach    = "otel-agent-attach-nginx"

	// Volumes.
	apacheAgentVolume = "otel-apache-agent"
	apacheConfVolume  = "otel-apache-conf-dir"
	nginxAgentVolume  = "otel-nginx-agent"
	nginxConfVolume   = "otel-nginx-conf-dir"

	webServerFolder = "/opt/opentelemetry-webserver"
	agentFolder     = webServerFolder + "/agent"
	sourceFolder    = webServerFolder + "/source-conf"

	// instancePlaceholder stands for the name of the pod, which is not known when
	// the configuration is written.
	instancePlaceholder = "<<SID-PLACEHOLDER>>"
)

// webServer is what Apache and nginx differ in: their agents are modules, told of
// by files, so that an init container of the app's own image copies its
// configuration, and a second one writes the module into the copy.
type webServer struct {
	attach         string // name of the second init container
	agent, config  string // names of the volumes
	folder         string // of the configuration, in the app
	clone, install string // scripts; what follows are their arguments
	arguments      []string
	textVariable   string // has the agent's own configuration
	nameVariable   string // has the name of the pod
	text           string
	resources      corev1.ResourceRequirements
	payload        *v1alpha1.Payload
}

// copyScript copies the app's configuration.
const copyScript = `set -e; cp -r "$1"/. ` + sourceFolder

// agentScript copies the agent and fills in where it logs.
const agentScript = `set -e
cp -r /opt/opentelemetry/. ` + agentFolder + `
for template in ` + agentFolder + `/conf/*log4cxx.xml.template; do
  if [ -f "$template" ]; then sed 's,__agent_log_dir__,` + agentFolder + `/logs,g' "$template" > "${template%.template}"; fi
done
`

// apacheScript writes the agent's configuration and includes it.
const apacheScript = agentScript + `printf '%s\n' "$OTEL_APACHE_AGENT_CONF" | sed "s/` + instancePlaceholder + `/$APACHE_SERVICE_INSTANCE_ID/g" > ` + sourceFolder + `/opentemetry_agent.conf
printf '\nInclude %s/opentemetry_agent.conf\n' "$1" >> ` + sourceFolder + `/httpd.conf
`

// nginxCopyScript also notes the server's version, which the module depends on.
const nginxCopyScript = copyScript + `; version=$(nginx -v 2>&1); version="${version##*/}"; printf '%s\n' "${version%% *}" > ` + sourceFolder + `/version.txt`

// nginxScript writes the agent's configuration where nginx includes it, and loads
// the module at the top of the main file.
const nginxScript = agentScript + `version=$(cat ` + sourceFolder + `/version.txt)
mkdir -p ` + sourceFolder + `/conf.d
printf '%s\n' "$OTEL_NGINX_AGENT_CONF" | sed "s/` + instancePlaceholder + `/$OTEL_NGINX_SERVICE_INSTANCE_ID/g" > ` + sourceFolder + `/conf.d/opentelemetry_agent.conf
sed -i "1s,^,env OTEL_RESOURCE_ATTRIBUTES;\nload_module ` + agentFolder + `/WebServerModule/Nginx/$version/ngx_http_opentelemetry_module.so;\n," ` + sourceFolder + `/"$1"
`

func addApache(in *injection) error {
	spec := in.spec().ApacheHttpd
	folder := strings.TrimRight(spec.ConfigPath, "/")
	lib := agentFolder + "/sdk_lib/lib/libopentelemetry_"
	var text strings.Builder
	for _, name := range []string{"common", "resources", "trace", "otlp_recordable", "exporter_ostream_span", "exporter_otlp_grpc", "webserver_sdk"} {
		fmt.Fprintf(&text, "LoadFile %s%s.so\n", lib, name)
	}
	suffix := ""
	if spec.Version == "2.2" {
		suffix = "22"
	}
	fmt.Fprintf(&text, "LoadModule otel_apache_module %s/WebServerModule/Apache/libmod_apache_otel%s.so\n", agentFolder, suffix)
	in.directives(&text, "ApacheModule", "", spec.Attrs)
	return in.module(&webServer{
		attach: apacheAttach, agent: apacheAgentVolume, config: apacheConfVolume, folder: folder,
		clone: copyScript, install: apacheScript, arguments: []string{folder},
		textVariable: "OTEL_APACHE_AGENT_CONF", nameVariable: "APACHE_SERVICE_INSTANCE_ID", text: text.String(),
		resources: spec.Resources, payload: &spec.Payload,
	}, nil)
}

func addNginx(in *injection) error {
	spec := in.spec().Nginx
	var text strings.Builder
	in.directives(&text, "NginxModule", ";", spec.Attrs)
	return in.module(&webServer{
		attach: nginxAttach, agent: nginxAgentVolume, config: nginxConfVolume, folder: path.Dir(spec.ConfigFile),
		clone: nginxCopyScript, install: nginxScript, arguments: []string{path.Base(spec.ConfigFile)},
		textVariable: "OTEL_NGINX_AGENT_CONF", nameVariable: "OTEL_NGINX_SERVICE_INSTANCE_ID", text: text.String(),
		resources: spec.Resources, payload: &spec.Payload,
	}, func() error {
		return in.change("LD_LIBRARY_PATH", appended(agentFolder+"/sdk_lib/lib", ":"))
	})
}

// directives configure the module: what is generated, and what the resource says
// instead or besides.
func (in *injection) directives(text *strings.Builder, prefix, end string, attrs []corev1.EnvVar) {
	_, service := in.attributes()
	if v := variable(in.container, serviceVariable); v != nil && v.ValueFrom == nil {
		service = v.Value
	}
	endpoint := cmp.Or(in.endpoint(), "http://localhost:4317/")
	all := map[string]string{
		prefix + "Enabled": "ON", prefix + "OtelSpanExporter": "otlp", prefix + "OtelExporterEndpoint": endpoint, prefix + "ResolveBackends": "ON",
		prefix + "ServiceInstanceId": instancePlaceholder, prefix + "ServiceName": service, prefix + "ServiceNamespace": in.namespace.Name, prefix + "TraceAsError": "ON",
	}
	for _, a := range attrs {
		all[a.Name] = a.Value
	}
	for _, key := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(text, "%s %s%s\n", key, quoted(all[key]), end)
	}
}

// quoted is a value as a web server's configuration has it, in quotes where it
// could be read as more than one.
func quoted(value string) string {
	if !strings.ContainsAny(value, " \t\r\n;{}'\"\\#$") {
		return value
	}
	return `"` + strings.NewReplacer("\r", "", "\n", " ", `\`, `\\`, `"`, `\"`).Replace(value) + `"`
}

// module adds the two init containers and their volumes for one web server.
func (in *injection) module(w *webServer, early func() error) error {
	if in.isInit() {
		return &refused{InitContainer, fmt.Sprintf("an init container is no web server: name the one that runs %s", in.kind)}
	}
	app := in.container.DeepCopy() // as it was, for the clone
	if err := in.common(early, nil); err != nil {
		return err
	}
	suffix := ""
	if slices.ContainsFunc(in.pod.Spec.InitContainers, func(c corev1.Container) bool { return c.Name == webServerClone }) {
		suffix = "-" + in.container.Name
	}
	agent, config := volume(cut(w.agent+suffix), w.payload), volume(cut(w.config+suffix), w.payload)
	clone := corev1.Container{
		Name: cut(webServerClone + suffix), Image: app.Image, ImagePullPolicy: app.ImagePullPolicy, Env: app.Env, EnvFrom: app.EnvFrom,
		Command: []string{"/bin/sh", "-c", w.clone, "sh", w.folder}, Resources: w.resources,
		VolumeMounts: append(slices.Clone(app.VolumeMounts), corev1.VolumeMount{Name: config.Name, MountPath: sourceFolder}),
	}
	attach := corev1.Container{
		Name: cut(w.attach + suffix), Image: w.payload.Image, Env: in.attachEnvironment(w), Resources: w.resources,
		Command: append([]string{"/bin/sh", "-c", w.install, "sh"}, w.arguments...),
		VolumeMounts: []corev1.VolumeMount{
			{Name: agent.Name, MountPath: agentFolder}, {Name: config.Name, MountPath: sourceFolder},
		},
	}
	in.prepend(clone)
	in.prepend(attach)
	if gone := in.unmount(w.folder); len(gone) > 0 {
		in.note("what container %s mounts at %s is copied, and changes reach it when the pod starts again", in.container.Name, strings.Join(gone, ", "))
	}
	if err := in.mount(agent, agentFolder); err != nil {
		return err
	}
	return in.mount(config, w.folder)
}

// attachEnvironment is that of the container that writes the module.
func (in *injection) attachEnvironment(w *webServer) []corev1.EnvVar {
	own := *in
	own.container = new(corev1.Container)
	own.add(w.payload.Env...)
	own.add(in.spec().Env...)
	own.add(field("OTEL_POD_IP", "status.podIP"), field("OTEL_NODE_IP", "status.hostIP"))
	own.add(corev1.EnvVar{Name: w.textVariable, Value: literal(w.text)}, field(w.nameVariable, "metadata.name"))
	return own.container.Env
}

// unmount takes off what the container mounts in a folder, which another volume
// holds a copy of, and says where it was.
func (in *injection) unmount(folder string) []string {
	var gone []string
	in.container.VolumeMounts = slices.DeleteFunc(in.container.VolumeMounts, func(m corev1.VolumeMount) bool {
		inside := m.MountPath == folder || strings.HasPrefix(m.MountPath, folder+"/")
		if inside {
			gone = append(gone, m.MountPath)
		}
		return inside
	})
	return gone
}
