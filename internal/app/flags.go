package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/spf13/cobra"
)

// choice is the value of a flag that is one of a few words.
type choice struct {
	value  *string
	known  []string
	typeOf string // what --help calls it
}

func (c choice) String() string { return *c.value }
func (c choice) Type() string   { return c.typeOf }
func (c choice) Set(s string) error {
	if !slices.Contains(c.known, s) {
		return fmt.Errorf("want one of %s", strings.Join(c.known, ", "))
	}
	*c.value = s
	return nil
}

// choiceFlag adds a flag of that kind with completion.
func choiceFlag(cmd *cobra.Command, c choice, name, short, usage string) {
	cmd.Flags().VarP(c, name, short, usage+strings.Join(c.known, ", "))
	_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(c.known, cobra.ShellCompDirectiveNoFileComp))
}

// outputFlag adds -o with the formats a command knows; the first is the default.
func outputFlag(cmd *cobra.Command, value *string, formats ...string) {
	*value = formats[0]
	choiceFlag(cmd, choice{value, formats, "format"}, "output", "o", "output format: ")
}

// writeJSON writes what -o json asks for.
func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// span is the value of a flag that is a length of time, in days too.
type span struct{ value *time.Duration }

func (d span) String() string { return model.Duration(*d.value).String() }

func (d span) Type() string { return "duration" }
func (d span) Set(s string) error {
	v, err := time.ParseDuration(s)
	if err != nil {
		days, dayErr := model.ParseDuration(s)
		if dayErr != nil {
			return errors.New("want a length of time, as 90s, 1h30m or 7d")
		}
		v = time.Duration(days)
	}
	if v < 0 {
		return errors.New("want a length of time that is not negative")
	}
	*d.value = v
	return nil
}

// portNumber is the value of a flag that is a port to listen on.
type portNumber struct{ value *int }

func (p portNumber) String() string { return strconv.Itoa(*p.value) }
func (p portNumber) Type() string   { return "port" }
func (p portNumber) Set(s string) error {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > 65535 {
		return errors.New("want a port, 1 to 65535")
	}
	*p.value = n
	return nil
}
