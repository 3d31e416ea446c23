package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/signalbox-otel/signalbox/internal/explain"
	"github.com/signalbox-otel/signalbox/internal/operator/review"
)

// explainSettings are what the flags of `signalbox explain` say.
type explainSettings struct {
	namespace, operatorNamespace string
	all                          bool
	kubeconfig, context          string
	output                       string
}

func newExplain() *cobra.Command {
	var s explainSettings
	cmd := &cobra.Command{
		Use:   "explain [KIND/NAME]",
		Short: "Say why a workload is instrumented or not, and what to change",
		Long: `Explain says of a workload of a Kubernetes cluster what it asks for, what was
decided when its pods started, what would be decided now, what its pods have, what
agents in them say in the log, and what to change, as a command to copy. Without a
name it lists the workloads of the namespace that ask for something.

KIND is a Deployment, StatefulSet, DaemonSet, ReplicaSet, Job, CronJob or Pod, also as
kubectl shortens it. A pod that belongs to something is explained as part of that.

It asks the API server as you, and decides as the operator would, with the settings
of the operator's Deployment: it works as well when the operator is down, and says
so. What you may not read is named, and the rest is answered.`,
		Example: `  signalbox explain deploy/frontend
  signalbox explain pod/frontend-5d6c9b7f4-x2x9k -n shop
  signalbox explain --all-namespaces
  signalbox explain -n shop -o json | jq '.workloads[].standings'`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 2 {
				return usageError{fmt.Errorf("got %d arguments; want KIND/NAME, or none for a list", len(args))}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return s.run(cmd.Context(), cmd.OutOrStdout(), args) },
	}
	f := cmd.Flags()
	f.StringVarP(&s.namespace, "namespace", "n", "", "`namespace` of the workload (default: that of the context)")
	f.BoolVarP(&s.all, "all-namespaces", "A", false, "list the workloads of all namespaces")
	f.StringVar(&s.operatorNamespace, "operator-namespace", "", "`namespace` of the operator (default: it is looked for)")
	f.StringVar(&s.kubeconfig, "kubeconfig", "", "kubeconfig `file` (default: kubectl's)")
	f.StringVar(&s.context, "context", "", "`name` of the context in it (default: the current one)")
	outputFlag(cmd, &s.output, "text", "json")
	return cmd
}

func (s *explainSettings) run(ctx context.Context, w io.Writer, args []string) error {
	ref, err := workloadNamed(args)
	if err != nil {
		return err
	}
	if s.all && ref.Name != "" {
		return usageError{errors.New("--all-namespaces is for the list; name the namespace of a workload with -n")}
	}
	config, namespace, err := s.cluster()
	if err != nil {
		return err
	}
	e, err := explain.New(ctx, explain.Options{REST: config, Version: Version, OperatorNamespace: s.operatorNamespace})
	if err != nil {
		return err
	}
	var report *explain.Report
	switch {
	case ref.Name != "":
		ref.Namespace = namespace
		report, err = e.One(ctx, ref)
	case s.all:
		report, err = e.All(ctx)
	default:
		report, err = e.All(ctx, namespace)
	}
	if err != nil {
		return err
	}
	if s.output == "json" {
		return writeJSON(w, report)
	}
	width, st := terminalOf(w)
	text := explanation{st: st, width: width}
	if ref.Name != "" {
		text.one(report)
	} else {
		text.list(report)
	}
	_, err = io.WriteString(w, text.String())
	return err
}

// cluster is the one that the flags name, and the namespace.
func (s *explainSettings) cluster() (*rest.Config, string, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = s.kubeconfig
	load := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: s.context})
	config, err := load.ClientConfig()
	if err != nil {
		return nil, "", fmt.Errorf("finding the cluster: %w", err)
	}
	namespace := s.namespace
	if namespace == "" {
		if namespace, _, err = load.Namespace(); err != nil {
			return nil, "", fmt.Errorf("finding the cluster: %w", err)
		}
	}
	return config, namespace, nil
}

// kinds are the kinds of workloads, by what people call them.
var kinds = map[string]string{
	"deployment": "Deployment", "deploy": "Deployment",
	"statefulset": "StatefulSet", "sts": "StatefulSet",
	"daemonset": "DaemonSet", "ds": "DaemonSet",
	"replicaset": "ReplicaSet", "rs": "ReplicaSet",
	"job": "Job", "cronjob": "CronJob", "cj": "CronJob",
	"pod": "Pod", "po": "Pod",
}

// workloadNamed reads KIND/NAME or KIND NAME; no arguments name none.
func workloadNamed(args []string) (review.Ref, error) {
	if len(args) == 0 {
		return review.Ref{}, nil
	}
	kind, name, ok := strings.Cut(strings.Join(args, "/"), "/")
	if !ok || name == "" || strings.Contains(name, "/") {
		return review.Ref{}, usageError{fmt.Errorf("got %q; want KIND/NAME, as deploy/frontend", strings.Join(args, " "))}
	}
	// As kubectl takes it: deployments, deployments.apps.
	word, _, _ := strings.Cut(strings.ToLower(kind), ".")
	known := kinds[word]
	if known == "" {
		known = kinds[strings.TrimSuffix(word, "s")]
	}
	if known == "" {
		return review.Ref{}, usageError{fmt.Errorf("%q is no kind of workload: %w", kind, review.ErrKind)}
	}
	return review.Ref{Kind: known, Name: name}, nil
}
