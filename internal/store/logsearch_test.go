package store_test

import (
	"context"
	"testing"

	"github.com/signalbox-otel/signalbox/bench/workload"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// bodySearches are ways to look for parts of log bodies, rare and common ones.
func bodySearches(rare string) map[string]store.Expr {
	body := func(op store.Op, v string) store.Expr {
		return attrIs(store.Intrinsic, store.FieldBody, op, store.StringValue(v))
	}
	return map[string]store.Expr{
		"absent":        body(store.Contains, "zookeeper quorum lost"),
		"absent id":     body(store.Contains, "c0ffee00-dead-4bee"),
		"rare":          body(store.Contains, rare),
		"rare fold":     body(store.ContainsFold, rare),
		"rare regexp":   body(store.Regexp, "(?i).*(key|request) [^ ]*"+rare+".*"),
		"common":        body(store.Contains, "Completed"),
		"common fold":   body(store.ContainsFold, "completed post"),
		"common regexp": body(store.Regexp, ".*status [45][0-9]+.*"),
		"short":         body(store.Contains, "zq"),
		"not":           store.And{store.Not{Expr: body(store.Contains, "e")}, store.Not{Expr: body(store.Contains, "a")}},
		"two":           store.And{body(store.Contains, "Cache hit"), body(store.Contains, "basket")},
		"attribute":     attrIs(store.RecordAttr, "http.request.id", store.Contains, store.StringValue(rare)),
	}
}

// partOfID is the first half of an id in a record's body.
func partOfID(logs []store.Log) string {
	for i := range logs {
		if b := logs[i].Body.Str(); len(b) > 60 && b[:9] == "Cache hit" {
			return b[len(b)-36:][:18]
		}
	}
	return ""
}

// TestBodySearch looks for parts of bodies that are in a head and in blocks.
func TestBodySearch(t *testing.T) {
	h, l := newHistory(t), workload.NewLogs(workloadStart)
	rare := ""
	for range 2 {
		for _, b := range l.Batches(9_000) {
			h.append(b)
			rare = partOfID(b.Logs)
		}
		h.seal(store.Logs)
	}
	h.append(l.Batch())
	for _, p := range h.parts {
		if p.Grams() == 0 {
			t.Error("a block of log records without gram filters")
		}
	}
	for name, where := range bodySearches(rare) {
		h.checkQuery(store.Logs, store.Query{Where: where})
		h.checkQuery(store.Logs, store.Query{Where: where, Limit: 100})
		rep := &store.Report{}
		n := len(collect(t, h.snapshot().Logs(context.Background(), store.Query{Where: where, Report: rep})))
		switch name {
		case "rare", "rare fold", "rare regexp":
			if n == 0 || rep.Rows > 8000 {
				t.Errorf("%s: %d records in %d rows; want some in few rows", name, n, rep.Rows)
			}
		case "absent":
			if n > 0 || rep.Rows > 2000 {
				t.Errorf("%s: %d records in %d rows; want none in blocks", name, n, rep.Rows)
			}
		}
	}
}
