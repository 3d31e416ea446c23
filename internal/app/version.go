package app

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// Version is the release this tree is, or becomes.
const Version = "0.1.0-dev"

// buildInfo is what `signalbox version` prints.
type buildInfo struct {
	Version   string `json:"version"`
	Revision  string `json:"revision,omitempty"`
	Modified  bool   `json:"modified,omitempty"`
	Collector string `json:"collector"`
	Go        string `json:"go"`
	Platform  string `json:"platform"`
}

func readBuildInfo() buildInfo {
	b := buildInfo{Version: Version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	for _, dep := range info.Deps {
		if dep.Path == "go.opentelemetry.io/collector/otelcol" {
			b.Collector = dep.Version
		}
	}
	return b
}

func newVersion() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version of Signalbox and of the collector in it",
		Example: `  signalbox version
  signalbox version -o json`,
		Args: exactArgs(0, "none"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			b := readBuildInfo()
			w := cmd.OutOrStdout()
			if output == "json" {
				enc := json.NewEncoder(w)
				enc.SetIndent("", "  ")
				return enc.Encode(b)
			}
			if b.Modified {
				b.Revision += " (modified)"
			}
			fmt.Fprintf(w, "signalbox %s\n", b.Version)
			if b.Revision != "" {
				fmt.Fprintf(w, "  revision   %s\n", b.Revision)
			}
			_, err := fmt.Fprintf(w, "  collector  %s\n  go         %s\n  platform   %s\n", b.Collector, b.Go, b.Platform)
			return err
		},
	}
	outputFlag(cmd, &output, "text", "json")
	return cmd
}
