package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/lakeward/lakeward/tiers"
)

// The ways of a reset.
const (
	FromStart = "from-start" // the first message that the stream holds
	FromNow   = "from-now"   // what comes after its last message
	FromSeq   = "from-seq"   // a sequence
	FromTime  = "from-time"  // the first message that the stream got at a time or later
)

// ResetRequest is a person's decision where a source goes on.
type ResetRequest struct {
	Mode   string
	Seq    uint64    // of FromSeq; of other modes: what was planned, 0 if nothing was
	Time   time.Time // of FromTime
	By     string    // who decides
	Reason string    // why, in the person's words
	// Created is that of the stream that the person decided about; zero: of
	// whichever there is.
	Created time.Time
}

// ResetPlan is what a reset does.
type ResetPlan struct {
	Source  string                `json:"source"`
	Stream  string                `json:"stream"`
	Mode    string                `json:"mode"`
	Trouble string                `json:"trouble,omitempty"` // why the source halts; empty: it does not
	First   uint64                `json:"first_seq"`         // of the stream
	Last    uint64                `json:"last_seq"`
	Marks   map[string]tiers.Mark `json:"marks"` // by table, as they are
	New     tiers.Mark            `json:"new"`   // of every table
	Covered bool                  `json:"covered"`
}

// String is the plan for people.
func (p ResetPlan) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "source %s goes on with sequence %d of stream %s (made at %s, holds %d to %d)\n", p.Source,
		p.New.Seq+1, p.Stream,
		p.New.Created.Format(time.RFC3339), p.First, p.Last)
	for _, t := range slices.Sorted(maps.Keys(p.Marks)) {
		m := p.Marks[t]
		fmt.Fprintf(&b, "  lake.%-24s mark %d of the stream made at %s  ->  %d\n", t, m.Seq, m.Created.Format(time.RFC3339),
			p.New.Seq)
	}
	if n := p.left(); n > 0 {
		fmt.Fprintf(&b, "  left out: %d sequences that the stream holds, %d to %d\n", n, p.First, p.New.Seq)
	}
	b.WriteString("  what is in the lake stays, and is accounted for as before\n")
	if p.Trouble == "" {
		b.WriteString("  the source is in order as it is: messages that the lake has come again\n")
	}
	b.WriteString("  messages of this very stream with an id that the lake remembers are counted as repeats; others " +
		"come as they are\n")
	return b.String()
}

// left is how many sequences that the stream holds are left out.
func (p ResetPlan) left() uint64 {
	if p.New.Seq < p.First {
		return 0
	}
	return min(p.New.Seq, p.Last) - p.First + 1
}

// Reset is the provenance of a reset, a property of each table that it moved.
type Reset struct {
	At      time.Time  `json:"at"`
	By      string     `json:"by"`
	Reason  string     `json:"reason,omitempty"`
	Mode    string     `json:"mode"`
	Old     tiers.Mark `json:"old"`
	New     tiers.Mark `json:"new"`
	Covered bool       `json:"covered"` // the source reads every subject of the stream
}

// resetPrefix and a source's key name the property with its resets, oldest first.
const resetPrefix = "lakeward.resets."

// resetsOf reads the provenance of a table.
func resetsOf(t tiers.Table, key string) ([]Reset, error) {
	text := t.Properties()[resetPrefix+key]
	if text == "" {
		return nil, nil
	}
	var out []Reset
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		return nil, fmt.Errorf("read resets of lake.%s: %w", t.Name(), err)
	}
	return out, nil
}

// ErrReset is a request that makes no sense for the source as it is.
var ErrReset = errors.New("the source cannot be reset like that")

// PlanReset says what Reset would do, and changes nothing.
func (s *Source) PlanReset(ctx context.Context, r ResetRequest) (ResetPlan, error) {
	_, p, err := s.planReset(ctx, r)
	return p, err
}

// Reset moves the marks of every table of the source to where it goes on, each
// in a commit whose fence is the mark as it was, with the decision beside it.
// The source is still meanwhile, and goes on from there if it runs. A reset that
// is cut short leaves a source that halts; the same reset again finishes it.
func (s *Source) Reset(ctx context.Context, r ResetRequest) (ResetPlan, error) {
	release, err := s.hold(ctx, "being reset")
	if err != nil {
		return ResetPlan{}, err
	}
	defer release()
	tables, p, err := s.planReset(ctx, r)
	if err != nil {
		return p, err
	}
	c := newCommits(s)
	for _, name := range slices.Sorted(maps.Keys(tables)) {
		if err := s.resetTable(ctx, c, tables[name], p, r); err != nil {
			return p, fmt.Errorf("reset lake.%s: %w", name, err)
		}
	}
	s.log.Warn("the source was reset", "by", r.By, "reason", r.Reason, "mode", r.Mode, "next", p.New.Seq+1)
	s.note(func(st *Status) { st.Committed, st.Last, st.lastAt = p.New.Seq, p.New.Seq, p.New.Published })
	return p, nil
}

func (s *Source) resetTable(ctx context.Context, c *commits, t tiers.Table, p ResetPlan, r ResetRequest) error {
	old := p.Marks[t.Name()]
	all, err := resetsOf(t, old.Key())
	if err != nil {
		return err
	}
	all = append(all, Reset{At: s.o.Now().UTC(), By: r.By, Reason: r.Reason, Mode: r.Mode, Old: old, New: p.New,
		Covered: p.Covered})
	text, err := json.Marshal(all)
	if err != nil {
		return fmt.Errorf("encode reset: %w", err)
	}
	to := p.New
	f := &feed{name: t.Name(), table: t, mark: &old}
	return c.commit(ctx, f, tiers.Commit{To: &to, Properties: map[string]string{resetPrefix + old.Key(): string(text)}})
}

func (s *Source) planReset(ctx context.Context, r ResetRequest) (map[string]tiers.Table, ResetPlan, error) {
	p := ResetPlan{Source: s.o.Name, Mode: r.Mode}
	info, err := s.o.Stream.Info(ctx, s.o.Filter)
	if err != nil {
		return nil, p, err
	}
	if !r.Created.IsZero() && !r.Created.Equal(info.Created) {
		return nil, p, fmt.Errorf("%w: stream %s was made anew at %s, since this was decided", ErrReset, info.Name,
			info.Created.Format(time.RFC3339))
	}
	key := tiers.Mark{Stream: info.Name, Filter: s.o.Filter}.Key()
	if err := s.catalog(ctx); err != nil {
		return nil, p, err
	}
	tables, lost, err := tablesOf(ctx, s.o.Lake, key, nil)
	if err == nil && len(lost) > 0 {
		err = unmarked(slices.Sorted(maps.Keys(lost)))
	}
	if err != nil {
		return nil, p, err
	}
	if len(tables) == 0 {
		return nil, p, fmt.Errorf("%w: the lake has nothing of source %s, which begins with the first message that its "+
			"stream holds", ErrReset, s.o.Name)
	}
	p.Stream, p.First, p.Last, p.Covered, p.Marks = info.Name, info.First, info.Last, info.Covered, marksOf(tables, key)
	if err := s.belong(ctx, p.Marks, info); errors.Is(err, tiers.ErrHalt) {
		p.Trouble = err.Error()
	} else if err != nil {
		return nil, p, err
	}
	next, err := s.next(ctx, r, info)
	if err != nil {
		return nil, p, err
	}
	p.New = tiers.Mark{Stream: info.Name, Created: info.Created, Filter: s.o.Filter, Seq: next - 1}
	for _, m := range p.Marks {
		p.New.Resets = max(p.New.Resets, m.Resets+1)
	}
	if p.New.Seq > 0 {
		p.New.Published, _, err = s.o.Stream.Published(ctx, p.New.Seq)
	}
	return tables, p, err
}

// next is the sequence that the source goes on with.
func (s *Source) next(ctx context.Context, r ResetRequest, info StreamInfo) (uint64, error) {
	switch {
	case r.Seq > info.Last+1 || r.Mode == FromSeq && r.Seq < 1:
		return 0, fmt.Errorf("%w: sequence %d is not one of 1 to %d, where stream %s goes on", ErrReset, r.Seq, info.Last+1,
			info.Name)
	case r.Seq > 0:
		return r.Seq, nil
	}
	switch r.Mode {
	case FromStart:
		return max(info.First, 1), nil
	case FromNow:
		return info.Last + 1, nil
	case FromTime:
		seq, err := s.o.Stream.Since(ctx, s.o.Filter, r.Time)
		return max(seq, 1), err
	default:
		return 0, fmt.Errorf("%w: %q is none of %s, %s, %s, %s", ErrReset, r.Mode, FromStart, FromNow, FromSeq, FromTime)
	}
}
