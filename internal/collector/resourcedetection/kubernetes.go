package resourcedetection

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"

	"go.uber.org/zap"
	"go.yaml.in/yaml/v3"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// How to authenticate to the Kubernetes API.
const (
	authNone           = "none"
	authServiceAccount = "serviceAccount"
	authKubeConfig     = "kubeConfig"
)

// kubernetesAttributes are those of detector k8s_api, and the defaults.
var kubernetesAttributes = Attributes{
	"k8s.cluster.uid": {Enabled: true}, "k8s.node.name": {Enabled: true}, "k8s.node.uid": {Enabled: true},
}

// kubeadmAttributes are those of detector kubeadm, and the defaults.
var kubeadmAttributes = Attributes{"k8s.cluster.name": {Enabled: true}, "k8s.cluster.uid": {Enabled: true}}

// detect asks the API for the node that the environment names.
func (c *KubernetesConfig) detect(ctx context.Context, to found) error {
	name := os.Getenv(c.NodeFromEnvVar)
	if name == "" && (to.wants("k8s.node.name") || to.wants("k8s.node.uid")) {
		return fmt.Errorf("environment variable %s, the node's name, is not set; set it from the field spec.nodeName of the pod", c.NodeFromEnvVar)
	}
	to.put("k8s.node.name", name)
	api, err := c.APIConfig.client()
	if err != nil {
		return err
	}
	if to.wants("k8s.node.uid") {
		node, err := api.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return fmt.Errorf("asking for node %s: %w", name, err)
		}
		to.put("k8s.node.uid", string(node.UID))
	}
	return clusterUID(ctx, api, to)
}

// clusterUID puts the id of the cluster: that of its namespace kube-system,
// which lives as long as the cluster does.
func clusterUID(ctx context.Context, api kubernetes.Interface, to found) error {
	if !to.wants("k8s.cluster.uid") {
		return nil
	}
	system, err := api.CoreV1().Namespaces().Get(ctx, metav1.NamespaceSystem, metav1.GetOptions{})
	if apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err) {
		// As many clusters grant it: the attribute came later than the role.
		to.log.Warn("the service account may not get namespace kube-system: no k8s.cluster.uid", zap.Error(err))
		return nil
	}
	if err != nil {
		return fmt.Errorf("asking for namespace %s: %w", metav1.NamespaceSystem, err)
	}
	to.put("k8s.cluster.uid", string(system.UID))
	return nil
}

// detect asks the API for what kubeadm wrote down when it made the cluster.
func (c *KubeadmConfig) detect(ctx context.Context, to found) error {
	api, err := c.APIConfig.client()
	if err != nil {
		return err
	}
	if to.wants("k8s.cluster.name") {
		written, err := api.CoreV1().ConfigMaps(metav1.NamespaceSystem).Get(ctx, "kubeadm-config", metav1.GetOptions{})
		if err != nil {
			return fmt.Errorf("asking for kubeadm's configuration: %w", err)
		}
		var cluster struct {
			Name string `yaml:"clusterName"`
		}
		if err := yaml.Unmarshal([]byte(written.Data["ClusterConfiguration"]), &cluster); err != nil {
			return fmt.Errorf("reading kubeadm's configuration: %w", err)
		}
		to.put("k8s.cluster.name", cluster.Name)
	}
	return clusterUID(ctx, api, to)
}

// client is a client of the API. A proxy of the environment is for the outside,
// the API is inside the cluster.
func (c APIConfig) client() (kubernetes.Interface, error) {
	config, err := c.restConfig()
	if err != nil {
		return nil, fmt.Errorf("looking for the Kubernetes API: %w", err)
	}
	config.Proxy = noProxy
	config.QPS, config.Burst = c.KubeAPIQPS, c.KubeAPIBurst
	return kubernetes.NewForConfig(config)
}

func (c APIConfig) restConfig() (*rest.Config, error) {
	switch c.AuthType {
	case authKubeConfig:
		return clientcmd.NewNonInteractiveDeferredLoadingClientConfig(
			clientcmd.NewDefaultClientConfigLoadingRules(),
			&clientcmd.ConfigOverrides{CurrentContext: c.Context}).ClientConfig()
	case authNone:
		host, port := os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT")
		if host == "" || port == "" {
			return nil, errors.New("KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set")
		}
		return &rest.Config{Host: "https://" + net.JoinHostPort(host, port), TLSClientConfig: rest.TLSClientConfig{Insecure: true}}, nil
	}
	return rest.InClusterConfig()
}

func noProxy(*http.Request) (*url.URL, error) { return nil, nil }
