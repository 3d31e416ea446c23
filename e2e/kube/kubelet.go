package kube

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

// kubelet stands in for the kubelets of a light cluster: it watches the pods, and
// says of each that is scheduled what a kubelet would whose containers start at
// once and never fail. A pod that is deleted is gone at once. It asks for nothing
// on a clock.
type kubelet struct {
	url    func(path string) string
	client *http.Client
	cancel context.CancelFunc
	done   chan error
	pods   int // that have got an address
}

// object is what of Kubernetes' objects is read here.
type object struct {
	Metadata metadata `json:"metadata"`
	Spec     podSpec  `json:"spec"`
	Status   struct {
		Phase string `json:"phase"`
	} `json:"status"`
}

// metadata is of one object, or of a list.
type metadata struct {
	Name              string     `json:"name"`
	Namespace         string     `json:"namespace"`
	ResourceVersion   string     `json:"resourceVersion"`
	DeletionTimestamp *time.Time `json:"deletionTimestamp"`
}

// podSpec is what of a pod decides its status.
type podSpec struct {
	NodeName       string      `json:"nodeName"`
	Containers     []container `json:"containers"`
	InitContainers []container `json:"initContainers"`
}

// container is one container of a pod.
type container struct {
	Name          string `json:"name"`
	Image         string `json:"image"`
	RestartPolicy string `json:"restartPolicy"`
}

// errRefused is an answer that trying again would not change.
var errRefused = errors.New("the API server refused")

// startKubelet makes the nodes and watches the pods until stop.
func startKubelet(ctx context.Context, p plane, nodes int) (*kubelet, error) {
	client, err := p.client("admin")
	if err != nil {
		return nil, err
	}
	k := &kubelet{url: p.url, client: client, done: make(chan error, 1)}
	for i := range nodes {
		if err := k.addNode(ctx, fmt.Sprintf("node%d", i+1)); err != nil {
			return nil, fmt.Errorf("adding node %d: %w", i+1, err)
		}
	}
	watching, cancel := context.WithCancel(context.WithoutCancel(ctx))
	k.cancel = cancel
	go func() { k.done <- k.watch(watching) }()
	return k, nil
}

// stop ends the watch, and returns what had ended it before.
func (k *kubelet) stop() error {
	k.cancel()
	err := <-k.done
	k.client.CloseIdleConnections()
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

func (k *kubelet) addNode(ctx context.Context, name string) error {
	node := map[string]any{
		"apiVersion": "v1", "kind": "Node",
		"metadata": map[string]any{"name": name, "labels": map[string]string{
			"kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64", "kubernetes.io/hostname": name,
		}},
	}
	if err := k.do(ctx, http.MethodPost, "/api/v1/nodes", "application/json", node); err != nil {
		return err
	}
	room := map[string]string{"cpu": "1000", "memory": "4Ti", "pods": "10000", "ephemeral-storage": "4Ti"}
	status := map[string]any{"status": map[string]any{
		"capacity": room, "allocatable": room,
		"nodeInfo":   map[string]string{"kubeletVersion": version, "operatingSystem": "linux", "architecture": "amd64"},
		"conditions": conditions("KubeletReady", "Ready"),
	}}
	return k.do(ctx, http.MethodPatch, "/api/v1/nodes/"+name+"/status", "application/strategic-merge-patch+json", status)
}

// watch lists the pods, then follows what happens to them, again from the start
// when the API server ends it or is away.
func (k *kubelet) watch(ctx context.Context) error {
	for {
		var from string
		var refused error
		err := until(ctx, "the API server", func(ctx context.Context) (err error) {
			if from, err = k.list(ctx); errors.Is(err, errRefused) {
				refused, err = err, nil
			}
			return err
		})
		if err = errors.Join(err, refused); err != nil {
			return err
		}
		err = k.read(ctx, "/api/v1/pods?watch=true&resourceVersion="+from, func(d *json.Decoder) error { return k.follow(ctx, d) })
		if ctx.Err() != nil || errors.Is(err, errRefused) {
			return err
		}
	}
}

// list handles all pods, and returns the version that they have.
func (k *kubelet) list(ctx context.Context) (version string, err error) {
	var list struct {
		Metadata metadata `json:"metadata"`
		Items    []object `json:"items"`
	}
	if err := k.read(ctx, "/api/v1/pods", func(d *json.Decoder) error { return d.Decode(&list) }); err != nil {
		return "", err
	}
	for _, pod := range list.Items {
		if err := k.sync(ctx, pod); err != nil {
			return "", err
		}
	}
	return list.Metadata.ResourceVersion, nil
}

// follow handles the events of a watch until it ends.
func (k *kubelet) follow(ctx context.Context, events *json.Decoder) error {
	for {
		var event struct {
			Type   string `json:"type"`
			Object object `json:"object"`
		}
		err := events.Decode(&event)
		switch {
		case err != nil && ctx.Err() == nil, event.Type == "ERROR":
			return nil // the API server ends watches; what is missed is in the next list
		case err != nil:
			return ctx.Err()
		case event.Type != "DELETED":
			if err := k.sync(ctx, event.Object); err != nil {
				return err
			}
		}
	}
}

// sync brings one pod to where its kubelet would.
func (k *kubelet) sync(ctx context.Context, pod object) error {
	path := "/api/v1/namespaces/" + pod.Metadata.Namespace + "/pods/" + pod.Metadata.Name
	if pod.Metadata.DeletionTimestamp != nil {
		return k.do(ctx, http.MethodDelete, path, "application/json", map[string]any{"gracePeriodSeconds": 0})
	}
	if pod.Spec.NodeName == "" || pod.Status.Phase == "Running" {
		return nil
	}
	k.pods++
	status := map[string]any{
		"phase":             "Running",
		"podIP":             fmt.Sprintf("10.244.%d.%d", k.pods>>8&0xff, k.pods&0xff),
		"startTime":         time.Now().UTC().Format(time.RFC3339),
		"conditions":        conditions("", "PodScheduled", "Initialized", "ContainersReady", "Ready"),
		"containerStatuses": statuses(pod.Spec.Containers, false),
	}
	if len(pod.Spec.InitContainers) > 0 {
		status["initContainerStatuses"] = statuses(pod.Spec.InitContainers, true)
	}
	return k.do(ctx, http.MethodPatch, path+"/status", "application/strategic-merge-patch+json", map[string]any{"status": status})
}

func conditions(reason string, types ...string) []map[string]any {
	var all []map[string]any
	now := time.Now().UTC().Format(time.RFC3339)
	for _, t := range types {
		all = append(all, map[string]any{"type": t, "status": "True", "reason": reason, "lastHeartbeatTime": now, "lastTransitionTime": now})
		if reason == "" {
			delete(all[len(all)-1], "lastHeartbeatTime") // pods' have none
		}
	}
	return all
}

// statuses says that containers run, and that init containers are done unless
// they run on as sidecars; by name, as a kubelet does.
func statuses(containers []container, init bool) []map[string]any {
	containers = slices.SortedFunc(slices.Values(containers), func(a, b container) int { return strings.Compare(a.Name, b.Name) })
	now := time.Now().UTC().Format(time.RFC3339)
	var all []map[string]any
	for _, c := range containers {
		state := map[string]any{"running": map[string]any{"startedAt": now}}
		if init && c.RestartPolicy != "Always" {
			state = map[string]any{"terminated": map[string]any{"exitCode": 0, "reason": "Completed", "startedAt": now, "finishedAt": now}}
		}
		all = append(all, map[string]any{
			"name": c.Name, "image": c.Image, "imageID": c.Image, "containerID": "none://" + c.Name,
			"ready": true, "started": true, "restartCount": 0, "state": state,
		})
	}
	return all
}

// do sends a change. That its object is gone, or has been replaced, is no error:
// the watch says what follows.
func (k *kubelet) do(ctx context.Context, method, path, contentType string, body any) error {
	content, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, k.url(path), bytes.NewReader(content))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", contentType)
	resp, err := k.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode < 400 || resp.StatusCode == http.StatusNotFound || resp.StatusCode == http.StatusConflict {
		return err
	}
	err = fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, answer)
	if resp.StatusCode < 500 {
		err = fmt.Errorf("%w: %w", errRefused, err)
	}
	return err
}

// read passes the answer's JSON to use.
func (k *kubelet) read(ctx context.Context, path string, use func(*json.Decoder) error) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, k.url(path), nil)
	if err != nil {
		return err
	}
	resp, err := k.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		answer, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
		return fmt.Errorf("GET %s: %s: %s", path, resp.Status, answer)
	}
	return use(json.NewDecoder(resp.Body))
}
