package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/version"
)

// imageVolumesSince is the release of Kubernetes 1 in which images as volumes are
// on by default.
const imageVolumesSince = 35

// Releases from which on a node mounts images into pods, and reads variables of
// containers from files. containerd 2.1 mounts images too, but leaves subPath out
// without a word: a runtime told to load an agent from there would not start.
var (
	kubeletReads  = version.MustParseGeneric("1.35")
	kubeletMounts = version.MustParseGeneric("1.35")
	runtimeMounts = map[string]*version.Version{
		"containerd": version.MustParseGeneric("2.2"),
		"cri-o":      version.MustParseGeneric("1.33"),
	}
)

// abilities are what all nodes that run Linux can do.
type abilities struct {
	// mountImages is false where there are no nodes.
	mountImages bool
	// readFiles: what is no node gives no container its variables.
	readFiles bool
}

// nodes finds out what nodes can do. It asks for the table that people see, which
// has all that is needed and a hundredth of what a node says of itself.
func (w *Watcher) nodes(ctx context.Context) (abilities, error) {
	some, all, next := false, abilities{true, true}, ""
	for {
		data, err := w.discovery.Get().AbsPath("/api/v1/nodes").Param("limit", "500").Param("continue", next).Param("includeObject", string(metav1.IncludeNone)).
			SetHeader("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io").Do(ctx).Raw()
		if err != nil {
			return abilities{}, fmt.Errorf("listing nodes: %w", err)
		}
		var table metav1.Table
		if err := json.Unmarshal(data, &table); err != nil {
			return abilities{}, fmt.Errorf("reading the list of nodes: %w", err)
		}
		nodes, err := nodesOf(&table)
		if err != nil {
			return abilities{}, err
		}
		for _, n := range nodes {
			if n.windows() {
				continue
			}
			some = true
			all.mountImages = all.mountImages && n.mountsImages()
			all.readFiles = all.readFiles && n.atLeast(kubeletReads)
		}
		if next = table.Continue; next == "" {
			all.mountImages = all.mountImages && some
			return all, nil
		}
	}
}

// node is what a node says that it runs.
type node struct{ system, kubelet, runtime string }

// nodesOf are the nodes of a table.
func nodesOf(table *metav1.Table) ([]node, error) {
	column := func(name string) int {
		return slices.IndexFunc(table.ColumnDefinitions, func(c metav1.TableColumnDefinition) bool { return c.Name == name })
	}
	system, kubelet, runtime := column("OS-Image"), column("Version"), column("Container-Runtime")
	if system < 0 || kubelet < 0 || runtime < 0 {
		return nil, errors.New("reading the list of nodes: the API server does not tell their releases")
	}
	var all []node
	for _, row := range table.Rows {
		cell := func(i int) string {
			if i >= len(row.Cells) {
				return ""
			}
			text, _ := row.Cells[i].(string)
			return text
		}
		all = append(all, node{cell(system), cell(kubelet), cell(runtime)})
	}
	return all, nil
}

func (n node) windows() bool { return strings.HasPrefix(n.system, "Windows") }

// mountsImages reports whether the node is known to mount images.
func (n node) mountsImages() bool {
	if !n.atLeast(kubeletMounts) {
		return false
	}
	name, release, _ := strings.Cut(n.runtime, "://")
	runtime, err := version.ParseGeneric(release)
	return err == nil && runtimeMounts[name] != nil && runtime.AtLeast(runtimeMounts[name])
}

// atLeast reports whether the node is known to be of a release or a later one.
func (n node) atLeast(release *version.Version) bool {
	kubelet, err := version.ParseGeneric(n.kubelet)
	return err == nil && kubelet.AtLeast(release)
}
