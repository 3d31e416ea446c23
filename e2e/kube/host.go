package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// host is what Up notes of the machine before it changes it, for Down.
type host struct {
	Sysctls map[string]string   // their values
	Tables  []string            // of nftables, as "ip filter"
	Shared  map[string][]string // what was in the folders of shared, if they were there
}

// shared are the folders outside of the state directory that kubelet, containerd
// and the network plugins write to, whatever their configuration says; what is in
// another one comes first.
var shared = []string{
	"/var/log/pods", "/var/log/containers", "/var/lib/kubelet", "/var/lib/cni", "/opt/containerd",
	"/run/containerd/s", "/run/containerd", "/run/netns",
}

// sysctls are what the cluster's network and its many watchers need.
var sysctls = map[string]string{
	"net.ipv4.ip_forward":                "1",
	"net.bridge.bridge-nf-call-iptables": "1",
	"net.ipv4.conf.all.route_localnet":   "1",
	"fs.inotify.max_user_instances":      "8192",
	"fs.inotify.max_user_watches":        "1048576",
}

// tools are the programs of the distribution that Up and Down run.
var tools = []string{"containerd", "ctr", "runc", "ip", "iptables-save", "iptables-restore", "nft", "conntrack", "umount", "busybox"}

// cniDirs are where distributions put the network plugins.
var cniDirs = []string{"/usr/lib/cni", "/opt/cni/bin", "/usr/libexec/cni"}

// checkHost says what keeps this machine from running a full cluster. It returns
// the folder of the network plugins.
func checkHost() (cniPlugins string, err error) {
	if runtime.GOOS != "linux" {
		return "", fmt.Errorf("a full cluster needs Linux; this is %s", runtime.GOOS)
	}
	if os.Geteuid() != 0 {
		return "", errors.New("a full cluster needs root: it makes network links, mounts and cgroups")
	}
	var missing []string
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			missing = append(missing, tool)
		}
	}
	for _, dir := range cniDirs {
		if _, err := os.Stat(filepath.Join(dir, "bridge")); err == nil {
			cniPlugins = dir
		}
	}
	if cniPlugins == "" {
		missing = append(missing, "the CNI plugins")
	}
	if len(missing) > 0 {
		return "", fmt.Errorf("missing on this machine: %s; on Debian, run e2e/setup.sh", strings.Join(missing, ", "))
	}
	return cniPlugins, nil
}

// checkFree says which other Kubernetes this machine runs. What it looks at
// exists once per machine.
func checkFree() error {
	for _, dir := range cgroupRoots() {
		if isDir(filepath.Join(dir, "kubepods")) {
			return fmt.Errorf("another Kubernetes runs on this machine: there is %s/kubepods", dir)
		}
	}
	for _, port := range []string{"2379", "2380", "6443", "10248", "10249", "10250", "10256", "10257", "10259"} {
		l, err := net.Listen("tcp", ":"+port)
		if err != nil {
			return fmt.Errorf("the cluster needs port %s: %w", port, err)
		}
		l.Close()
	}
	return nil
}

// prepare notes what the machine is like in the state directory, then gives the
// node its address and sets what the kernel must allow.
func prepare(ctx context.Context, state string) error {
	h := host{Sysctls: map[string]string{}, Shared: map[string][]string{}}
	for _, dir := range shared {
		if entries, err := os.ReadDir(dir); err == nil {
			h.Shared[dir] = []string{}
			for _, e := range entries {
				h.Shared[dir] = append(h.Shared[dir], e.Name())
			}
		}
	}
	// Where these are no modules, they are in the kernel or the next lines fail.
	_, _ = run(ctx, "modprobe", "--all", "br_netfilter", "overlay")
	for name := range sysctls {
		value, err := os.ReadFile(sysctlFile(name))
		if err != nil {
			return err
		}
		h.Sysctls[name] = strings.TrimSpace(string(value))
	}
	var err error
	if h.Tables, err = nftTables(ctx); err != nil {
		return err
	}
	content, err := json.Marshal(h)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(state, "host.json"), content, 0o644); err != nil {
		return err
	}
	for name, value := range sysctls {
		if err := os.WriteFile(sysctlFile(name), []byte(value), 0o644); err != nil {
			return err
		}
	}
	for _, args := range [][]string{
		{"link", "add", nodeBridge, "type", "bridge"},
		{"addr", "add", nodeSubnet, "dev", nodeBridge},
		{"link", "set", nodeBridge, "up"},
	} {
		if _, err := run(ctx, "ip", args...); err != nil {
			return err
		}
	}
	return nil
}

// restore undoes prepare, and what the cluster did outside of the state directory.
func restore(ctx context.Context, state string) error {
	var h host
	content, err := os.ReadFile(filepath.Join(state, "host.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // nothing was changed yet
	}
	if err == nil {
		err = json.Unmarshal(content, &h)
	}
	if err != nil {
		return fmt.Errorf("reading what the machine was like: %w", err)
	}
	var errs []error
	for _, link := range []string{podBridge, nodeBridge} {
		if _, err := net.InterfaceByName(link); err == nil {
			_, err := run(ctx, "ip", "link", "delete", link)
			errs = append(errs, err)
		}
	}
	for _, family := range []string{"iptables", "ip6tables"} {
		errs = append(errs, removeChains(ctx, family))
	}
	errs = append(errs, removeTables(ctx, h.Tables))
	for _, dir := range shared {
		before, existed := h.Shared[dir]
		errs = append(errs, removeSince(dir, existed, before))
	}
	for name, value := range h.Sysctls {
		errs = append(errs, os.WriteFile(sysctlFile(name), []byte(value), 0o644))
	}
	return errors.Join(errs...)
}

// removeSince removes from dir what was not there before, and dir itself if it
// was not.
func removeSince(dir string, existed bool, before []string) error {
	if !existed {
		return os.RemoveAll(dir)
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	errs := []error{err}
	for _, e := range entries {
		if !slices.Contains(before, e.Name()) {
			errs = append(errs, os.RemoveAll(filepath.Join(dir, e.Name())))
		}
	}
	return errors.Join(errs...)
}

func sysctlFile(name string) string { return "/proc/sys/" + strings.ReplaceAll(name, ".", "/") }

// removeChains removes the rules that the kubelet and the network plugins made,
// known by the names of their chains.
func removeChains(ctx context.Context, family string) error {
	rules, err := run(ctx, family+"-save")
	if err != nil {
		return err
	}
	var kept []string
	removed := false
	for line := range strings.Lines(rules) {
		if strings.Contains(line, "KUBE-") || strings.Contains(line, "CNI-") {
			removed = true
			continue
		}
		kept = append(kept, line)
	}
	if !removed {
		return nil
	}
	cmd := exec.CommandContext(ctx, family+"-restore")
	cmd.Stdin = strings.NewReader(strings.Join(kept, ""))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("running %s-restore: %w\n%s", family, err, out)
	}
	return nil
}

// nftTables lists the tables, as "ip filter".
func nftTables(ctx context.Context) ([]string, error) {
	out, err := run(ctx, "nft", "list", "tables")
	if err != nil {
		return nil, err
	}
	var tables []string
	for line := range strings.Lines(out) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "table "); ok {
			tables = append(tables, name)
		}
	}
	return tables, nil
}

// removeTables removes the tables that came since there were only those before,
// unless somebody has put rules into them: kube-proxy's own, and those that
// iptables makes when it is first used.
func removeTables(ctx context.Context, before []string) error {
	tables, err := nftTables(ctx)
	if err != nil {
		return err
	}
	for _, table := range tables {
		if slices.Contains(before, table) {
			continue
		}
		args := strings.Fields(table)
		if args[len(args)-1] != "kube-proxy" {
			content, err := run(ctx, "nft", append([]string{"-j", "list", "table"}, args...)...)
			if err != nil {
				return err
			}
			if strings.Contains(content, `{"rule":`) {
				continue
			}
		}
		if _, err := run(ctx, "nft", append([]string{"delete", "table"}, args...)...); err != nil {
			return err
		}
	}
	return nil
}

// cgroupRoots are the folders of the cgroup hierarchies, of version 1 and 2.
func cgroupRoots() []string {
	roots := []string{"/sys/fs/cgroup"}
	entries, err := os.ReadDir(roots[0])
	if err != nil {
		return nil
	}
	for _, e := range entries {
		if e.IsDir() {
			roots = append(roots, filepath.Join(roots[0], e.Name()))
		}
	}
	return roots
}

// podCgroups are the folders of the pods' cgroups, the deepest first.
func podCgroups() []string {
	var dirs []string
	for _, root := range cgroupRoots() {
		_ = filepath.WalkDir(filepath.Join(root, "kubepods"), func(dir string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() { // they go while we look
				dirs = append(dirs, dir)
			}
			return nil
		})
	}
	slices.Reverse(dirs)
	return dirs
}

// overlays says whether containers' file systems in dir can be overlays; they
// cannot where dir is on one itself, as in a container.
func overlays(ctx context.Context, dir string) (bool, error) {
	test, err := os.MkdirTemp(dir, "overlay-")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(test)
	for _, name := range []string{"lower", "upper", "work", "merged"} {
		if err := os.Mkdir(filepath.Join(test, name), 0o755); err != nil {
			return false, err
		}
	}
	merged := filepath.Join(test, "merged")
	if _, err := run(ctx, "mount", "-t", "overlay", "overlay",
		"-o", fmt.Sprintf("lowerdir=%s/lower,upperdir=%[1]s/upper,workdir=%[1]s/work", test), merged); err != nil {
		return false, nil // the answer, not a failure
	}
	_, err = run(ctx, "umount", merged)
	return true, err
}
