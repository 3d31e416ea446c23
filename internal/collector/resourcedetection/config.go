package resourcedetection

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/collector/config/confighttp"
	"go.opentelemetry.io/collector/confmap"
)

// Config is the configuration, with the keys and defaults of contrib's
// processor.
type Config struct {
	// Detectors run at the same time; where two find the same attribute, the
	// one named first wins.
	Detectors []string `mapstructure:"detectors"`
	// Override says whether a detected attribute replaces one that the data
	// has already.
	Override bool `mapstructure:"override"`
	// Attributes, when there are any, are the only ones that are added. Contrib
	// had this key until resource_attributes came.
	Attributes []string `mapstructure:"attributes"`
	// RefreshInterval is how often to detect again, 0 for never.
	RefreshInterval time.Duration `mapstructure:"refresh_interval"`
	// FailOnMissingMetadata refuses data as long as a detector cannot answer,
	// instead of passing it on without the attributes.
	FailOnMissingMetadata bool `mapstructure:"fail_on_missing_metadata"`
	// ClientConfig has the timeout of the detection. Its other keys are taken
	// as contrib takes them, and serve no detector of this build.
	ClientConfig confighttp.ClientConfig `mapstructure:",squash"`

	System  SystemConfig     `mapstructure:"system"`
	Docker  DockerConfig     `mapstructure:"docker"`
	GCP     GCPConfig        `mapstructure:"gcp"`
	K8sAPI  KubernetesConfig `mapstructure:"k8s_api"`
	K8sNode KubernetesConfig `mapstructure:"k8snode"` // the former name of k8s_api
	Kubeadm KubeadmConfig    `mapstructure:"kubeadm"`
}

// Attribute says whether one attribute is written.
type Attribute struct {
	Enabled bool `mapstructure:"enabled"`
}

// Attributes are those that a detector can find, by name.
type Attributes map[string]Attribute

// SystemConfig is the configuration of detector system.
type SystemConfig struct {
	// HostnameSources are asked in this order: dns, os, cname, lookup.
	HostnameSources    []string   `mapstructure:"hostname_sources"`
	ResourceAttributes Attributes `mapstructure:"resource_attributes"`
}

// DockerConfig is the configuration of detector docker.
type DockerConfig struct {
	ResourceAttributes Attributes `mapstructure:"resource_attributes"`
}

// GCPConfig is the configuration of detector gcp.
type GCPConfig struct {
	// Labels are regular expressions: the labels of the instance whose keys
	// match become attributes gcp.gce.instance.labels.KEY.
	Labels             []string   `mapstructure:"labels"`
	ResourceAttributes Attributes `mapstructure:"resource_attributes"`
}

// KubernetesConfig is the configuration of detector k8s_api.
type KubernetesConfig struct {
	APIConfig `mapstructure:",squash"`
	// NodeFromEnvVar is the environment variable that holds the node's name.
	NodeFromEnvVar     string     `mapstructure:"node_from_env_var"`
	ResourceAttributes Attributes `mapstructure:"resource_attributes"`
}

// KubeadmConfig is the configuration of detector kubeadm.
type KubeadmConfig struct {
	APIConfig          `mapstructure:",squash"`
	ResourceAttributes Attributes `mapstructure:"resource_attributes"`
}

// APIConfig says how to reach the Kubernetes API.
type APIConfig struct {
	// AuthType is none, serviceAccount or kubeConfig.
	AuthType string `mapstructure:"auth_type"`
	// Context is the one of the kubeconfig file to use, "" for its current.
	Context string `mapstructure:"context"`
	// KubeAPIQPS and KubeAPIBurst bound the requests; 0 is client-go's default.
	KubeAPIQPS   float32 `mapstructure:"kube_api_qps"`
	KubeAPIBurst int     `mapstructure:"kube_api_burst"`
}

func newDefaultConfig() *Config {
	client := confighttp.NewDefaultClientConfig()
	client.Timeout = 5 * time.Second
	kubernetes := func() KubernetesConfig {
		return KubernetesConfig{
			APIConfig:          APIConfig{AuthType: authServiceAccount},
			NodeFromEnvVar:     "K8S_NODE_NAME",
			ResourceAttributes: maps.Clone(kubernetesAttributes),
		}
	}
	return &Config{
		Detectors:    []string{"env"},
		Override:     true,
		ClientConfig: client,
		System: SystemConfig{
			HostnameSources:    []string{"dns", "os"},
			ResourceAttributes: maps.Clone(systemAttributes),
		},
		Docker:  DockerConfig{ResourceAttributes: maps.Clone(dockerAttributes)},
		GCP:     GCPConfig{ResourceAttributes: maps.Clone(gcpAttributes)},
		K8sAPI:  kubernetes(),
		K8sNode: kubernetes(),
		Kubeadm: KubeadmConfig{
			APIConfig:          APIConfig{AuthType: authServiceAccount},
			ResourceAttributes: maps.Clone(kubeadmAttributes),
		},
	}
}

// elsewhere are contrib's detectors that this build does not have, and the key
// of their configuration.
var elsewhere = map[string]string{
	"akamai": "akamai", "aks": "aks", "alibaba_ecs": "alibaba_ecs", "azure": "azure",
	"consul": "consul", "digitalocean": "digitalocean", "dynatrace": "dynatrace", "ec2": "ec2",
	"ecs": "ecs", "eks": "eks", "elastic_beanstalk": "elasticbeanstalk", "heroku": "heroku",
	"hetzner": "hetzner", "ibmcloud_classic": "ibmcloud_classic", "ibmcloud_vpc": "ibmcloud_vpc",
	"lambda": "lambda", "nova": "nova", "openshift": "openshift", "oraclecloud": "oraclecloud",
	"scaleway": "scaleway", "tencent_cvm": "tencent_cvm", "upcloud": "upcloud", "vultr": "vultr",
}

// aliases are the names under which contrib had, or has, a detector of this
// build: gce and gke became gcp.
var aliases = map[string]string{"gce": "gcp", "gke": "gcp", "k8s_node": "k8snode"}

// Unmarshal leaves the sections of detectors out that this build does not have.
// Warnings says so, when one of them is to run.
func (c *Config) Unmarshal(conf *confmap.Conf) error {
	mine := confmap.New()
	if err := mine.Merge(conf); err != nil {
		return err
	}
	for _, key := range elsewhere {
		mine.Delete(key)
	}
	type plain Config // without this method
	if err := mine.Unmarshal((*plain)(c)); err != nil {
		return err
	}
	for i, name := range c.Detectors {
		c.Detectors[i] = strings.TrimSpace(name)
	}
	return nil
}

// Validate finds detectors that nobody knows.
func (c *Config) Validate() error {
	var errs []error
	for i, name := range c.Detectors {
		_, former := aliases[name]
		_, absent := elsewhere[name]
		if _, ok := detectors[name]; !ok && !former && !absent {
			errs = append(errs, fmt.Errorf("detectors::%d: unknown detector %q; known are %s", i, name, list(detectors)))
		}
	}
	if c.ClientConfig.Timeout <= 0 {
		errs = append(errs, fmt.Errorf("timeout: %v is no time to detect anything in; want more than 0", c.ClientConfig.Timeout))
	}
	if c.RefreshInterval < 0 {
		errs = append(errs, fmt.Errorf("refresh_interval: %v is negative; want 0 for never, or more", c.RefreshInterval))
	}
	return errors.Join(errs...)
}

// Warnings says what is valid and will not do what it says.
func (c *Config) Warnings() []string {
	var all []string
	for i, name := range c.Detectors {
		if _, ok := elsewhere[name]; ok {
			all = append(all, fmt.Sprintf("detectors::%d: detector %q is not in this build and finds nothing; name the attributes in the environment variable OTEL_RESOURCE_ATTRIBUTES and use detector env", i, name))
		}
	}
	return all
}

// hostnameSources are the values of hostname_sources, and what they ask.
var hostnameSources = map[string]func() (string, error){
	"os": osName, "dns": fullName, "cname": canonicalName, "lookup": reverseName,
}

// Validate finds sources of the host's name, and attributes, that do not exist.
func (c *SystemConfig) Validate() error {
	errs := []error{c.ResourceAttributes.within(systemAttributes)}
	for i, source := range c.HostnameSources {
		if hostnameSources[source] == nil {
			errs = append(errs, fmt.Errorf("hostname_sources::%d: unknown source %q; known are %s", i, source, list(hostnameSources)))
		}
	}
	return errors.Join(errs...)
}

// Validate finds attributes that do not exist.
func (c *DockerConfig) Validate() error { return c.ResourceAttributes.within(dockerAttributes) }

// Validate finds attributes that do not exist, and labels that are no regular
// expressions.
func (c *GCPConfig) Validate() error {
	errs := []error{c.ResourceAttributes.within(gcpAttributes)}
	for i, label := range c.Labels {
		if _, err := regexp.Compile(label); err != nil {
			errs = append(errs, fmt.Errorf("labels::%d: %w", i, err))
		}
	}
	return errors.Join(errs...)
}

// Validate finds attributes and ways to reach the API that do not exist.
func (c *KubernetesConfig) Validate() error {
	return errors.Join(c.ResourceAttributes.within(kubernetesAttributes), c.APIConfig.validate())
}

// Validate finds attributes and ways to reach the API that do not exist.
func (c *KubeadmConfig) Validate() error {
	return errors.Join(c.ResourceAttributes.within(kubeadmAttributes), c.APIConfig.validate())
}

func (c APIConfig) validate() error {
	switch c.AuthType {
	case authNone, authServiceAccount, authKubeConfig:
	default:
		return fmt.Errorf("auth_type: unknown %q; known are %s, %s and %s", c.AuthType, authNone, authServiceAccount, authKubeConfig)
	}
	if c.KubeAPIQPS < 0 || c.KubeAPIBurst < 0 {
		return errors.New("kube_api_qps and kube_api_burst must not be negative")
	}
	return nil
}

// within is an error for attributes that are not among known.
func (a Attributes) within(known Attributes) error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(a)) {
		if _, ok := known[name]; !ok {
			errs = append(errs, fmt.Errorf("resource_attributes::%s: this detector does not find it; it finds %s", name, list(known)))
		}
	}
	return errors.Join(errs...)
}

// list names the keys of a map.
func list[V any](m map[string]V) string {
	return strings.Join(slices.Sorted(maps.Keys(m)), ", ")
}
