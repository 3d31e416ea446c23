package cluster

import (
	"bytes"
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/version"
)

// envFilesSince is the release of Kubernetes 1 in which the feature EnvFiles is on
// unless somebody switches it off.
const envFilesSince = 35

// withEnvFile is a Deployment of no pods, whose containers would have a variable
// from a file.
const withEnvFile = `{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"generateName": "signalbox-never-made-"}, "spec": {
	"replicas": 0, "selector": {"matchLabels": {"app.kubernetes.io/name": "signalbox-never-made"}},
	"template": {"metadata": {"labels": {"app.kubernetes.io/name": "signalbox-never-made"}}, "spec": {
		"containers": [{"name": "none", "image": "none", "env": [
			{"name": "X", "valueFrom": {"fileKeyRef": {"volumeName": "files", "path": "x", "key": "X", "optional": true}}}]}],
		"volumes": [{"name": "files", "emptyDir": {}}]}}}}`

// envFiles finds out whether containers may have variables from files. Where the
// feature is off, the API server refuses a pod with one, so that the version alone
// is not enough: it is asked what it would say, and makes nothing. An answer that
// says nothing about it, as that of a policy, leaves the version.
func (w *Watcher) envFiles(ctx context.Context, v version.Info) bool {
	if !since(v, envFilesSince) {
		return false
	}
	path := fmt.Sprintf("/apis/apps/v1/namespaces/%s/deployments", w.config.Namespace)
	answer, err := w.discovery.Post().AbsPath(path).Param("dryRun", "All").
		SetHeader("Content-Type", "application/json").SetHeader("Accept", "application/json").
		Body([]byte(withEnvFile)).Do(ctx).Raw()
	if err != nil {
		return !apierrors.IsInvalid(err)
	}
	return bytes.Contains(answer, []byte("fileKeyRef"))
}
