package kube

import (
	"bytes"
	"embed"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"text/template"
)

// Names and addresses inside of a cluster. The links have names of their own, so
// that they are nobody else's.
const (
	nodeName    = "node1"
	nodeIP      = "172.31.255.1"
	nodeSubnet  = nodeIP + "/24"
	nodeBridge  = "signalbox-node" // carries nodeIP: kernels without dummy links have bridges
	podBridge   = "signalbox-pods"
	clusterCIDR = "10.244.0.0/16"
	podSubnet   = "10.244.0.0/24"
	serviceCIDR = "10.96.0.0/16"
	serviceIP   = "10.96.0.1"
	dnsIP       = "10.96.0.10"

	pauseImage   = "registry.local/pause:1"
	corednsImage = "registry.local/coredns:1"
)

//go:embed conf
var confFiles embed.FS

// settings are what the files in conf are filled in with.
type settings struct {
	State        string // absolute
	CNIPlugins   string
	Snapshotter  string
	NodeName     string
	PodBridge    string
	PodSubnet    string
	ClusterCIDR  string
	DNSIP        string
	PauseImage   string
	CoreDNSImage string
	Volumes      []string // folders that pods can claim
}

func newSettings(state, cniPlugins, snapshotter string) settings {
	return settings{
		State: state, CNIPlugins: cniPlugins, Snapshotter: snapshotter,
		NodeName: nodeName, PodBridge: podBridge, PodSubnet: podSubnet, ClusterCIDR: clusterCIDR,
		DNSIP: dnsIP, PauseImage: pauseImage, CoreDNSImage: corednsImage, Volumes: volumes(state),
	}
}

// volumes are the folders of the volumes that pods can claim, as a machine with
// as many disks would have them.
func volumes(state string) []string {
	var all []string
	for i := range 8 {
		all = append(all, filepath.Join(state, "volumes", strconv.Itoa(i)))
	}
	return all
}

// fill returns the file of that name in conf, filled in.
func (s settings) fill(name string) ([]byte, error) {
	t, err := template.New(name).Option("missingkey=error").ParseFS(confFiles, "conf/"+name)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := t.Execute(&out, s); err != nil {
		return nil, fmt.Errorf("filling in %s: %w", name, err)
	}
	return out.Bytes(), nil
}

// write fills in the configuration files of the node, and makes its volumes.
func (s settings) write() error {
	for name, dir := range map[string]string{
		"10-bridge.conflist": "cni/conf",
		"containerd.toml":    "conf",
		"kubelet.yaml":       "conf",
		"proxy.yaml":         "conf",
		"resolv.conf":        "conf",
	} {
		content, err := s.fill(name)
		if err != nil {
			return err
		}
		dir = filepath.Join(s.State, filepath.FromSlash(dir))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			return err
		}
	}
	for _, dir := range s.Volumes {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	return nil
}

// plane is the part that full and light clusters have alike: etcd and the
// control plane, in a state directory and on ports.
type plane struct {
	state     string
	bin       string // folder of the binaries
	advertise string // the address at which pods reach the API server
	etcdPort  int
	peerPort  int
	apiPort   int
	full      bool // there is a node with a kubelet
}

// writeKubeconfigs makes conf/NAME.kubeconfig for each client.
func (p plane) writeKubeconfigs(clients ...string) error {
	if err := os.MkdirAll(p.path("conf"), 0o755); err != nil {
		return err
	}
	for _, name := range clients {
		text := fmt.Sprintf(`apiVersion: v1
kind: Config
clusters: [{name: signalbox, cluster: {server: "https://127.0.0.1:%d", certificate-authority: %q}}]
users: [{name: %s, user: {client-certificate: %q, client-key: %q}}]
contexts: [{name: signalbox, context: {cluster: signalbox, user: %[3]s}}]
current-context: signalbox
`, p.apiPort, p.path("pki/ca.crt"), name, p.path("pki/"+name+".crt"), p.path("pki/"+name+".key"))
		if err := os.WriteFile(p.kubeconfig(name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

func (p plane) path(rel string) string          { return filepath.Join(p.state, filepath.FromSlash(rel)) }
func (p plane) kubeconfig(client string) string { return p.path("conf/" + client + ".kubeconfig") }
func (p plane) program(name string) string      { return filepath.Join(p.bin, name) }
func (p plane) kube(role string, args ...string) program {
	return program{name: role, path: p.program("kube"), args: args}
}

func (p plane) etcd() program {
	client := "http://127.0.0.1:" + strconv.Itoa(p.etcdPort)
	peer := "http://127.0.0.1:" + strconv.Itoa(p.peerPort)
	return p.kube("etcd", "--name=e", "--data-dir="+p.path("etcd"), "--unsafe-no-fsync", "--log-level=warn",
		"--listen-client-urls="+client, "--advertise-client-urls="+client,
		"--listen-peer-urls="+peer, "--initial-advertise-peer-urls="+peer, "--initial-cluster=e="+peer)
}

func (p plane) apiserver() program {
	args := []string{
		"--etcd-servers=http://127.0.0.1:" + strconv.Itoa(p.etcdPort),
		"--secure-port=" + strconv.Itoa(p.apiPort),
		"--advertise-address=" + p.advertise,
		"--service-cluster-ip-range=" + serviceCIDR,
		"--tls-cert-file=" + p.path("pki/apiserver.crt"), "--tls-private-key-file=" + p.path("pki/apiserver.key"),
		"--client-ca-file=" + p.path("pki/ca.crt"),
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-key-file=" + p.path("pki/sa.pub"), "--service-account-signing-key-file=" + p.path("pki/sa.key"),
		"--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction",
		"--allow-privileged=true", "--enable-priority-and-fairness=false",
		"--requestheader-client-ca-file=" + p.path("pki/front-proxy-ca.crt"), "--requestheader-allowed-names=front-proxy-client",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-", "--requestheader-group-headers=X-Remote-Group",
		"--requestheader-username-headers=X-Remote-User",
		"--proxy-client-cert-file=" + p.path("pki/front-proxy.crt"), "--proxy-client-key-file=" + p.path("pki/front-proxy.key"),
	}
	if p.full {
		args = append(args,
			"--kubelet-client-certificate="+p.path("pki/apiserver-kubelet.crt"), "--kubelet-client-key="+p.path("pki/apiserver-kubelet.key"),
			"--kubelet-certificate-authority="+p.path("pki/ca.crt"), "--kubelet-preferred-address-types=InternalIP")
	} else {
		// Nobody would take the taint of a new node away: see controllerManager.
		args = append(args, "--bind-address=127.0.0.1", "--disable-admission-plugins=TaintNodesByCondition")
	}
	return p.kube("kube-apiserver", args...)
}

func (p plane) controllerManager() program {
	args := []string{
		"--leader-elect=false",
		"--root-ca-file=" + p.path("pki/ca.crt"), "--service-account-private-key-file=" + p.path("pki/sa.key"),
		"--cluster-signing-cert-file=" + p.path("pki/ca.crt"), "--cluster-signing-key-file=" + p.path("pki/ca.key"),
	}
	if p.full {
		args = append(args, "--kubeconfig="+p.kubeconfig("kcm"), "--use-service-account-credentials=true", "--cluster-cidr="+clusterCIDR, "--allocate-node-cidrs=true",
			"--service-cluster-ip-range="+serviceCIDR, "--bind-address=127.0.0.1")
	} else {
		// The nodes of light clusters send no heartbeats.
		// As the administrator they work before the API server has made all roles
		// and accounts, which takes it three seconds.
		args = append(args, "--kubeconfig="+p.kubeconfig("admin"), "--controllers=*,-node-lifecycle-controller", "--secure-port=0")
	}
	return p.kube("kube-controller-manager", args...)
}

func (p plane) scheduler() program {
	args := []string{"--leader-elect=false"}
	if p.full {
		args = append(args, "--kubeconfig="+p.kubeconfig("scheduler"), "--bind-address=127.0.0.1")
	} else {
		args = append(args, "--kubeconfig="+p.kubeconfig("admin"), "--secure-port=0")
	}
	return p.kube("kube-scheduler", args...)
}
