package load

import (
	"context"
	"math"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// watched runs a session of users who think a second and are answered after 5 ms.
func watched(t *testing.T, change func(*Settings)) (s *Session, ended <-chan struct{}) {
	t.Helper()
	set := settings(answers(func(r *http.Request) (*http.Response, error) {
		time.Sleep(5 * time.Millisecond) // of the bubble's clock
		return ok(r), nil
	}))
	set.Users, set.SpawnRate, set.RunTime = 10, 2, 0
	set.Scenario.Wait = Wait{Min: 995 * time.Millisecond, Max: 995 * time.Millisecond}
	if change != nil {
		change(&set)
	}
	swarm, err := New(set)
	if err != nil {
		t.Fatal(err)
	}
	s = NewSession(set, swarm)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { swarm.Run(ctx); close(done) }()
	go s.Record(done)
	t.Cleanup(func() { cancel(); <-done })
	return s, done
}

func after(d time.Duration) {
	time.Sleep(d) // of the bubble's clock
	synctest.Wait()
}

// Somebody changes the load while it runs, stops it and starts it again.
func TestSessionIsSteered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := watched(t, nil)
		f := func(what, state string, users, rate int) View {
			t.Helper()
			v := s.View()
			if v.State() != state || v.Results.Users != users || math.Abs(v.Total.Tasks-float64(rate)) > 0.5 {
				t.Errorf("%s: got %s, %d users, %.1f tasks/s; want %s, %d, %d", what, v.State(), v.Results.Users, v.Total.Tasks, state, users, rate)
			}
			return v
		}
		after(2*time.Second + time.Millisecond)
		f("at first", "spawning", 5, 3)
		after(20 * time.Second)
		f("with all", "running", 10, 10)

		if err := s.Start(40, 30); err != nil {
			t.Fatal(err)
		}
		after(500 * time.Millisecond)
		f("half of the new ones later", "spawning", 26, 10)
		after(15 * time.Second)
		f("with the new ones", "running", 40, 40)

		s.Stop()
		after(11*time.Second + 500*time.Millisecond)
		stopped := f("stopped", "stopped", 0, 0)
		if stopped.Users != 40 || stopped.Results.Elapsed > 39*time.Second || stopped.Results.FullRate() < 38 {
			t.Errorf("stopped: got %d users to start with, %v, %.1f tasks/s with all; want 40, 37.5s, 40", stopped.Users, stopped.Results.Elapsed, stopped.Results.FullRate())
		}
		if err := s.Start(3, 100); err != nil {
			t.Fatal(err)
		}
		after(5*time.Second + 500*time.Millisecond)
		again := f("again", "running", 3, 3)
		if got := again.Results; got.Total().Count > 20 || got.Elapsed > 6*time.Second {
			t.Errorf("again: got %d tasks in %v; want it to count anew", got.Total().Count, got.Elapsed)
		}
		points, step := s.History()
		if last := points[len(points)-1]; step != time.Second || len(points) < 40 || last.Users != 3 || last.P99 < 4900*time.Microsecond || last.P99 > 5100*time.Microsecond {
			t.Errorf("history: got %d points, each %v, the last %+v; want those before the stop too, a p99 of 5 ms", len(points), step, last)
		}
		s.Reset()
		if points, _ := s.History(); len(points) != 0 || s.View().Results.Total().Count != 0 {
			t.Errorf("reset: got %d points, %d tasks; want none", len(points), s.View().Results.Total().Count)
		}
		after(10 * time.Second)
		f("after the reset", "running", 3, 3)
	})
}

func TestSessionRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := watched(t, nil)
		for users, rate := range map[int]float64{0: 1, -1: 1, maxUsers + 1: 1, 1: 0, 2: -1, 3: math.NaN(), 4: math.Inf(1)} {
			if err := s.Start(users, rate); err == nil {
				t.Errorf("Start(%d, %v): got no error", users, rate)
			}
		}
		if v := s.View(); v.Users != 10 || v.SpawnRate != 2 {
			t.Errorf("got %d users at %v; want what was", v.Users, v.SpawnRate)
		}
	})
}

// The run time is that of the load: it stands while the load is stopped, and
// begins again when that is started again.
func TestRunTimeStandsWhileStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		s, ended := watched(t, func(set *Settings) { set.RunTime = 10 * time.Second })
		after(4 * time.Second)
		s.Stop()
		after(time.Hour)
		if err := s.Start(5, 100); err != nil {
			t.Fatal(err)
		}
		<-ended
		if took := time.Since(begun) - time.Hour; took < 14*time.Second || took > 14*time.Second+grace {
			t.Errorf("ended after %v besides the hour; want the 4 s before the stop and the 10 s of the run after it", took)
		}
	})
}

// A history that goes on for ever stays bounded, and covers all of it.
func TestHistoryIsThinned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := watched(t, func(set *Settings) { set.Users = 1 })
		begun := time.Now()
		after(3 * time.Hour)
		points, step := s.History()
		if len(points) >= maxPoints || len(points) < maxPoints/2-1 || step != 16*time.Second {
			t.Fatalf("got %d points, each %v; want fewer than %d, each 16s", len(points), step, maxPoints)
		}
		if first := points[0].Time.Sub(begun); first > 2*step {
			t.Errorf("the first is after %v; want one of the beginning", first)
		}
		for i := 1; i < len(points); i++ {
			if d := points[i].Time.Sub(points[i-1].Time); d < step-time.Second || d > step+time.Second {
				t.Fatalf("point %d comes %v after the one before; want %v", i, d, step)
			}
			if got := points[i].Rate.Tasks; math.Abs(got-1) > 0.11 {
				t.Fatalf("point %d: got %v tasks/s; want 1", i, got)
			}
		}
	})
}
