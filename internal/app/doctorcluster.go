package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/signalbox-otel/signalbox/internal/doctor"
	"github.com/signalbox-otel/signalbox/internal/doctor/cluster"
)

// clusterDoctor is what the flags of `signalbox doctor` say about a cluster.
type clusterDoctor struct {
	namespace, kubeconfig, context string
	metric, image                  string
	noProbe                        bool
	timeout                        time.Duration
	output                         string
}

func (c *clusterDoctor) register(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVarP(&c.namespace, "namespace", "n", "", "`namespace` of the workloads (default: that of the context)")
	f.StringVar(&c.kubeconfig, "kubeconfig", "", "kubeconfig `file` (default: kubectl's)")
	f.StringVar(&c.context, "context", "", "`name` of the context in it (default: the current one)")
	f.StringVar(&c.metric, "metric", "", "`name` of a metric that you miss: what is it really called?")
	f.BoolVar(&c.noProbe, "no-probe", false, "send nothing: start no pod that sends probes, and ask none for metrics")
	f.StringVar(&c.image, "image", "", "`image` of that pod (default: the operator's)")
}

func (c *clusterDoctor) run(ctx context.Context, w io.Writer) error {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = c.kubeconfig
	loader := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: c.context})
	config, err := loader.ClientConfig()
	if err != nil {
		return fmt.Errorf("finding the cluster: %w; --local examines a collector on this machine", err)
	}
	if c.namespace == "" {
		if c.namespace, _, err = loader.Namespace(); err != nil {
			return fmt.Errorf("finding the namespace: %w", err)
		}
	}
	report, err := cluster.Examine(ctx, cluster.Options{
		Config: config, Kubeconfig: c.kubeconfig, Context: c.context, Namespace: c.namespace, Metric: c.metric,
		Image: ownImage, Version: Version, Probe: !c.noProbe, ProbeImage: c.image, Timeout: c.timeout,
	})
	if err != nil {
		return err
	}
	if c.output == "json" {
		err = writeJSON(w, report)
	} else {
		_, st := terminalOf(w)
		err = writeClusterReport(w, report, st)
	}
	if err == nil && report.Status == doctor.Error {
		err = errUnwell
	}
	return err
}

// writeClusterReport prints what was found, for people.
func writeClusterReport(w io.Writer, r *cluster.Report, st style) error {
	var b strings.Builder
	told := map[string]bool{}
	var area cluster.Area
	for _, f := range r.Findings {
		if f.Area != area {
			area = f.Area
			fmt.Fprintf(&b, "%s\n", st.bold(string(area)))
		}
		text := f.Text
		if f.Object != "" {
			text = f.Object + ": " + text
		}
		fmt.Fprintf(&b, "  %s %s\n", sign(f.Status, st), printable(text))
		writeFix(&b, f.Fix, "      ", st, told)
	}
	for _, p := range r.Probes {
		fmt.Fprintf(&b, "\n%s\n", st.bold(printable("from namespace "+r.Namespace+" to "+p.Endpoint)))
		writeChecks(&b, p.Report, st, told)
	}
	fmt.Fprintf(&b, "\n%s\n", summary(r.Count))
	_, err := io.WriteString(w, b.String())
	return err
}

// newDoctorProbe is what a pod that sends probes runs.
func newDoctorProbe() *cobra.Command {
	var to string
	timeout := 5 * time.Second
	cmd := &cobra.Command{
		Use:   "probe PARCELS",
		Short: "Send probes from a pod, for signalbox doctor",
		Long: `Probe sends what its argument says, and writes what came of it to --to: signalbox
doctor runs it in a pod of the namespace that it examines.`,
		Example: `  signalbox doctor probe --to /dev/termination-log '[{"signal":"traces", …}]'`,
		Hidden:  true,
		Args:    exactArgs(1, "the parcels"),
		RunE: func(cmd *cobra.Command, args []string) error {
			var parcels []doctor.Parcel
			if err := json.Unmarshal([]byte(args[0]), &parcels); err != nil {
				return usageError{errors.New("the parcels are no JSON")}
			}
			answers, err := json.Marshal(doctor.Send(cmd.Context(), doctor.Options{Timeout: timeout}, parcels))
			if err != nil {
				return err
			}
			if to == "" {
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s\n", answers)
				return err
			}
			// The file is the kubelet's, and may not be replaced.
			f, err := os.OpenFile(to, os.O_WRONLY|os.O_TRUNC|os.O_CREATE, 0o644)
			if err != nil {
				return err
			}
			if _, err = f.Write(answers); err != nil {
				return errors.Join(err, f.Close())
			}
			return f.Close()
		},
	}
	cmd.Flags().StringVar(&to, "to", "", "`file` for what came of it (default: stdout)")
	cmd.Flags().DurationVar(&timeout, "timeout", timeout, "how long one probe may take")
	return cmd
}
