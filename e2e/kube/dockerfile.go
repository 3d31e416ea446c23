package kube

import (
	"encoding/json"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// FromDockerfile returns the image that a stage of a Dockerfile describes, so that
// the cluster runs the image that is shipped without a builder of images. It
// reads what our images are made of: FROM scratch or an earlier stage, COPY from
// a stage, ENV, USER, WORKDIR, LABEL, EXPOSE, ENTRYPOINT and CMD as JSON. Stages
// that run commands are given: made maps their names to folders that hold what
// they make. Anything else is an error, not ignored.
func FromDockerfile(file, stage string, made map[string]string) (Image, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return Image{}, err
	}
	stages := map[string]*Image{}
	var current *Image // nil in a stage that is given
	for number, line := range dockerLines(string(text)) {
		keyword, rest, _ := strings.Cut(line, " ")
		rest = strings.TrimSpace(rest)
		if strings.EqualFold(keyword, "FROM") {
			current, err = startStage(stages, made, rest)
		} else if current != nil {
			err = current.instruct(strings.ToUpper(keyword), rest, made)
		}
		if err != nil {
			return Image{}, fmt.Errorf("reading %s: instruction %d, %s: %w", file, number+1, keyword, err)
		}
	}
	img, ok := stages[stage]
	if !ok {
		return Image{}, fmt.Errorf("reading %s: no stage %q", file, stage)
	}
	return *img, nil
}

// dockerLines splits into instructions: comments go, continued lines are one.
func dockerLines(text string) []string {
	var lines []string
	var open strings.Builder
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		more, continued := strings.CutSuffix(line, `\`)
		open.WriteString(more)
		if !continued {
			lines = append(lines, open.String())
			open.Reset()
		}
	}
	return lines
}

// startStage begins the stage of a FROM, and returns nil for one that is given.
func startStage(stages map[string]*Image, made map[string]string, rest string) (*Image, error) {
	words := strings.Fields(rest)
	if len(words) != 3 || !strings.EqualFold(words[1], "AS") {
		return nil, fmt.Errorf("got %q; want BASE AS NAME", rest)
	}
	base, name := words[0], words[2]
	if _, ok := made[name]; ok {
		return nil, nil
	}
	img := &Image{}
	if base != "scratch" {
		earlier, ok := stages[base]
		if !ok {
			return nil, fmt.Errorf("%q is neither scratch nor an earlier stage, and the stage %q is not given", base, name)
		}
		*img = *earlier
	}
	stages[name] = img
	return img, nil
}

// instruct applies an instruction other than FROM.
func (img *Image) instruct(keyword, rest string, made map[string]string) error {
	switch keyword {
	case "COPY":
		return img.copy(rest, made)
	case "ENV":
		if strings.ContainsAny(rest, ` "$`) || !strings.Contains(rest, "=") {
			return fmt.Errorf("got %q; want one NAME=value", rest)
		}
		img.Env = append(img.Env[:len(img.Env):len(img.Env)], rest)
	case "LABEL":
		name, value, ok := strings.Cut(rest, "=")
		if !ok {
			return fmt.Errorf("got %q; want name=value", rest)
		}
		labels := map[string]string{name: strings.Trim(value, `"`)}
		for k, v := range img.Labels {
			if k != name {
				labels[k] = v
			}
		}
		img.Labels = labels
	case "USER":
		img.User = rest
	case "WORKDIR":
		img.WorkingDir = rest
	case "EXPOSE":
		ports := map[string]struct{}{}
		for _, p := range strings.Fields(rest) {
			if !strings.Contains(p, "/") {
				p += "/tcp"
			}
			ports[p] = struct{}{}
		}
		img.Ports = ports
	case "ENTRYPOINT":
		img.Entrypoint, img.Cmd = nil, nil // not to write into an earlier stage's
		return json.Unmarshal([]byte(rest), &img.Entrypoint)
	case "CMD":
		img.Cmd = nil
		return json.Unmarshal([]byte(rest), &img.Cmd)
	default:
		return fmt.Errorf("not known here")
	}
	return nil
}

// copy applies COPY --from=STAGE [--chown=UID:GID] SOURCE TARGET.
func (img *Image) copy(rest string, made map[string]string) error {
	var f File
	var words []string
	dir := ""
	for _, word := range strings.Fields(rest) {
		if stage, ok := strings.CutPrefix(word, "--from="); ok {
			if dir, ok = made[stage]; !ok {
				return fmt.Errorf("the stage %q is not given", stage)
			}
		} else if owner, ok := strings.CutPrefix(word, "--chown="); ok {
			user, group, _ := strings.Cut(owner, ":")
			uid, err := strconv.Atoi(user)
			if err != nil || user != group {
				return fmt.Errorf("got owner %q; want UID:GID, both the same number", owner)
			}
			f.UID = uid
		} else {
			words = append(words, word)
		}
	}
	if dir == "" || len(words) != 2 {
		return fmt.Errorf("got %q; want --from=STAGE SOURCE TARGET", rest)
	}
	f.Source, f.Target = filepath.Join(dir, filepath.FromSlash(path.Clean("/"+words[0]))), words[1]
	img.Files = append(img.Files[:len(img.Files):len(img.Files)], f)
	return nil
}
