package store_test

import (
	"context"
	"fmt"
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

// TestBodySearch looks for parts of bodies that are in a head and in blocks, and
// in a block that was made of others.
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
	checkBodySearches(t, h, rare)
	h.merge(newRandom(1), store.Logs)
	if len(h.parts) != 1 {
		t.Fatalf("got %d blocks; want one made of two", len(h.parts))
	}
	checkBodySearches(t, h, rare)
}

func checkBodySearches(t *testing.T, h *history, rare string) {
	t.Helper()
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

// TestDictionarySearch looks for parts of texts with a dictionary, whose groups
// have few of its entries here and many there.
func TestDictionarySearch(t *testing.T) {
	h, r := newHistory(t), newRandom(23)
	b := &store.Batch{Kind: store.Logs}
	for i := range 20_000 {
		v := fmt.Sprintf("Worker-%05d", r.IntN(6000))
		if i >= 12_000 {
			v = fmt.Sprintf("worker-%05d", 3000+i%7)
		}
		b.Logs = append(b.Logs, store.Log{Resource: &store.Resource{}, Scope: &store.Scope{}, Time: uint64(i + 1),
			Attrs: []store.Attr{{Key: "k", Value: store.StringValue(v)}}})
	}
	h.append(b)
	h.seal(store.Logs)
	for op, values := range map[store.Op][]string{store.Contains: {"orker-03", "worker-03003", "9999", "-0300", "x"},
		store.ContainsFold: {"WORKER-0300", "wORKER-05"}, store.Regexp: {"(?i)worker-0300[0-9]", ".*-(00001|03002)", "w.*"}} {
		for _, v := range values {
			h.checkQuery(store.Logs, store.Query{Where: attrIs(store.RecordAttr, "k", op, store.StringValue(v))})
			h.checkQuery(store.Logs, store.Query{Limit: 10, Where: attrIs(store.RecordAttr, "k", op, store.StringValue(v))})
		}
	}
}
