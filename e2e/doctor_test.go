//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// diagnosis is what the doctor says, as far as it is looked at.
type diagnosis struct {
	Status   string `json:"status"`
	Findings []struct{ Area, Code, Status, Object, Text, Fix string }
	Probes   []struct {
		Endpoint string
		Report   struct {
			Checks []struct {
				Signal, Probe, Status string
				Hops                  []struct{ Kind, Component, Status, Text string }
			}
		}
	}
	text string
}

// examine asks the doctor. Its exit code is that of the status.
func examine(ctx context.Context, namespace string, args ...string) (diagnosis, error) {
	var d diagnosis
	out, err := program(ctx, append([]string{"doctor", "-n", namespace, "-o", "json"}, args...)...)
	if jsonErr := json.Unmarshal([]byte(out), &d); jsonErr != nil {
		return d, fmt.Errorf("%w: %w", jsonErr, err)
	}
	d.text = out
	if (err != nil) != (d.Status == "error") {
		return d, fmt.Errorf("status %q, and the command ends with %v", d.Status, err)
	}
	return d, nil
}

// fix is what the doctor says about a code and an object; found is false when it
// finds nothing of it.
func (d *diagnosis) fix(code, object string) (fix string, found bool) {
	for _, f := range d.Findings {
		if f.Code == code && f.Object == object && (f.Status == "error" || f.Status == "warning") {
			return f.Fix, true
		}
	}
	return "", false
}

// mend wants something to be found, does what the doctor says, and wants it to be
// found no more.
func mend(t *testing.T, namespace, code, object string, args ...string) {
	t.Helper()
	var fix string
	await(t, "the doctor to find "+code, func(ctx context.Context) error {
		d, err := examine(ctx, namespace, args...)
		found := false
		if fix, found = d.fix(code, object); err == nil && !found {
			err = fmt.Errorf("found:\n%s", d.text)
		}
		return err
	})
	t.Logf("%s:\n%s", code, fix)
	if question, is := strings.CutPrefix(fix, "signalbox doctor "); is {
		args = strings.Fields(question) // which is asked below
	} else {
		shell(t, fix)
	}
	await(t, "the doctor to find no "+code, func(ctx context.Context) error {
		d, err := examine(ctx, namespace, args...)
		if _, found := d.fix(code, object); err == nil && found {
			err = fmt.Errorf("found:\n%s", d.text)
		}
		return err
	})
}

// shell runs a command as a user types it.
func shell(t *testing.T, command string) {
	t.Helper()
	bin, err := filepath.Abs("../bin")
	if err != nil {
		t.Fatal(err)
	}
	kubectl := cluster.Command(t.Context())
	cmd := exec.CommandContext(t.Context(), "sh", "-ec", command)
	cmd.Env = append(kubectl.Env, "PATH="+strings.Join([]string{bin, filepath.Dir(kubectl.Path), os.Getenv("PATH")}, string(os.PathListSeparator)))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s\n%s", err, command, out)
	}
}

// arrived wants a probe of each signal to be in the store.
func arrived(t *testing.T, d diagnosis) {
	t.Helper()
	if len(d.Probes) != 1 || len(d.Probes[0].Report.Checks) != 3 {
		t.Fatalf("got %d probes; want 3 to one endpoint:\n%s", len(d.Probes), d.text)
	}
	for _, c := range d.Probes[0].Report.Checks {
		last := c.Hops[len(c.Hops)-1]
		if c.Status != "ok" || last.Kind != "store" || last.Status != "ok" {
			t.Errorf("%s: got %s, %+v; want it in the store", c.Signal, c.Status, c.Hops)
		}
	}
}

// noProbes wants no pod of the doctor to be left.
func noProbes(t *testing.T, namespace string) {
	t.Helper()
	await(t, "the doctor's pods to be gone", func(ctx context.Context) error {
		left, err := cluster.Kubectl(ctx, "", "get", "pods", "-n", namespace, "-l", "app.kubernetes.io/name=signalbox-doctor", "-o", "name")
		if err == nil && left != "" {
			err = fmt.Errorf("left: %s", left)
		}
		return err
	})
}

// doctored is a namespace that takes restricted pods only, with a program that
// serves its metrics at :8080/app/metrics.
func doctored(t *testing.T, namespace, annotations string) {
	t.Helper()
	apply(t, `{apiVersion: v1, kind: Namespace, metadata: {name: `+namespace+`, labels: {pod-security.kubernetes.io/enforce: restricted}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop, namespace: `+namespace+`}
spec:
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}, annotations: {`+annotations+`}}
    spec:
      terminationGracePeriodSeconds: 1
      securityContext: {runAsNonRoot: true, runAsUser: 1000, seccompProfile: {type: RuntimeDefault}}
      containers:
      - {name: app, image: "registry.local/app:1", args: [serve], ports: [{containerPort: 8080}],
         securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}}
`)
	rollout(t, namespace, "deployment/shop")
}

// A namespace without any Instrumentation is mended by what the doctor says, until
// probes from it arrive in the store.
func TestDoctorInstruments(t *testing.T) {
	t.Parallel()
	const namespace = "doctor-instruments"
	doctored(t, namespace, `instrumentation.opentelemetry.io/inject-sdk: "true"`)
	mend(t, namespace, "Refused", "deployment/shop")
	// The pod of before may be on its way out.
	rollout(t, namespace, "deployment/shop")
	d, err := examine(t.Context(), namespace)
	if err != nil {
		t.Fatal(err)
	}
	arrived(t, d)
	noProbes(t, namespace)

	// What the store calls the metric of the probe is not what somebody looks for.
	name := ""
	for _, c := range d.Probes[0].Report.Checks {
		if c.Signal == "metrics" {
			name = c.Probe
		}
	}
	mend(t, namespace, "NameOther", strings.ReplaceAll(name, "_", "."), "--metric", strings.ReplaceAll(name, "_", "."))
}

// Whoever interrupts the doctor has no pod left.
func TestDoctorIsInterrupted(t *testing.T) {
	t.Parallel()
	const namespace = "doctor-interrupted"
	apply(t, "{apiVersion: v1, kind: Namespace, metadata: {name: "+namespace+"}}")
	cmd := exec.CommandContext(t.Context(), "../bin/signalbox", "doctor", "-n", namespace)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+cluster.Kubeconfig)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	await(t, "the pod that sends probes", func(ctx context.Context) error {
		select {
		case err := <-ended:
			t.Fatalf("it ended before it was interrupted: %v", err)
		default:
		}
		pods, err := cluster.Kubectl(ctx, "", "get", "pods", "-n", namespace, "-o", "name")
		if err == nil && pods == "" {
			err = errors.New("there is none")
		}
		return err
	})
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; cmd.ProcessState.ExitCode() != 130 {
		t.Errorf("it ends with %v; want exit code 130", err)
	}
	noProbes(t, namespace)
}

// Pods that were there before their Instrumentation get it when they are started
// again.
func TestDoctorFindsMissedPods(t *testing.T) {
	t.Parallel()
	const namespace = "doctor-missed"
	doctored(t, namespace, `instrumentation.opentelemetry.io/inject-sdk: "true"`)
	apply(t, `{apiVersion: opentelemetry.io/v1alpha1, kind: Instrumentation, metadata: {name: late, namespace: `+namespace+`},
		spec: {exporter: {endpoint: "http://otel-collector.`+system+`.svc.cluster.local:4318"}}}`)
	mend(t, namespace, "NotInjected", "deployment/shop", "--no-probe")
}

// A pod is asked for its metrics, and says that they are elsewhere.
func TestDoctorFindsMetrics(t *testing.T) {
	t.Parallel()
	const namespace = "doctor-metrics"
	doctored(t, namespace, `prometheus.io/scrape: "true", prometheus.io/port: "8081", prometheus.io/path: /app/metrics`)
	mend(t, namespace, "ScrapeFails", "deployment/shop")
}

// In a private cluster a firewall lets the API server through to port 10250 of the
// nodes only, or 443: the doctor sees that the webhooks are not reached, and has
// them moved.
func TestPrivateCluster(t *testing.T) {
	const namespace, firewall = "fault-private", "signalbox-private"
	apply(t, "{apiVersion: v1, kind: Namespace, metadata: {name: "+namespace+"}}")
	rollout(t, system, operator)
	nft := func(ctx context.Context, script string) error {
		cmd := exec.CommandContext(ctx, "nft", "-f", "-")
		cmd.Stdin = strings.NewReader(script)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), waitTimeout)
		defer cancel()
		if err := nft(ctx, "delete table inet "+firewall); err != nil {
			t.Error(err)
		}
		text, err := manifest(ctx)
		if err == nil {
			_, err = cluster.Kubectl(ctx, text, "apply", "-f", "-")
		}
		if err == nil {
			_, err = cluster.Kubectl(ctx, "", "rollout", "status", "-n", system, operator, "--timeout="+waitTimeout.String())
		}
		if err != nil {
			t.Error(err)
		}
	})
	if err := nft(t.Context(), "table inet "+firewall+" { chain out { type filter hook output priority 0; tcp dport 9443 drop; }; }"); err != nil {
		t.Fatal(err)
	}
	mend(t, namespace, "WebhookUnreachable", "", "--no-probe")
}
