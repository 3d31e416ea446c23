package query

import (
	"context"
	"fmt"
	"time"

	"github.com/signalbox-otel/signalbox/internal/store"
)

// HeatmapSearch asks how long the spans that match took, over time.
type HeatmapSearch struct {
	Start, End uint64
	Where      store.Expr
	Step       time.Duration // 0: about 100 steps
}

// Heatmap counts spans by start and duration.
type Heatmap struct {
	Start uint64 // of the first step
	Step  time.Duration
	Cells [][]HeatCell // by step, then by duration, shortest first; empty ones left out
	// Lines are percentiles, one for each HeatLineSteps steps: of single steps
	// they would be noise.
	Lines  []HeatLine
	Total  uint64
	Report store.Report
}

// HeatCell counts the spans of one step whose duration is in [Low, High]
// nanoseconds: a quarter of an octave.
type HeatCell struct {
	Low, High     uint64
	Count, Errors uint64
}

// HeatLine has the percentiles of the spans of some steps, at most 3.2 % off.
type HeatLine struct {
	P50, P95, P99 uint64 // nanoseconds; 0 when there are no spans
	Count         uint64
}

// HeatLineSteps is how many steps have one HeatLine.
const HeatLineSteps = 4

var heatGrid = grid{unit: 100 * time.Millisecond, want: 100, most: 1000}

// Heatmap counts spans.
func (e *Engine) Heatmap(ctx context.Context, q HeatmapSearch) (*Heatmap, error) {
	q.End = e.until(q.End)
	start, step, n := heatGrid.steps(q.Start, q.End, q.Step)
	h := &Heatmap{Start: start, Step: step, Cells: make([][]HeatCell, n)}
	counts := make([][]HeatCell, n)
	durations := make([]store.Histogram, (n+HeatLineSteps-1)/HeatLineSteps)
	for d, err := range e.dots(ctx, store.Query{Start: q.Start, End: q.End, Where: q.Where, Report: &h.Report}) {
		if err != nil {
			return nil, fmt.Errorf("counting durations: %w", err)
		}
		for i := range d.Start {
			at := (d.Start[i] - start) / uint64(step)
			column := &counts[at]
			bucket := store.HistogramBucket(d.Duration[i])
			durations[at/HeatLineSteps].Add(bucket, 1)
			row := bucket / heatRows
			for len(*column) <= row {
				*column = append(*column, HeatCell{})
			}
			cell := &(*column)[row]
			cell.Count++
			if d.Failed[i] {
				cell.Errors++
			}
		}
		h.Total += uint64(len(d.Start))
	}
	for i, column := range counts {
		for row, cell := range column {
			if cell.Count > 0 {
				cell.Low, _ = store.HistogramBounds(row * heatRows)
				_, cell.High = store.HistogramBounds(row*heatRows + heatRows - 1)
				h.Cells[i] = append(h.Cells[i], cell)
			}
		}
	}
	for i := range durations {
		d := &durations[i]
		h.Lines = append(h.Lines, HeatLine{d.Quantile(.5), d.Quantile(.95), d.Quantile(.99), d.Count()})
	}
	return h, nil
}

// heatRows is how many buckets of store.Histogram one row of the map spans.
const heatRows = 4
