package load

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

const (
	maxScenario = 1 << 20 // bytes of a scenario file
	maxTasks    = 100     // each has a row and a histogram
)

// Scenario is what users do.
type Scenario struct {
	Wait  Wait   `yaml:"wait" json:"wait"`
	Tasks []Task `yaml:"tasks" json:"tasks"`
}

// Wait is how long a user waits after each task: uniformly between Min and Max.
type Wait struct {
	Min time.Duration `yaml:"min" json:"min"`
	Max time.Duration `yaml:"max" json:"max"`
}

// Task is one request, and what follows from its redirects. In path, form
// values, headers and body, {1..5} stands for a random number from 1 to 5.
type Task struct {
	Name    string            `yaml:"name" json:"name"`     // its row in the table; "" is method and path
	Weight  int               `yaml:"weight" json:"weight"` // how often beside the others; 0 is 1
	Method  string            `yaml:"method" json:"method"` // "" is GET
	Path    string            `yaml:"path" json:"path"`
	Form    map[string]string `yaml:"form" json:"form"`
	Headers map[string]string `yaml:"headers" json:"headers"`
	Body    string            `yaml:"body" json:"body"`
}

//go:embed guestbook.yaml
var guestbook []byte

// Guestbook is the scenario for `signalbox demo`.
func Guestbook() Scenario {
	s, err := ParseScenario(guestbook)
	if err != nil {
		panic(err) // the file is part of the program
	}
	return s
}

// ReadScenario reads a scenario file.
func ReadScenario(file string) (Scenario, error) {
	f, err := os.Open(file)
	if err != nil {
		return Scenario{}, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxScenario+1))
	if err != nil {
		return Scenario{}, fmt.Errorf("reading %s: %w", file, err)
	}
	if len(text) > maxScenario {
		return Scenario{}, fmt.Errorf("reading %s: it is larger than %d bytes", file, maxScenario)
	}
	s, err := ParseScenario(text)
	if err != nil {
		return Scenario{}, fmt.Errorf("reading %s: %w", file, err)
	}
	return s, nil
}

// ParseScenario reads YAML; unknown keys are errors.
func ParseScenario(text []byte) (Scenario, error) {
	var s Scenario
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&s); err != nil {
		return Scenario{}, err
	}
	for i := range s.Tasks {
		s.Tasks[i].setDefaults()
	}
	return s, s.Validate()
}

func (t *Task) setDefaults() {
	if t.Method == "" {
		t.Method = http.MethodGet
	}
	if t.Weight == 0 {
		t.Weight = 1
	}
	if t.Name == "" {
		t.Name = t.Method + " " + t.Path
	}
}

// Validate reports everything that is wrong.
func (s Scenario) Validate() error {
	var errs []error
	if s.Wait.Min < 0 || s.Wait.Max < s.Wait.Min {
		errs = append(errs, fmt.Errorf("wait: got min %v and max %v; want 0 <= min <= max", s.Wait.Min, s.Wait.Max))
	}
	if len(s.Tasks) == 0 || len(s.Tasks) > maxTasks {
		errs = append(errs, fmt.Errorf("tasks: got %d; want 1 to %d", len(s.Tasks), maxTasks))
	}
	names := map[string]bool{}
	for _, t := range s.Tasks {
		if err := t.validate(); err != nil {
			errs = append(errs, fmt.Errorf("task %q: %w", t.Name, err))
		}
		if names[t.Name] {
			errs = append(errs, fmt.Errorf("task %q: another task has that name", t.Name))
		}
		names[t.Name] = true
	}
	return errors.Join(errs...)
}

func (t Task) validate() error {
	if !strings.HasPrefix(t.Path, "/") || strings.HasPrefix(t.Path, "//") {
		return fmt.Errorf("path %q: want one that begins with a single /; the host is given by --host", t.Path)
	}
	if t.Weight < 1 || t.Weight > 1_000_000 {
		return fmt.Errorf("weight %d: want 1 to 1000000", t.Weight)
	}
	if len(t.Form) > 0 && t.Body != "" {
		return errors.New("it has both a form and a body")
	}
	_, err := t.request(&url.URL{Scheme: "http", Host: "localhost"})
	return err
}

// request makes one request of the task.
func (t Task) request(host *url.URL) (*http.Request, error) {
	ref, err := url.Parse(fill(t.Path))
	if err != nil {
		return nil, err
	}
	var body io.Reader
	form := url.Values{}
	for name, value := range t.Form {
		form.Set(name, fill(value))
	}
	if len(form) > 0 {
		body = strings.NewReader(form.Encode())
	} else if t.Body != "" {
		body = strings.NewReader(fill(t.Body))
	}
	target := *host
	target.Path, target.RawPath, target.RawQuery = strings.TrimSuffix(host.Path, "/")+ref.Path, "", ref.RawQuery
	req, err := http.NewRequest(t.Method, target.String(), body)
	if err != nil {
		return nil, err
	}
	if len(form) > 0 {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for name, value := range t.Headers {
		req.Header.Set(name, fill(value))
	}
	req.Header.Set("User-Agent", "signalbox-load")
	return req, nil
}

var numberRange = regexp.MustCompile(`\{(\d{1,9})\.\.(\d{1,9})\}`)

// fill puts random numbers for {from..to}.
func fill(text string) string {
	if !strings.Contains(text, "{") {
		return text
	}
	return numberRange.ReplaceAllStringFunc(text, func(found string) string {
		parts := numberRange.FindStringSubmatch(found)
		from, _ := strconv.Atoi(parts[1]) // nine digits are a number
		to, _ := strconv.Atoi(parts[2])
		if to < from {
			return found
		}
		return strconv.Itoa(from + rand.IntN(to-from+1))
	})
}

// picker chooses tasks by weight.
type picker struct {
	sums []int // cumulated weights
}

func newPicker(tasks []Task) picker {
	var p picker
	sum := 0
	for _, t := range tasks {
		sum += t.Weight
		p.sums = append(p.sums, sum)
	}
	return p
}

func (p picker) pick() int {
	n := rand.IntN(p.sums[len(p.sums)-1])
	i, _ := slices.BinarySearch(p.sums, n+1)
	return i
}
