package store

import (
	"fmt"
	"strconv"
	"strings"
)

// Names in the data directory; docs/format/directory.md is their list.
const (
	lockName      = "LOCK"
	manifestName  = "MANIFEST"
	segmentSuffix = ".wal"
	blockSuffix   = ".block"
	tempSuffix    = ".tmp"     // being written; removed at Open
	corruptSuffix = ".corrupt" // set aside, never read again, never removed
)

// kinds are all the kinds of records, each with a log and blocks of its own.
var kinds = [...]Kind{Spans, Logs}

// segmentName names the n-th log segment of a kind.
func segmentName(k Kind, n uint64) string {
	return fmt.Sprintf("%s-%08d%s", k, n, segmentSuffix)
}

// parseSegmentName is the inverse of segmentName.
func parseSegmentName(k Kind, name string) (n uint64, ok bool) {
	middle, ok := between(name, k.String()+"-", segmentSuffix)
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(middle, 10, 64)
	return n, err == nil && segmentName(k, n) == name
}

// blockName names the block that holds the batches first to last of a kind.
func blockName(k Kind, first, last uint64) string {
	return fmt.Sprintf("%s-%012d-%012d%s", k, first, last, blockSuffix)
}

// parseBlockName is the inverse of blockName.
func parseBlockName(k Kind, name string) (first, last uint64, ok bool) {
	middle, ok := between(name, k.String()+"-", blockSuffix)
	if !ok {
		return 0, 0, false
	}
	a, b, _ := strings.Cut(middle, "-")
	first, errA := strconv.ParseUint(a, 10, 64)
	last, errB := strconv.ParseUint(b, 10, 64)
	return first, last, errA == nil && errB == nil && blockName(k, first, last) == name
}

func between(s, prefix, suffix string) (string, bool) {
	s, ok := strings.CutPrefix(s, prefix)
	if !ok {
		return "", false
	}
	return strings.CutSuffix(s, suffix)
}
