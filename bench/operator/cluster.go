package main

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signalbox-otel/signalbox/api/crds"
	"github.com/signalbox-otel/signalbox/bench/process"
	"github.com/signalbox-otel/signalbox/e2e/kube"
	"github.com/signalbox-otel/signalbox/internal/operator/needs"
)

// bench is a cluster in which the operator is installed, but does not run.
type bench struct {
	cluster *kube.Cluster
	admin   *rest.Config
	client  client.WithWatch // the administrator's, without limits
	proxy   *proxy
	binary  string
	dir     string
	keep    bool // profiles and logs, in dir
	ports   ports
	running *program // nil before the first
	table   table
}

// ports are those of the operator.
type ports struct{ webhooks, metrics, health, profiles int }

func start(ctx context.Context, binary, dir string, keep bool) (*bench, error) {
	progress("starting a cluster")
	cluster, err := kube.Light(ctx, filepath.Join(dir, "cluster"), 4)
	if err != nil {
		return nil, err
	}
	b := &bench{cluster: cluster, binary: binary, dir: dir, keep: keep}
	if err := b.prepare(ctx); err != nil {
		return nil, fmt.Errorf("preparing the cluster: %w (stopping it: %v)", err, b.stop())
	}
	return b, nil
}

func (b *bench) stop() error {
	var err error
	if b.running != nil {
		err = b.running.stop()
	}
	if b.proxy != nil {
		b.proxy.CloseClientConnections()
		b.proxy.Close()
	}
	return errors.Join(err, b.cluster.Stop())
}

// prepare makes what an installation makes, but for the operator.
func (b *bench) prepare(ctx context.Context) error {
	var err error
	if b.admin, err = clientcmd.BuildConfigFromFlags("", b.cluster.Kubeconfig); err != nil {
		return err
	}
	b.admin.QPS = -1
	if b.client, err = client.NewWithWatch(b.admin, client.Options{}); err != nil {
		return err
	}
	if b.proxy, err = newProxy(b.admin); err != nil {
		return err
	}
	if b.ports, err = freePorts(); err != nil {
		return err
	}
	account := needs.Namespace + ":" + needs.Deployment
	for _, args := range [][]string{
		{"create", "namespace", needs.Namespace},
		{"create", "serviceaccount", "-n", needs.Namespace, needs.Deployment},
		{"create", "clusterrolebinding", "operator", "--clusterrole=operator", "--serviceaccount=" + account},
		{"create", "rolebinding", "operator", "-n", needs.Namespace, "--role=operator", "--serviceaccount=" + account},
	} {
		if _, err := b.cluster.Kubectl(ctx, "", args...); err != nil {
			return err
		}
	}
	if err := b.apply(ctx, role("ClusterRole", needs.Rights()), role("Role", needs.NamespaceRights())); err != nil {
		return err
	}
	if err := b.definitions(ctx); err != nil {
		return err
	}
	if err := b.apply(ctx, b.webhooks(true, false), b.webhooks(false, false)); err != nil {
		return err
	}
	return b.kubeconfig(ctx)
}

// apply applies objects.
func (b *bench) apply(ctx context.Context, objects ...map[string]any) error {
	text, err := json.Marshal(map[string]any{"apiVersion": "v1", "kind": "List", "items": objects})
	if err != nil {
		return err
	}
	_, err = b.cluster.Kubectl(ctx, string(text), "apply", "--server-side", "-f", "-")
	return err
}

func role(kind string, rules []rbacv1.PolicyRule) map[string]any {
	return map[string]any{
		"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "rules": rules,
		"metadata": map[string]any{"name": "operator", "namespace": needs.Namespace},
	}
}

// url is where the API server, which is outside too, reaches a webhook.
func (b *bench) url(path string) string {
	return fmt.Sprintf("https://127.0.0.1:%d%s", b.ports.webhooks, path)
}

func (b *bench) definitions(ctx context.Context) error {
	definitions, err := crds.WithConversion(needs.Namespace)
	if err != nil {
		return err
	}
	for _, d := range definitions {
		if d.GetName() == needs.CollectorCRD {
			conversion := d.Object["spec"].(map[string]any)["conversion"].(map[string]any)["webhook"].(map[string]any)
			conversion["clientConfig"] = map[string]any{"url": b.url(needs.ConvertPath)}
		}
		if err := b.apply(ctx, d.Object); err != nil {
			return err
		}
		// kubectl cannot wait for a condition where there are none yet.
		if err := poll(ctx, time.Minute, d.GetName(), func(ctx context.Context) error {
			_, err := b.cluster.Kubectl(ctx, "", "wait", "--for=condition=Established", "--timeout=60s", "crd/"+d.GetName())
			return err
		}); err != nil {
			return err
		}
	}
	return nil
}

// webhooks is one of the two configurations of webhooks, with that of pods or
// without.
func (b *bench) webhooks(mutating, pods bool) map[string]any {
	kind, name := "ValidatingWebhookConfiguration", needs.ValidatingWebhooks
	if mutating {
		kind, name = "MutatingWebhookConfiguration", needs.MutatingWebhooks
	}
	var hooks []any
	for _, w := range needs.Webhooks() {
		if w.Mutating != mutating || w.Path == needs.PodPath && !pods {
			continue
		}
		hooks = append(hooks, map[string]any{
			"name": w.Name, "admissionReviewVersions": []string{"v1"}, "sideEffects": "None", "failurePolicy": w.Policy,
			"clientConfig": map[string]any{"url": b.url(w.Path)},
			"rules": []any{map[string]any{
				"apiGroups": []string{w.Group}, "apiVersions": []string{w.Version}, "resources": []string{w.Resource}, "operations": w.Operations,
			}},
		})
	}
	return map[string]any{
		"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": map[string]any{"name": name}, "webhooks": hooks,
	}
}

// kubeconfig writes the access of the operator's account, by way of the proxy.
func (b *bench) kubeconfig(ctx context.Context) error {
	token, err := b.cluster.Kubectl(ctx, "", "create", "token", "-n", needs.Namespace, needs.Deployment, "--duration=10h")
	if err != nil {
		return err
	}
	config := clientcmdapi.NewConfig()
	config.CurrentContext = "operator"
	config.Contexts["operator"] = &clientcmdapi.Context{Cluster: "light", AuthInfo: "operator"}
	config.AuthInfos["operator"] = &clientcmdapi.AuthInfo{Token: strings.TrimSpace(token)}
	config.Clusters["light"] = &clientcmdapi.Cluster{
		Server:                   b.proxy.URL,
		CertificateAuthorityData: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: b.proxy.Certificate().Raw}),
	}
	return clientcmd.WriteToFile(*config, b.kubeconfigPath())
}

func (b *bench) kubeconfigPath() string { return filepath.Join(b.dir, "operator.kubeconfig") }

// freePorts finds ports that nobody listens on.
func freePorts() (ports, error) {
	found, err := process.FreePorts(4)
	if err != nil {
		return ports{}, err
	}
	return ports{found[0], found[1], found[2], found[3]}, nil
}

// poll asks until there is no error, every tenth of a second.
func poll(ctx context.Context, limit time.Duration, what string, ask func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	every := time.NewTicker(100 * time.Millisecond)
	defer every.Stop()
	for {
		err := ask(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w", what, err)
		case <-every.C:
		}
	}
}

// output is a file for what a process logs.
func (b *bench) output(name string) (*os.File, error) {
	return os.OpenFile(filepath.Join(b.dir, name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
}
