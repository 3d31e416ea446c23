package rollout

import (
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// What keeps a container from running is said as the kubelet says it, and the
// ordinary course of a start is not.
func TestContainerState(t *testing.T) {
	f := func(status, want string) {
		t.Helper()
		var pod unstructured.Unstructured
		if err := yaml.Unmarshal([]byte("status: {containerStatuses: ["+status+"]}"), &pod.Object); err != nil {
			t.Fatal(err)
		}
		if got := containerState(&pod); got != want {
			t.Errorf("%s: got %q; want %q", status, got, want)
		}
	}
	f("", "")
	f("{state: {waiting: {reason: ContainerCreating}}}", "")
	f("{state: {running: {}}}", "")
	f("{state: {waiting: {reason: ImagePullBackOff, message: 'Back-off pulling image \"x:1\"'}}}", `ImagePullBackOff: Back-off pulling image "x:1"`)
	f("{state: {waiting: {reason: CreateContainerConfigError, message: 'secret \"a\" not found'}}}", `CreateContainerConfigError: secret "a" not found`)
	f("{state: {running: {}}, lastState: {terminated: {reason: OOMKilled, exitCode: 137}}}", "OOMKilled")
	f("{state: {running: {}}}, {state: {terminated: {reason: Error}}}", "Error")
}
