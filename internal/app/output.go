package app

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// outputFormat is the value of -o: one of a command's formats.
type outputFormat struct {
	value   *string
	formats []string
}

func (o outputFormat) String() string { return *o.value }
func (o outputFormat) Type() string   { return "format" }
func (o outputFormat) Set(s string) error {
	if !slices.Contains(o.formats, s) {
		return fmt.Errorf("want one of %s", strings.Join(o.formats, ", "))
	}
	*o.value = s
	return nil
}

// outputFlag adds -o with the formats a command knows; the first is the default.
func outputFlag(cmd *cobra.Command, value *string, formats ...string) {
	*value = formats[0]
	cmd.Flags().VarP(outputFormat{value, formats}, "output", "o", "output format: "+strings.Join(formats, ", "))
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
}
