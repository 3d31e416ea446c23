//go:build e2e

package e2e

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"
)

// The faults come one after the other, before the other tests. After each, a
// collector that is made during it is ready, and one that was there is as it was.

// faulty is a namespace with a collector of its own, for one fault.
func faulty(t *testing.T, namespace string) {
	t.Helper()
	apply(t, "{apiVersion: v1, kind: Namespace, metadata: {name: "+namespace+"}}")
	rollout(t, system, operator)
	apply(t, readFile(t, seed("002-simplest.yaml")), "-n", namespace)
	ready(t, namespace, "simplest")
}

// another is a second collector, made in the middle of a fault. It is asked for
// until it is taken: an operator that is not there cannot say whether it is right.
func another(t *testing.T, namespace string) {
	t.Helper()
	text := strings.Replace(readFile(t, seed("002-simplest.yaml")), "name: simplest", "name: another", 1)
	await(t, "the second collector to be taken", func(ctx context.Context) error {
		_, err := cluster.Kubectl(ctx, text, "apply", "-n", namespace, "-f", "-")
		return err
	})
}

// made are the objects of a namespace that collectors are made of.
func made(t *testing.T, namespace string) string {
	t.Helper()
	return kubectl(t, "get", "-n", namespace, "deployments,services,configmaps,serviceaccounts,poddisruptionbudgets", "-l", "app.kubernetes.io/managed-by=opentelemetry-operator", "-o", "name")
}

func TestAPIServerRestarts(t *testing.T) {
	faulty(t, "fault-api")
	if err := cluster.Restart(t.Context(), "kube-apiserver"); err != nil {
		t.Fatal(err)
	}
	another(t, "fault-api")
	ready(t, "fault-api", "another")
}

func TestOperatorIsKilled(t *testing.T) {
	faulty(t, "fault-killed")
	// In the middle of its work, three times.
	for range 3 {
		another(t, "fault-killed")
		kubectl(t, "delete", "-n", system, "pods", "-l", "control-plane=controller-manager", "--grace-period=0", "--force")
		kubectl(t, "delete", "-n", "fault-killed", "otelcol/another", "--wait=false")
	}
	another(t, "fault-killed")
	ready(t, "fault-killed", "another")
	before := made(t, "fault-killed")
	kubectl(t, "delete", "-n", "fault-killed", "otelcol/another")
	await(t, "nothing to be left of it", func(context.Context) error {
		if now := made(t, "fault-killed"); strings.Contains(now, "another") {
			return fmt.Errorf("left: %s; before: %s", now, before)
		}
		return nil
	})
}

// While no webhook answers, pods start, and what they ask for is not there.
func TestOperatorIsAway(t *testing.T) {
	faulty(t, "fault-away")
	another(t, "fault-away")
	ready(t, "fault-away", "another")
	kubectl(t, "scale", "-n", system, operator, "--replicas=0")
	t.Cleanup(func() {
		if _, err := cluster.Kubectl(context.Background(), "", "scale", "-n", system, operator, "--replicas=1"); err != nil {
			t.Error(err)
		}
	})
	kubectl(t, "wait", "-n", system, "pods", "-l", "control-plane=controller-manager", "--for=delete", "--timeout="+waitTimeout.String())
	apply(t, `{apiVersion: v1, kind: Pod, metadata: {name: plain, namespace: fault-away, annotations: {sidecar.opentelemetry.io/inject: "true"}},
		spec: {terminationGracePeriodSeconds: 1, containers: [{name: app, image: registry.local/app:1, args: [serve]}]}}`)
	kubectl(t, "wait", "-n", "fault-away", "pod/plain", "--for=condition=Ready", "--timeout="+waitTimeout.String())

	// A ConfigMap is deleted by hand, and a collector goes.
	configMaps := func(ctx context.Context) (string, error) {
		return cluster.Kubectl(ctx, "", "get", "configmaps", "-n", "fault-away", "-l", "app.kubernetes.io/instance=fault-away.simplest", "-o", "name")
	}
	before, err := configMaps(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	kubectl(t, "delete", "-n", "fault-away", strings.TrimSpace(before))
	kubectl(t, "delete", "-n", "fault-away", "otelcol/another", "--wait=false")

	kubectl(t, "scale", "-n", system, operator, "--replicas=1")
	rollout(t, system, operator)
	await(t, "the ConfigMap to be back, and nothing of the other collector", func(ctx context.Context) error {
		now, err := configMaps(ctx)
		if err != nil || now != before {
			return fmt.Errorf("ConfigMaps %q; want %q; %w", now, before, err)
		}
		roles, err := cluster.Kubectl(ctx, "", "get", "clusterroles,clusterrolebindings", "-l", "app.kubernetes.io/instance=fault-away.another", "-o", "name")
		if left := made(t, "fault-away") + roles; err != nil || strings.Contains(left, "another") {
			return fmt.Errorf("left: %q; %w", left, err)
		}
		return nil
	})
}

func TestCertificateExpires(t *testing.T) {
	faulty(t, "fault-certificate")
	before := kubectl(t, "get", "secret", "-n", system, "opentelemetry-operator-controller-manager-service-cert", "-o", `jsonpath={.data.tls\.crt}`)
	// What somebody's backup has brought back: a certificate that is none.
	kubectl(t, "patch", "secret", "-n", system, "opentelemetry-operator-controller-manager-service-cert", "--type=merge",
		"-p", `{"data":{"tls.crt":"`+base64.StdEncoding.EncodeToString([]byte("expired"))+`"}}`)
	await(t, "a new certificate", func(ctx context.Context) error {
		now, err := cluster.Kubectl(ctx, "", "get", "secret", "-n", system, "opentelemetry-operator-controller-manager-service-cert", "-o", `jsonpath={.data.tls\.crt}`)
		text, decodeErr := base64.StdEncoding.DecodeString(now)
		if err == nil && (decodeErr != nil || !strings.Contains(string(text), "BEGIN CERTIFICATE")) {
			err = fmt.Errorf("it is still %.20q (before: %.20s)", text, before)
		}
		return err
	})
	another(t, "fault-certificate")
	ready(t, "fault-certificate", "another")
}

// Two operators: the one that leads goes without a word, and the other takes over.
func TestLeaderIsLost(t *testing.T) {
	faulty(t, "fault-leader")
	kubectl(t, "scale", "-n", system, operator, "--replicas=2")
	rollout(t, system, operator)
	holder := func(ctx context.Context) (string, error) {
		id, err := cluster.Kubectl(ctx, "", "get", "lease", "-n", system, "9f7554c3.opentelemetry.io", "-o", "jsonpath={.spec.holderIdentity}")
		pod, _, _ := strings.Cut(id, "_")
		return pod, err
	}
	leader, err := holder(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	kubectl(t, "delete", "-n", system, "pod/"+leader, "--grace-period=0", "--force")
	started := time.Now()
	await(t, "another leader", func(ctx context.Context) error {
		now, err := holder(ctx)
		if err == nil && (now == leader || now == "") {
			err = fmt.Errorf("it is %q", now)
		}
		return err
	})
	t.Logf("another leader after %.0f s", time.Since(started).Seconds())
	another(t, "fault-leader")
	ready(t, "fault-leader", "another")
	kubectl(t, "scale", "-n", system, operator, "--replicas=1")
	rollout(t, system, operator)
}

// The store of the cluster answers late, again and again, for half a minute.
func TestEtcdIsSlow(t *testing.T) {
	faulty(t, "fault-etcd")
	deadline := time.Now().Add(30 * time.Second)
	slow := make(chan error, 1)
	go func() {
		var err error
		for err == nil && time.Now().Before(deadline) {
			var resume func() error
			if resume, err = cluster.Pause("etcd"); err == nil {
				<-time.After(2 * time.Second)
				err = resume()
				<-time.After(time.Second)
			}
		}
		slow <- err
	}()
	another(t, "fault-etcd")
	if err := <-slow; err != nil {
		t.Fatal(err)
	}
	ready(t, "fault-etcd", "another")
	ready(t, "fault-etcd", "simplest")
}

// The node is drained, and comes back: the operator itself goes with it.
func TestNodeIsDrained(t *testing.T) {
	faulty(t, "fault-drain")
	t.Cleanup(func() {
		if _, err := cluster.Kubectl(context.Background(), "", "uncordon", "node1"); err != nil {
			t.Error(err)
		}
	})
	// Nothing can run elsewhere, so what must keep one pod is not evicted.
	_, err := cluster.Kubectl(t.Context(), "", "drain", "node1", "--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=20s", "--pod-selector=app.kubernetes.io/managed-by=opentelemetry-operator")
	t.Logf("drain: %v", err)
	kubectl(t, "delete", "-n", system, "pods", "-l", "control-plane=controller-manager")
	kubectl(t, "uncordon", "node1")
	rollout(t, system, operator)
	another(t, "fault-drain")
	ready(t, "fault-drain", "another")
	ready(t, "fault-drain", "simplest")
}
