package standby

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/collector/component"
)

// Between two attempts to start.
const (
	firstRetry = time.Second
	lastRetry  = time.Minute
)

// groups are the exporters of one type that were started and not shut down, by
// their configuration.
type groups struct {
	mu  sync.Mutex
	all map[component.Config]*group
}

func newGroups() *groups { return &groups{all: map[component.Config]*group{}} }

// join gives the group of a configuration.
func (g *groups) join(cfg component.Config, gate Gate) *group {
	g.mu.Lock()
	defer g.mu.Unlock()
	is := g.all[cfg]
	if is == nil {
		is = &group{config: cfg, gate: gate}
		g.all[cfg] = is
	}
	is.users++
	return is
}

// leave forgets the group with its last user.
func (g *groups) leave(is *group) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if is.users--; is.users == 0 {
		delete(g.all, is.config)
	}
}

// member is the part of a group for one signal.
type member interface {
	// start creates the exporter anew, when it is not fresh, and starts it.
	start(ctx context.Context) error
	// end shuts the exporter down.
	end(ctx context.Context) error
	// open passes on what is held, until ctx ends, and from then on what comes.
	open(ctx context.Context)
	// report tells the collector how it is: nil for well.
	report(err error)
}

// group is one exporter, with all its signals.
type group struct {
	config component.Config
	gate   Gate
	users  int // guarded by groups

	mu      sync.Mutex // held while exporters start and end
	members []member
	down    error // why it does not run; nil when it does
	renewed bool  // it did not run once: what was created before is of no use
	told    string
	retry   sync.WaitGroup

	waiting atomic.Pointer[context.CancelFunc] // ends the attempts; nil without any
}

// enter starts a member. When that fails the group stands by.
func (g *group) enter(ctx context.Context, m member) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.members = append(g.members, m)
	if g.renewed {
		_ = m.end(ctx)
	}
	if g.down != nil {
		m.report(g.down)
		return
	}
	if err := g.starts(ctx, m); err != nil {
		g.standBy(ctx, err)
		return
	}
	m.open(ctx)
}

// starts starts one member, if the gate lets it.
func (g *group) starts(ctx context.Context, m member) error {
	if g.gate != nil {
		if err := g.gate(ctx, g.config); err != nil {
			return err
		}
	}
	return m.start(ctx)
}

// standBy ends the members that run, and tries to start all until they do.
func (g *group) standBy(ctx context.Context, err error) {
	for _, m := range g.members {
		_ = m.end(ctx) // what it says of an exporter that did not start helps nobody
	}
	g.renewed = true
	g.tell(err)
	// Exporters may keep the context of their start: it ends with the attempts
	// only, not with the collector, which drains exporters after that.
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	g.waiting.Store(&cancel)
	g.retry.Go(func() {
		for pause := firstRetry; ; pause = min(2*pause, lastRetry) {
			select {
			case <-ctx.Done():
				return
			case <-time.After(pause):
			}
			if g.again(ctx) {
				return
			}
		}
	})
}

// again tries to start all members, and reports whether it is over.
func (g *group) again(ctx context.Context) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if ctx.Err() != nil {
		return true
	}
	for i, m := range g.members {
		if err := g.starts(ctx, m); err != nil {
			for _, started := range g.members[:i+1] {
				_ = started.end(ctx)
			}
			g.tell(err)
			return false
		}
	}
	g.down, g.told = nil, ""
	for _, m := range g.members {
		m.report(nil)
		m.open(ctx)
	}
	g.waiting.Store(nil)
	return true
}

// tell reports why the group stands by, each reason once.
func (g *group) tell(err error) {
	if advice := adviceFor(err); advice != "" {
		err = fmt.Errorf("%w; %s", err, advice)
	}
	g.down = err
	if err.Error() == g.told {
		return
	}
	g.told = err.Error()
	for _, m := range g.members {
		m.report(err)
	}
}

// exit ends a member, and with the first one the attempts to start.
func (g *group) exit(ctx context.Context, m member) error {
	if cancel := g.waiting.Load(); cancel != nil {
		(*cancel)()
	}
	g.retry.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.members = slices.DeleteFunc(g.members, func(o member) bool { return o == m })
	return m.end(ctx)
}
