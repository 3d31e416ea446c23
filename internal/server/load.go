package server

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Load is the load that this process makes, or has workers make. The room of the
// load cannot be imported here; app puts it behind this. Its methods may be
// called at any time by many goroutines.
type Load interface {
	State() LoadState
	// History is how the load went, the oldest point first, and the time between
	// two points.
	History() (points []LoadPoint, step time.Duration)
	// Start changes the number of users and how many come per second; a load
	// that is stopped starts again. An error is about the numbers.
	Start(users int, spawnRate float64) error
	Stop()
	// Reset forgets results and history.
	Reset()
}

// LoadState is a load at one moment, with its results.
type LoadState struct {
	State       string  `json:"state"` // waiting, spawning, running, stopped
	Host        string  `json:"host"`
	Users       int     `json:"users"`       // that are running
	TargetUsers int     `json:"targetUsers"` // that there are to be, or were until it was stopped
	SpawnRate   float64 `json:"spawnRate"`   // users per second
	// ElapsedNanos is how long the results took, RanNanos how long it runs since
	// it was started; RunTimeNanos is when it ends by itself, 0 never.
	ElapsedNanos time.Duration `json:"elapsedNanos"`
	RanNanos     time.Duration `json:"ranNanos"`
	RunTimeNanos time.Duration `json:"runTimeNanos"`
	Total        LoadTask      `json:"total"`
	Tasks        []LoadTask    `json:"tasks"`
	Failures     []LoadFailure `json:"failures"`
	// WorkersExpected is 0 when this process makes the load itself.
	WorkersExpected int          `json:"workersExpected"`
	Workers         []LoadWorker `json:"workers"`
}

// LoadTask is the results of one task. Lengths of time are 0 when there are none.
type LoadTask struct {
	Method   string `json:"method"`
	Name     string `json:"name"`
	Requests uint64 `json:"requests"`
	Failures uint64 `json:"failures"`
	// Rates per second are of the last ten seconds, means of the whole.
	RequestRate     float64       `json:"requestRate"`
	FailureRate     float64       `json:"failureRate"`
	MeanRequestRate float64       `json:"meanRequestRate"`
	MeanFailureRate float64       `json:"meanFailureRate"`
	P50Nanos        time.Duration `json:"p50Nanos"`
	P95Nanos        time.Duration `json:"p95Nanos"`
	P99Nanos        time.Duration `json:"p99Nanos"`
	MeanNanos       time.Duration `json:"meanNanos"`
	MinNanos        time.Duration `json:"minNanos"`
	MaxNanos        time.Duration `json:"maxNanos"`
}

// LoadFailure is a kind of failure of one task.
type LoadFailure struct {
	Method  string `json:"method"`
	Name    string `json:"name"`
	Message string `json:"message"`
	Count   uint64 `json:"count"`
}

// LoadWorker is one worker of a coordinator.
type LoadWorker struct {
	ID       string  `json:"id"`
	Address  string  `json:"address"`
	State    string  `json:"state"` // ready, working, done, lost
	Users    int     `json:"users"`
	Requests uint64  `json:"requests"`
	Failures uint64  `json:"failures"`
	Silent   float64 `json:"silentSeconds"` // since its last report
}

// LoadPoint is how a load went at a time, over the ten seconds before.
type LoadPoint struct {
	Time          time.Time
	Users         int
	RequestRate   float64
	FailureRate   float64
	P50, P95, P99 time.Duration // 0 when nothing was answered
}

func (s *Server) loadRoutes() []route {
	change := func(path, doc string, h func(Load, *http.Request) error) route {
		return route{method: "POST", pattern: apiPrefix + "load/" + path, doc: doc, light: true, changes: true, handle: s.withLoad(func(l Load, w http.ResponseWriter, r *http.Request) error {
			if err := h(l, r); err != nil {
				return err
			}
			return writeJSON(w, stateOf(l))
		})}
	}
	return []route{
		light("load", "the load that this process makes", s.withLoad(func(l Load, w http.ResponseWriter, _ *http.Request) error { return writeJSON(w, stateOf(l)) })),
		light("load/history", "how the load went", s.withLoad(loadHistory)),
		light("load/tasks.csv", "results by task, as a table", s.withLoad(loadTasksCSV)),
		light("load/failures.csv", "failures by task and kind, as a table", s.withLoad(loadFailuresCSV)),
		light("load/history.csv", "how the load went, as a table", s.withLoad(loadHistoryCSV)),
		light("load/report.json", "all of it, as a file", s.withLoad(loadReport)),
		change("start", "starts the load, or changes the users", startLoad),
		change("stop", "has all users leave", func(l Load, _ *http.Request) error { l.Stop(); return nil }),
		change("reset", "forgets the results", func(l Load, _ *http.Request) error { l.Reset(); return nil }),
	}
}

// withLoad answers 404 when this process makes no load.
func (s *Server) withLoad(h func(Load, http.ResponseWriter, *http.Request) error) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if s.deps.Load == nil {
			return &problem{Status: http.StatusNotFound, Kind: "not_found", Message: "this process makes no load: 'signalbox load' does, and 'signalbox up --demo'"}
		}
		return h(s.deps.Load, w, r)
	}
}

// stateOf is the state with its lists, which the page takes for granted.
func stateOf(l Load) LoadState {
	a := l.State()
	a.Tasks, a.Failures, a.Workers = append([]LoadTask{}, a.Tasks...), append([]LoadFailure{}, a.Failures...), append([]LoadWorker{}, a.Workers...)
	return a
}

// startLoad reads {"users": 10, "spawnRate": 2}; what is left out stays.
func startLoad(l Load, r *http.Request) error {
	now := l.State()
	wanted := struct {
		Users     int     `json:"users"`
		SpawnRate float64 `json:"spawnRate"`
	}{now.TargetUsers, now.SpawnRate}
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(&wanted); err != nil && !errors.Is(err, io.EOF) {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return err
		}
		return &problem{Status: http.StatusBadRequest, Kind: "bad_request", Message: `the body should be as {"users": 10, "spawnRate": 2}: ` + err.Error()}
	}
	if err := l.Start(wanted.Users, wanted.SpawnRate); err != nil {
		return &problem{Status: http.StatusBadRequest, Kind: "bad_request", Message: err.Error()}
	}
	return nil
}

// historyAnswer has a list for each kind of value, all of the same length, which
// is a third of the size of a list of points.
type historyAnswer struct {
	StepSeconds float64   `json:"stepSeconds"`
	TimeMillis  []int64   `json:"timeMillis"`
	Users       []int     `json:"users"`
	RequestRate []float64 `json:"requestRate"`
	FailureRate []float64 `json:"failureRate"`
	P50Nanos    []int64   `json:"p50Nanos"`
	P95Nanos    []int64   `json:"p95Nanos"`
	P99Nanos    []int64   `json:"p99Nanos"`
}

func historyOf(l Load) historyAnswer {
	points, step := l.History()
	a := historyAnswer{
		StepSeconds: step.Seconds(), TimeMillis: []int64{}, Users: []int{}, RequestRate: []float64{}, FailureRate: []float64{},
		P50Nanos: []int64{}, P95Nanos: []int64{}, P99Nanos: []int64{},
	}
	for _, p := range points {
		a.TimeMillis = append(a.TimeMillis, p.Time.UnixMilli())
		a.Users = append(a.Users, p.Users)
		a.RequestRate = append(a.RequestRate, p.RequestRate)
		a.FailureRate = append(a.FailureRate, p.FailureRate)
		a.P50Nanos = append(a.P50Nanos, int64(p.P50))
		a.P95Nanos = append(a.P95Nanos, int64(p.P95))
		a.P99Nanos = append(a.P99Nanos, int64(p.P99))
	}
	return a
}

func loadHistory(l Load, w http.ResponseWriter, _ *http.Request) error {
	return writeJSON(w, historyOf(l))
}

func loadReport(l Load, w http.ResponseWriter, _ *http.Request) error {
	download(w, "load.json")
	return writeJSON(w, struct {
		LoadState
		History historyAnswer `json:"history"`
	}{stateOf(l), historyOf(l)})
}

func loadTasksCSV(l Load, w http.ResponseWriter, _ *http.Request) error {
	rows := [][]string{{"Method", "Name", "Requests", "Failures", "Median ms", "95 % ms", "99 % ms", "Mean ms", "Min ms", "Max ms", "Requests/s", "Failures/s"}}
	state := l.State()
	for _, t := range append(state.Tasks, state.Total) {
		rows = append(rows, []string{
			t.Method, t.Name, decimal(t.Requests), decimal(t.Failures),
			millis(t.P50Nanos), millis(t.P95Nanos), millis(t.P99Nanos), millis(t.MeanNanos), millis(t.MinNanos), millis(t.MaxNanos),
			perSecond(t.MeanRequestRate), perSecond(t.MeanFailureRate),
		})
	}
	return writeCSV(w, "load-tasks.csv", rows)
}

func loadFailuresCSV(l Load, w http.ResponseWriter, _ *http.Request) error {
	rows := [][]string{{"Method", "Name", "Failure", "Count"}}
	for _, f := range l.State().Failures {
		rows = append(rows, []string{f.Method, f.Name, f.Message, decimal(f.Count)})
	}
	return writeCSV(w, "load-failures.csv", rows)
}

func loadHistoryCSV(l Load, w http.ResponseWriter, _ *http.Request) error {
	rows := [][]string{{"Time", "Users", "Requests/s", "Failures/s", "Median ms", "95 % ms", "99 % ms"}}
	points, _ := l.History()
	for _, p := range points {
		rows = append(rows, []string{
			p.Time.UTC().Format("2006-01-02T15:04:05Z"), strconv.Itoa(p.Users), perSecond(p.RequestRate), perSecond(p.FailureRate),
			millis(p.P50), millis(p.P95), millis(p.P99),
		})
	}
	return writeCSV(w, "load-history.csv", rows)
}

func decimal(n uint64) string       { return strconv.FormatUint(n, 10) }
func perSecond(v float64) string    { return strconv.FormatFloat(v, 'f', 3, 64) }
func millis(d time.Duration) string { return strconv.FormatFloat(d.Seconds()*1e3, 'f', 3, 64) }
func download(w http.ResponseWriter, name string) {
	w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", name))
}

// writeCSV answers with a table. A cell that a spreadsheet would take for a
// formula gets an apostrophe: failures are in the words of the server that was
// asked.
func writeCSV(w http.ResponseWriter, name string, rows [][]string) error {
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	download(w, name)
	out := csv.NewWriter(w)
	for _, row := range rows {
		for i, cell := range row {
			if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
				row[i] = "'" + cell
			}
		}
		_ = out.Write(row) // the client may be gone: nobody to tell
	}
	out.Flush()
	return nil
}
