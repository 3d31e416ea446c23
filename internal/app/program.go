package app

import (
	"path/filepath"
	"slices"
)

// collectorPrograms are the names of the collectors' programs in their images,
// since the first ones. Under such a name the binary is `signalbox collector`,
// so that the command of an old manifest keeps working.
var collectorPrograms = []string{"otelcol", "otelcol-contrib", "otelcontribcol"}

// arguments returns the words after the program's name, with the command that the
// name stands for.
func arguments(argv []string) []string {
	if slices.Contains(collectorPrograms, filepath.Base(argv[0])) {
		return slices.Concat([]string{"collector"}, argv[1:])
	}
	return argv[1:]
}
