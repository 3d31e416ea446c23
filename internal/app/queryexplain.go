package app

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/docker/go-units"
)

// explainedAnswer is the part of an answer that says how it was found.
type explainedAnswer struct {
	Report struct {
		Rows          int              `json:"rows"`
		Blocks        int              `json:"blocks"`
		BlocksSkipped int              `json:"blocksSkipped"`
		Explain       *answerExplained `json:"explain"`
	} `json:"report"`
}

// answerExplained is what the API gives for explain=true.
type answerExplained struct {
	Elapsed time.Duration `json:"elapsedNanos"`
	Matched int           `json:"matched"`
	Pages   int           `json:"pagesRead"`
	Bytes   int64         `json:"bytesRead"`
	Stages  []struct {
		Name    string        `json:"name"`
		Elapsed time.Duration `json:"elapsedNanos"`
	} `json:"stages"`
	Skipped []struct {
		Why   string `json:"why"`
		Parts int    `json:"parts"`
	} `json:"skipped"`
	Parts []explainedPart `json:"parts"`
	More  int             `json:"more"`
}

// explainedPart is one block, or what is in memory.
type explainedPart struct {
	Part          string         `json:"part"`
	Kind          string         `json:"kind"`
	Rows          int            `json:"rows"`
	Groups        int            `json:"groups"`
	GroupsSkipped map[string]int `json:"groupsSkipped"`
	Examined      int            `json:"examined"`
	Matched       int            `json:"matched"`
	Pages         int            `json:"pagesRead"`
	Bytes         int64          `json:"bytesRead"`
	Elapsed       time.Duration  `json:"elapsedNanos"`
	Steps         []struct {
		Depth     int    `json:"depth"`
		Condition string `json:"condition"`
		How       string `json:"how"`
		In        int    `json:"in"`
		Out       int    `json:"out"`
	} `json:"steps"`
}

// write says how an answer was found: in short, by stage, and block by block.
func (a *explainedAnswer) write(w io.Writer, width int, st style) error {
	r, e := &a.Report, a.Report.Explain
	if e == nil {
		_, err := fmt.Fprintln(w, "\nThe server does not say how it found the answer.")
		return err
	}
	skipped := ""
	for i, s := range e.Skipped {
		skipped += []string{" (", ", "}[min(i, 1)] + s.Why + " " + strconv.Itoa(s.Parts)
	}
	if skipped != "" {
		skipped += ")"
	}
	fmt.Fprintf(w, "\n%s\n", st.bold("How it was found, in "+formatDuration(e.Elapsed)))
	fmt.Fprintf(w, "%d of %s examined match; %s looked into, %d ruled out%s; %s, %s read\n", e.Matched, count(r.Rows, "record"),
		count(r.Blocks, "block"), r.BlocksSkipped, skipped, count(e.Pages, "page"), units.BytesSize(float64(e.Bytes)))
	for _, stage := range e.Stages {
		fmt.Fprintf(w, "  %s  %s\n", pad(stage.Name, 16), formatDuration(stage.Elapsed))
	}
	for i := range e.Parts {
		if err := e.Parts[i].write(w, width, st); err != nil {
			return err
		}
	}
	if e.More > 0 {
		fmt.Fprintf(w, "\n%s more\n", count(e.More, "block"))
	}
	return nil
}

func (p *explainedPart) write(w io.Writer, width int, st style) error {
	where := p.Part
	if p.Part == "head" {
		where = p.Kind + " in memory"
	}
	ruledOut, left := "", p.Groups
	for _, why := range []string{"time", "pages", "answered"} {
		if n := p.GroupsSkipped[why]; n > 0 {
			left -= n
			ruledOut += fmt.Sprintf(", %d ruled out by %s", n, map[string]string{"time": "time", "pages": "bounds and filters of pages", "answered": "newer records"}[why])
		}
	}
	fmt.Fprintf(w, "\n%s  %s: %d of %s read%s; %d of %d match; %s, %s; %s\n", st.bold(printable(where)), count(p.Rows, "record"),
		left, count(p.Groups, "group"), ruledOut, p.Matched, p.Examined, count(p.Pages, "page"), units.BytesSize(float64(p.Bytes)), formatDuration(p.Elapsed))
	if len(p.Steps) == 0 {
		return nil
	}
	t := newTable(">ROWS", ">PASSED", "CONDITION", "DECIDED BY")
	for _, s := range p.Steps {
		t.add(strconv.Itoa(s.In), strconv.Itoa(s.Out), strings.Repeat("  ", s.Depth)+s.Condition, s.How)
	}
	return t.write(w, width, st)
}
