package load

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// growing is a run that does ten tasks a second, one of them in vain.
func growing() func() Snapshot {
	start := time.Now()
	return func() Snapshot {
		seconds := uint64(time.Since(start) / time.Second)
		get := TaskStats{Name: "GET /", Count: 8 * seconds, Durations: Durations{bucketOf(5 * time.Millisecond): 8 * seconds}}
		post := TaskStats{Name: "POST /post", Count: 2 * seconds, Failures: seconds, Durations: Durations{bucketOf(2 * time.Second): 2 * seconds}, Kinds: map[string]uint64{"500 Internal\x1b Server Error": seconds}}
		return Snapshot{Users: 5, Target: 5, Peak: 5, Began: start, Elapsed: time.Since(start), Ran: time.Since(start), Tasks: []TaskStats{get, post}, Full: 10 * seconds, FullElapsed: time.Since(start)}
	}
}

func watch(t *testing.T, live bool, width int) (out string) {
	synctest.Test(t, func(t *testing.T) {
		var b strings.Builder
		r := Reporter{Out: &b, Live: live, Width: width, RunTime: 10 * time.Second, Source: growing()}
		done := make(chan struct{})
		time.AfterFunc(10*time.Second+time.Millisecond, func() { close(done) })
		if err := r.Watch(done); err != nil {
			t.Error(err)
		}
		out = b.String()
	})
	return out
}

const wantSummary = `Done after 10s with 5 users.

TASK          TASKS/S     COUNT  FAILURES       P50       P95       P99
GET /             8.0        80         0   5.04 ms   5.04 ms   5.04 ms
POST /post        2.0        20        10    1.99 s    1.99 s    1.99 s
all tasks        10.0       100        10   5.04 ms    1.99 s    1.99 s

With all users there, for 10s: 10.0 tasks/s

Failures:
        10  "500 Internal\x1b Server Error"
`

func TestPlainReport(t *testing.T) {
	want := `[==========          ] 5s of 10s  5 of 5 users  10.0 tasks/s  5 failures  p50 5.04 ms  p95 1.99 s  p99 1.99 s
[====================] 10s of 10s  5 of 5 users  10.0 tasks/s  10 failures  p50 5.04 ms  p95 1.99 s  p99 1.99 s

` + wantSummary
	if diff := cmp.Diff(want, watch(t, false, 0)); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
}

// On a terminal each table takes the place of the one before, and the summary
// that of the last.
func TestLiveReport(t *testing.T) {
	tables := strings.Split(watch(t, true, 80), "\x1b[6A\x1b[J")
	if len(tables) != 11 {
		t.Fatalf("got %d tables; want one a second and the summary, 11:\n%q", len(tables), tables)
	}
	if narrow := watch(t, true, 50); !strings.Contains(narrow, "\nPOST /pos  ") {
		t.Errorf("in 50 columns: got\n%s\nwant names cut", narrow)
	}
	want := `[==                  ] 1s of 10s  5 of 5 users

TASK          TASKS/S     COUNT  FAILURES       P50       P95       P99
GET /             8.0         8         0   5.04 ms   5.04 ms   5.04 ms
POST /post        2.0         2         1    1.99 s    1.99 s    1.99 s
all tasks        10.0        10         1   5.04 ms    1.99 s    1.99 s
`
	if diff := cmp.Diff(want, tables[0]); diff != "" {
		t.Errorf("first table (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(wantSummary, tables[10]); diff != "" {
		t.Errorf("summary (-want +got):\n%s", diff)
	}
}
