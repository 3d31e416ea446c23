package inject

import (
	"fmt"
	"slices"
	"strings"
)

// note keeps what the pod's owner should know.
func (in *injection) note(format string, args ...any) {
	in.notes = append(in.notes, fmt.Sprintf(format, args...))
}

// hidden notes values that may have been there and no longer count.
func (in *injection) hidden() {
	if len(in.created) > 0 {
		sources := append(in.unseen(), "the image")
		in.note("if %s sets %s, that no longer counts: write it into the pod", strings.Join(sources, " or "), strings.Join(in.created, " or "))
	}
}

// remarks are notes about containers, which have much in common.
type remarks struct {
	notes      []string
	containers map[string][]string // by note
}

func (r *remarks) add(container string, notes []string) {
	if r.containers == nil {
		r.containers = map[string][]string{}
	}
	for _, n := range notes {
		if _, ok := r.containers[n]; !ok {
			r.notes = append(r.notes, n)
		}
		r.containers[n] = append(r.containers[n], container)
	}
}

// of are the notes, each once, with the containers that it is about where that
// is not all of them.
func (r *remarks) of(all []string) []string {
	notes := slices.Clone(r.notes)
	for i, n := range notes {
		if about := r.containers[n]; len(about) < len(all) && !strings.Contains(n, "container "+about[0]) {
			notes[i] = "container " + strings.Join(about, ", ") + ": " + n
		}
	}
	return notes
}
