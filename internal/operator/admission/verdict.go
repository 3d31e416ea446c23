package admission

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/signalbox-otel/signalbox/internal/migrate"
)

const (
	// warningLength is up to where the API server keeps a warning as it is.
	warningLength = 256
	// warningsLength bounds all of them: the API server cuts at 4096.
	warningsLength = 3500
	// problemsShown bounds what is said of one resource that is refused.
	problemsShown = 40
)

// verdict is what is found about one resource.
type verdict struct {
	problems []problem
	warnings []problem
}

// problem is something that is wrong at a place.
type problem struct {
	path string // spec.ports[0].name
	text string
}

func (p problem) String() string {
	if p.path == "" {
		return p.text
	}
	return p.path + ": " + p.text
}

// refuse says why the resource is refused.
func (v *verdict) refuse(path, format string, args ...any) {
	v.problems = append(v.problems, problem{path, fmt.Sprintf(format, args...)})
}

// warn says what the resource is accepted with.
func (v *verdict) warn(path, format string, args ...any) {
	v.warnings = append(v.warnings, problem{path, fmt.Sprintf(format, args...)})
}

// found takes findings over. Errors refuse, unless lenient is why they may not.
func (v *verdict) found(findings []migrate.Finding, lenient string) {
	for _, f := range findings {
		switch {
		case f.Severity != migrate.Error:
			v.warn(join(f.Path), "%s", strings.TrimPrefix(f.Text(), "warning: "))
		case lenient != "":
			v.warn(join(f.Path), "%s (%s)", f.Why, lenient)
		default:
			v.refuse(join(f.Path), "%s", strings.TrimPrefix(f.Text(), "error: "))
		}
	}
}

// covers reports whether something at or below a path is refused.
func (v *verdict) covers(path string) bool {
	return slices.ContainsFunc(v.problems, func(p problem) bool {
		return p.path == path || strings.HasPrefix(p.path, path+".") || strings.HasPrefix(p.path, path+"[")
	})
}

// response tells the API server, which tells the user.
func (v *verdict) response(req admission.Request) admission.Response {
	response := admission.Allowed("")
	response.Warnings = v.lines()
	problems := unique(v.problems)
	if len(problems) == 0 {
		return response
	}
	shown := problems
	if len(shown) > problemsShown {
		shown = append(slices.Clone(shown[:problemsShown]), problem{"", fmt.Sprintf("and %d more", len(problems)-problemsShown)})
	}
	status := &metav1.Status{
		Status: metav1.StatusFailure, Code: http.StatusUnprocessableEntity, Reason: metav1.StatusReasonInvalid,
		Details: &metav1.StatusDetails{Group: req.Kind.Group, Kind: req.Kind.Kind, Name: req.Name},
	}
	var texts []string
	for _, p := range shown {
		texts = append(texts, p.String())
		status.Details.Causes = append(status.Details.Causes, metav1.StatusCause{Type: metav1.CauseTypeFieldValueInvalid, Field: p.path, Message: p.text})
	}
	status.Message = strings.Join(texts, "\n")
	response.AdmissionResponse = admissionv1.AdmissionResponse{Allowed: false, Result: status, Warnings: response.Warnings}
	return response
}

// lines are the warnings as they are printed: one line each, not too long, and
// not too many.
func (v *verdict) lines() []string {
	var lines []string
	warnings, length := unique(v.warnings), 0
	for i, w := range warnings {
		line := cut(strings.Join(strings.Fields(w.String()), " "))
		if length += utf8.RuneCountInString(line); length > warningsLength {
			return append(lines, fmt.Sprintf("and %d more warnings; signalbox render lists all", len(warnings)-i))
		}
		lines = append(lines, line)
	}
	return lines
}

// cut shortens a warning to what the API server passes on.
func cut(line string) string {
	if utf8.RuneCountInString(line) <= warningLength {
		return line
	}
	runes := []rune(line)
	return string(runes[:warningLength-1]) + "…"
}

// unique keeps each problem once, in order.
func unique(problems []problem) []problem {
	seen := map[problem]bool{}
	return slices.DeleteFunc(slices.Clone(problems), func(p problem) bool {
		again := seen[p]
		seen[p] = true
		return again
	})
}
