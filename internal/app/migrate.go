package app

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/signalbox-otel/signalbox/internal/migrate"
)

// migrateSettings is what the flags of `signalbox migrate` say.
type migrateSettings struct {
	write, diff, modernise bool
	output                 string
}

// errNotKept ends the command when something old has nothing in its place. What
// it is was printed.
var errNotKept = errors.New("not everything could be kept; what is marked as error needs your hand")

func newMigrate() *cobra.Command {
	var s migrateSettings
	cmd := &cobra.Command{
		Use:   "migrate FILE...",
		Short: "Rewrite an old collector configuration or manifest to today's form",
		Long: `Migrate rewrites collector configurations written for any release since 0.6 to what
today's collectors take: components and keys that were removed or renamed, flags
and feature gates that are gone, variables without braces. A FILE is a collector
configuration, or Kubernetes documents: a ConfigMap or an OpenTelemetryCollector
with a configuration in it, the Deployment or DaemonSet that runs it, and what
stands beside them.

The rewritten file goes to stdout and the findings to stderr, one on each line:

  otel.yaml:12: exporters::logging: changed to exporters::debug: …

  changed   rewritten, and means the same
  dropped   it has no effect any more
  warning   kept, and likely not what was meant
  error     cannot be kept; the line says what to do instead

Comments, order and every line that need not change stay as they are. Migrating
what was migrated changes nothing. 'signalbox collector' does the same to what it
loads, so no file must be migrated before it runs.

- is stdin. The exit code is 0 when everything could be kept and 1 when not.`,
		Example: `  signalbox migrate otel-collector.yaml --diff
  signalbox migrate manifests/*.yaml --write
  kubectl get configmap otel-conf -o yaml | signalbox migrate - > new.yaml
  signalbox migrate --modernise collector.yaml -o json`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError{errors.New("no file given; - is stdin")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return s.run(cmd, args) },
	}
	f := cmd.Flags()
	f.BoolVarP(&s.write, "write", "w", false, "rewrite the files instead of printing them")
	f.BoolVar(&s.diff, "diff", false, "print what changes, as patch reads it")
	f.BoolVar(&s.modernise, "modernise", false, "give components the names that upstream has for them now, as otlp_grpc for otlp; labels of their metrics change with them")
	outputFlag(cmd, &s.output, "text", "json")
	cmd.MarkFlagsMutuallyExclusive("write", "diff")
	return cmd
}

// migratedFile is one file as JSON.
type migratedFile struct {
	File     string            `json:"file"`
	Changed  bool              `json:"changed"`
	Text     string            `json:"text"`
	Diff     string            `json:"diff,omitempty"`
	Findings []migrate.Finding `json:"findings"`
}

func (s *migrateSettings) run(cmd *cobra.Command, files []string) error {
	if len(files) > 1 && !s.write && !s.diff && s.output == "text" {
		return usageError{errors.New("several files need --write, --diff or -o json: on stdout they would be one")}
	}
	all := []migratedFile{}
	failed := false
	for _, file := range files {
		old, err := readFile(file, cmd.InOrStdin())
		if err != nil {
			return err
		}
		result, err := migrate.File(file, old, migrate.Options{Modernise: s.modernise})
		if err != nil {
			return err
		}
		failed = failed || migrate.Failed(result.Findings)
		if s.write && string(old) != string(result.Text) {
			if err := rewrite(file, result.Text); err != nil {
				return err
			}
		}
		m := migratedFile{file, string(old) != string(result.Text), string(result.Text), "", append([]migrate.Finding{}, result.Findings...)}
		if s.diff {
			m.Diff = migrate.Diff(file, old, result.Text)
		}
		all = append(all, m)
		if s.output == "text" {
			if err := s.print(cmd, m); err != nil {
				return err
			}
		}
	}
	if s.output == "json" {
		if err := writeJSON(cmd.OutOrStdout(), all); err != nil {
			return err
		}
	}
	if failed {
		return errNotKept
	}
	return nil
}

// print writes the findings to stderr, and what is asked for to stdout.
func (s *migrateSettings) print(cmd *cobra.Command, m migratedFile) error {
	for _, f := range m.Findings {
		fmt.Fprintln(cmd.ErrOrStderr(), f)
	}
	out := m.Text
	switch {
	case s.diff:
		out = m.Diff
	case s.write:
		out = ""
		if m.Changed {
			fmt.Fprintf(cmd.ErrOrStderr(), "%s: written\n", m.File)
		}
	}
	_, err := io.WriteString(cmd.OutOrStdout(), out)
	return err
}

func readFile(file string, stdin io.Reader) ([]byte, error) {
	if file == "-" {
		return io.ReadAll(stdin)
	}
	return os.ReadFile(filepath.Clean(file))
}

// rewrite replaces a file in one step, and keeps its mode: a reader sees the old
// text or the new one.
func rewrite(file string, text []byte) error {
	if file == "-" {
		return usageError{errors.New("stdin cannot be rewritten: leave --write out")}
	}
	file, err := filepath.EvalSymlinks(file)
	if err != nil {
		return err
	}
	was, err := os.Stat(file)
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(file), ".migrate-*")
	if err != nil {
		return err
	}
	_, err = tmp.Write(text)
	err = errors.Join(err, tmp.Chmod(was.Mode().Perm()), tmp.Sync(), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), file)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("rewriting %s: %w", file, err), os.Remove(tmp.Name()))
	}
	return nil
}
