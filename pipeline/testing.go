package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/lakeward/lakeward/pipeline/schedule"
	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/tiers"
)

// Case is one test of a pipeline: given these rows, at this logical time, each
// named step holds exactly these rows. An expected row names the columns that
// matter; order does not.
type Case struct {
	Name   string
	At     time.Time
	Given  map[string][]byte // table to NDJSON
	Expect map[string][]Row
}

// Bench is an empty lake and engine for one case.
type Bench struct {
	Lake   tiers.Lake
	Engine query.Engine
	Sinks  Sinks
	// Ingest brings rows into a lake table ("lake.NAME") the way the daemon
	// would. Rows of the analytics tier go through its sink.
	Ingest func(ctx context.Context, table string, ndjson []byte) error
	Close  func() error
}

// CaseResult is how a case went.
type CaseResult struct {
	Case string
	Diff string // empty: passed
}

// Test runs the definition's cases, each on a bench of its own. clock is the
// schedule of a pipeline that runs after others; nil: hourly.
func Test(ctx context.Context, d *Definition, clock *schedule.Cron,
	bench func(context.Context) (*Bench, error)) ([]CaseResult, error) {
	if d.Cron == nil && clock == nil {
		var err error
		if clock, err = schedule.Parse("0 * * * *", ""); err != nil {
			return nil, err
		}
	}
	var out []CaseResult
	for _, c := range d.Tests {
		diff, err := testCase(ctx, d, clock, bench, c)
		if err != nil {
			return out, fmt.Errorf("test %s, case %q: %w", d.Name, c.Name, err)
		}
		out = append(out, CaseResult{c.Name, diff})
	}
	return out, nil
}

func testCase(ctx context.Context, d *Definition, clock *schedule.Cron, bench func(context.Context) (*Bench, error),
	c Case) (diff string, err error) {
	w, err := d.WindowAt(c.At, clock)
	if err != nil {
		return "", err
	}
	b, err := bench(ctx)
	if err != nil {
		return "", fmt.Errorf("make a bench: %w", err)
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	for _, given := range sortedKeys(c.Given) {
		table := given
		put := b.Ingest
		if name, ok := strings.CutPrefix(table, "analytics."); ok {
			put, table = b.give, name
		}
		if err := put(ctx, table, c.Given[given]); err != nil {
			return "", fmt.Errorf("ingest %s: %w", table, err)
		}
	}
	r := NewRunner(Options{Lake: b.Lake, Engine: b.Engine, Sinks: b.Sinks, Now: func() time.Time { return c.At }})
	res, err := r.Run(ctx, d, w, RunOptions{At: c.At, Trigger: TriggerTest, DryRun: true, Stateless: true,
		Collect: sortedKeys(c.Expect)})
	if err != nil {
		return "", err
	}
	if res.Status == StatusSkipped {
		return "the pipeline did not run: " + res.Error, nil
	}
	var parts []string
	for _, step := range sortedKeys(c.Expect) {
		if d := Diff(c.Expect[step], res.Rows[step]); d != "" {
			parts = append(parts, step+":\n"+d)
		}
	}
	return strings.Join(parts, ""), nil
}

// Diff compares expected partial rows with actual ones, in any order. It is
// empty if they match one to one.
func Diff(want, got []Row) string {
	taken := make([]int, len(got)) // actual to expected, from 1
	var missing []Row
	for i, w := range want {
		if !assign(i, want, got, taken, make([]bool, len(got))) {
			missing = append(missing, w)
		}
	}
	var b strings.Builder
	for _, w := range missing {
		fmt.Fprintf(&b, "  - expected %s\n", compact(w, nil))
	}
	for j, g := range got {
		if taken[j] == 0 {
			fmt.Fprintf(&b, "  + found    %s\n", compact(g, shown(want)))
		}
	}
	return b.String()
}

// assign finds a partner for expected row i, moving others along if need be.
func assign(i int, want, got []Row, taken []int, tried []bool) bool {
	for j := range got {
		if tried[j] || !matches(want[i], got[j]) {
			continue
		}
		tried[j] = true
		if taken[j] == 0 || assign(taken[j]-1, want, got, taken, tried) {
			taken[j] = i + 1
			return true
		}
	}
	return false
}

func matches(want, got Row) bool {
	for k, w := range want {
		g, ok := member(got, k)
		if !ok || !same(w, g) {
			return false
		}
	}
	return true
}

// member is a column's value, or that of a member of a struct by dotted path.
func member(r Row, path string) (any, bool) {
	if v, ok := r[path]; ok {
		return v, true
	}
	head, rest, dotted := strings.Cut(path, ".")
	if !dotted {
		return nil, false
	}
	inner, ok := r[head].(map[string]any)
	if !ok {
		data, isText := r[head].(string) // of JSON, such as evidence
		if !isText {
			b, err := json.Marshal(r[head])
			if err != nil {
				return nil, false
			}
			data = string(b)
		}
		if json.Unmarshal([]byte(data), &inner) != nil {
			return nil, false
		}
	}
	return member(inner, rest)
}

// same compares values as a reader would: 1 is 1.0, and an instant is the same
// however it is written.
func same(w, g any) bool {
	if w == nil || g == nil {
		return w == nil && g == nil
	}
	if a, ok := number(w); ok {
		b, ok := number(g)
		return ok && math.Abs(a-b) <= 1e-9*math.Max(1, math.Abs(a))
	}
	if t, ok := w.(time.Time); ok {
		w = t.UTC().Format(time.RFC3339Nano)
	}
	ws, gs := fmt.Sprint(w), fmt.Sprint(g)
	if ws == gs {
		return true
	}
	a, errA := time.Parse(time.RFC3339Nano, ws)
	b, errB := time.Parse(time.RFC3339Nano, gs)
	return errA == nil && errB == nil && a.Equal(b)
}

func number(v any) (float64, bool) {
	switch n := v.(type) {
	case int:
		return float64(n), true
	case int64:
		return float64(n), true
	case float64:
		return n, true
	case json.Number:
		f, err := n.Float64()
		return f, err == nil
	default:
		return 0, false
	}
}

// shown returns the columns that a diff prints of an unexpected row.
func shown(want []Row) map[string]bool {
	cols := map[string]bool{"entity": true, "time": true, "severity": true, "reason": true}
	for _, w := range want {
		for k := range w {
			cols[k] = true
		}
	}
	return cols
}

func compact(r Row, only map[string]bool) string {
	var parts []string
	for _, k := range sortedKeys(r) {
		if only == nil || only[k] || len(r) <= 6 {
			parts = append(parts, k+": "+plain(r[k]))
		}
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// plain is a value for people: text as it is, what is nested as JSON.
func plain(v any) string {
	switch v.(type) {
	case map[string]any, []any, json.RawMessage:
		if text, err := json.Marshal(v); err == nil {
			return string(text)
		}
	}
	return fmt.Sprint(v)
}
