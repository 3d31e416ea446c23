package app

import (
	"path/filepath"
	"slices"
	"strings"
)

// collectorPrograms are the names of the collectors' programs in their images,
// since the first ones. Under such a name the binary is `signalbox collector`,
// so that the command of an old manifest keeps working.
var collectorPrograms = []string{"otelcol", "otelcol-contrib", "otelcol-k8s", "otelcontribcol", "otelcorecol"}

// arguments returns the words after the program's name, with the command that the
// name stands for.
func arguments(argv []string) []string {
	if slices.Contains(collectorPrograms, strings.TrimSuffix(filepath.Base(argv[0]), ".exe")) {
		return slices.Concat([]string{"collector"}, argv[1:])
	}
	return argv[1:]
}
