package store

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"
)

// Loss says what could not be read back.
type Loss struct {
	Records uint64 `json:"records"`
	// Oldest and Newest bound the times of the records lost; zero when they
	// are not known.
	Oldest time.Time `json:"oldest,omitzero"`
	Newest time.Time `json:"newest,omitzero"`
	// Services are those of the records lost, as far as that can be read.
	Services []string `json:"services,omitempty"`
	// UnknownServices is the number of records lost whose service cannot be
	// read either.
	UnknownServices uint64 `json:"unknownServices,omitempty"`
}

// add notes a record lost whose time lies from lo to hi.
func (l *Loss) add(lo, hi uint64) {
	l.Records++
	if t := unixNano(lo); l.Oldest.IsZero() || t.Before(l.Oldest) {
		l.Oldest = t
	}
	if t := unixNano(hi); t.After(l.Newest) {
		l.Newest = t
	}
}

// salvage is what a damaged block gives back.
type salvage struct {
	head *head
	loss Loss
	// The times of the records lost, as they are on disk.
	least, greatest uint64
}

// salvage reads every record of the block that can be read as it was written:
// one that lacks a value is no such record.
func (b *block) salvage(ctx context.Context) (*salvage, error) {
	out := &salvage{head: newHead(b.kind())}
	s := b.snapshot()
	for g, grp := range b.footer.groups {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		rows := make([]uint32, 0, grp.hi-grp.lo)
		for row := grp.lo; row < grp.hi; row++ {
			rows = append(rows, row)
		}
		if out.take(s, rows) {
			continue
		}
		// Some page of the group is damaged. Rows may not need it: texts have
		// several pages for a group, dictionaries and traces are shared.
		for i, row := range rows {
			if !out.take(s, rows[i:i+1]) {
				out.lose(s, g, row)
			}
		}
	}
	slices.Sort(out.loss.Services)
	return out, nil
}

// take moves rows into the head, all or none of them.
func (out *salvage) take(s *snapshot, rows []uint32) bool {
	b := &Batch{Kind: s.kind}
	if s.kind == Spans {
		spans, err := s.spans(rows, NeedAll)
		if err != nil {
			return false
		}
		for _, sp := range spans {
			b.Spans = append(b.Spans, *sp)
		}
	} else {
		logs, err := s.logs(rows, NeedAll)
		if err != nil {
			return false
		}
		for _, l := range logs {
			b.Logs = append(b.Logs, *l)
		}
	}
	out.head.append(b)
	return true
}

// lose notes a row that cannot be read, with what can be said of it.
func (out *salvage) lose(s *snapshot, g int, row uint32) {
	grp := s.groups[g]
	lo, hi := grp.min, grp.max
	at := int(row - grp.lo)
	if t, err := s.numAt(slotTime, g, at); err == nil {
		lo, hi = t, t
	}
	if out.loss.Records == 0 {
		out.least = lo
	}
	out.least, out.greatest = min(out.least, lo), max(out.greatest, hi)
	out.loss.add(lo, hi)
	id, err := s.numAt(slotResource, g, at)
	var r *Resource
	if err == nil {
		r, err = s.resource(uint32(id))
	}
	if err != nil {
		out.loss.UnknownServices++
		return
	}
	if name := r.ServiceName(); !slices.Contains(out.loss.Services, name) {
		out.loss.Services = append(out.loss.Services, name)
	}
}

// replaceBlock puts a block made of h in the place of name. from is the damaged
// file, which is set aside unless it is already. A crash on the way leaves the
// damaged file, set aside or not, and Repair begins anew.
func replaceBlock(o Options, dir, name, from string, names []string, h *head) error {
	path := filepath.Join(dir, name)
	f, err := o.FS.Create(path + tempSuffix)
	if err != nil {
		return err
	}
	err = h.seal(f)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, o.FS.Remove(path+tempSuffix))
	}
	if from == name {
		if err := o.FS.Rename(path, filepath.Join(dir, asideName(name, names))); err != nil {
			return err
		}
	}
	if err := o.FS.Rename(path+tempSuffix, path); err != nil {
		return err
	}
	return o.FS.SyncDir(dir)
}

// asideName is a free name for a file that is set aside.
func asideName(name string, names []string) string {
	free := name + corruptSuffix
	for n := 2; slices.Contains(names, free); n++ {
		free = fmt.Sprintf("%s.%d%s", name, n, corruptSuffix)
	}
	return free
}
