package ingest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/lakeward/lakeward/tiers"
)

// Inspection is a source as its stream and the lake show it at this moment,
// whether it runs or not.
type Inspection struct {
	Name        string           `json:"name"`
	Stream      string           `json:"stream"`
	Filter      string           `json:"filter"`
	Created     time.Time        `json:"created"` // of the stream
	State       string           `json:"state"`
	Reason      string           `json:"reason,omitempty"`
	Holder      string           `json:"committed_by,omitempty"` // the daemon that has the source's lease
	Committed   uint64           `json:"committed_seq"`          // everything up to it is in the lake
	First       uint64           `json:"first_seq"`              // of the stream
	Last        uint64           `json:"last_seq"`               // that the source has to commit
	Lag         uint64           `json:"lag"`
	Tables      []InspectedTable `json:"tables"`
	Gaps        []tiers.SeqRange `json:"gaps,omitempty"` // recorded since the last reset
	Repeats     uint64           `json:"repeats"`
	Unmapped    uint64           `json:"unmapped,omitempty"`    // events that no rule took, since the start
	LooksLike   string           `json:"looks_like,omitempty"`  // the mapping that fits a source without one
	Quarantined uint64           `json:"quarantined"`           // events in lake.quarantine
	TimeMisses  []TimeMiss       `json:"time_misses,omitempty"` // since the start
	// values that are not, or not only, in the column of their path
	Misfits   uint64   `json:"misfits"`
	Beyond    []string `json:"beyond,omitempty"` // tables with values beyond the limits of columns or depth
	MaxTables int      `json:"max_tables"`       // that the source may feed
	Resets    []Reset  `json:"resets,omitempty"`
	Remedy    string   `json:"remedy"` // what to do
}

// InspectedTable is a table that the source feeds.
type InspectedTable struct {
	Name string `json:"name"`
	Mark uint64 `json:"mark"`
}

// String is the source for people.
func (in Inspection) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "source %s: %s\n", in.Name, in.State)
	line := func(what, format string, args ...any) {
		fmt.Fprintf(&b, "  %-12s "+format+"\n", append([]any{what}, args...)...)
	}
	if in.Reason != "" {
		line("reason", "%s", in.Reason)
	}
	if in.Holder != "" {
		line("commits", "%s", in.Holder)
	}
	line("stream", "%s, subjects %s", in.Stream, in.Filter)
	if !in.Created.IsZero() {
		line("made", "%s; holds sequences from %d", in.Created.Format(time.RFC3339), in.First)
	}
	line("committed", "up to sequence %d", in.Committed)
	line("last", "sequence %d, %d behind", in.Last, in.Lag)
	for _, t := range in.Tables {
		line("mark", "%d of lake.%s", t.Mark, t.Name)
	}
	line("gaps", "%d messages that the stream had dropped before they were read %s", Count(in.Gaps),
		bracketed(rangesText(in.Gaps)))
	line("quarantine", "%d events (lakeward quarantine list --source %s)", in.Quarantined, in.Name)
	line("misfits", "%s", in.misfitsLine())
	if n := len(in.Tables); n >= in.MaxTables {
		line("tables", "%d, which is ingest.max_tables: events for others go to quarantine", n)
	}
	if len(in.TimeMisses) > 0 {
		line("times", "events with the time of publishing since the start: %s", missesText(in.TimeMisses))
	}
	if in.Unmapped > 0 {
		line("unmapped", "%d events since the start, which no rule of the mappings took: they are in the source's table",
			in.Unmapped)
	}
	if in.LooksLike != "" {
		line("looks like", "%s: add mapping: %s to the source", in.LooksLike, in.LooksLike)
	}
	for _, r := range in.Resets {
		line("reset", "%s by %s (%s), from %d to %d: %s", r.At.Format(time.RFC3339), r.By, r.Mode, r.Old.Seq, r.New.Seq,
			cmp.Or(r.Reason, "no reason given"))
	}
	line("to do", "%s", in.Remedy)
	return b.String()
}

func bracketed(s string) string {
	if s == "" {
		return ""
	}
	return "(" + s + ")"
}

// Inspect looks at the source. A stream that cannot be looked at is a reason,
// not an error.
func (s *Source) Inspect(ctx context.Context, stream string) (Inspection, error) {
	st := s.Status()
	in := Inspection{Name: s.o.Name, Stream: stream, Filter: s.o.Filter, State: st.State, Reason: st.Reason,
		TimeMisses: st.TimeMisses, MaxTables: s.o.MaxTables, Unmapped: st.Unmapped, LooksLike: st.LooksLike}
	if s.o.Lease != nil {
		l, err := s.o.Lease.Look(ctx)
		if err == nil && !(l.Before && in.State == Stopped) { // it is not known, or was the daemon that ran here
			in.Holder = l.Holder
		}
	}
	key := tiers.Mark{Stream: stream, Filter: s.o.Filter}.Key()
	tables, lost, err := tablesOf(ctx, s.o.Lake, key, nil)
	if err != nil {
		return in, err
	}
	marks := marksOf(tables, key)
	for name, m := range marks {
		if len(in.Tables) == 0 || m.Seq < in.Committed {
			in.Committed = m.Seq
		}
		in.Tables = append(in.Tables, InspectedTable{name, m.Seq})
		resets, err := resetsOf(tables[name], key)
		if err != nil {
			return in, err
		}
		if len(resets) > len(in.Resets) {
			in.Resets = resets
		}
	}
	slices.SortFunc(in.Tables, func(a, b InspectedTable) int { return cmp.Compare(a.Name, b.Name) })
	inspectMisfits(tables, key, &in)
	if err := s.inspectBooks(ctx, tables, key, &in); err != nil {
		return in, err
	}
	trouble := s.catalog(ctx)
	if trouble == nil && len(lost) > 0 {
		trouble = unmarked(slices.Sorted(maps.Keys(lost)))
	}
	return in, s.inspectStream(ctx, marks, trouble, &in)
}

// inspectStream looks at the stream; trouble is what was found of the marks.
func (s *Source) inspectStream(ctx context.Context, marks map[string]tiers.Mark, trouble error, in *Inspection) error {
	info, err := s.o.Stream.Info(ctx, s.o.Filter)
	if ctx.Err() != nil {
		return err
	}
	if err != nil {
		in.Reason, in.Remedy = err.Error(), "see that NATS is reachable and the stream exists; the source goes on by itself"
		return nil
	}
	in.Created, in.First, in.Last = info.Created, info.First, info.Matched
	if err = trouble; err == nil {
		err = s.belong(ctx, marks, info)
	}
	switch {
	case errors.Is(err, tiers.ErrHalt):
		in.Reason = haltReason(err)
		if in.State != Standby {
			in.State = Halted
		}
	case err != nil:
		in.Reason = err.Error()
	case in.Last > in.Committed:
		in.Lag = in.Last - in.Committed
	}
	in.Remedy = s.remedy(err, *in)
	return nil
}

func (s *Source) remedy(trouble error, in Inspection) string {
	reset := "lakeward source reset " + s.o.Name
	switch {
	case errors.Is(trouble, errHalfReset):
		return "finish the reset: the same command again, " + reset
	case errors.Is(trouble, errRecreated):
		return "restore the old stream, or: " + reset + " --from-start"
	case errors.Is(trouble, errUnmarked):
		return "put the mark back: lakeward lake adopt"
	case errors.Is(trouble, errPruned):
		return "put back the newer catalog; or go on without these messages: " + reset + " --from-start"
	case errors.Is(trouble, errRolledBack):
		return "restore a newer copy, or reset the source where the reason says"
	case in.State == Halted:
		return "mend what the reason says, then start the daemon again"
	case in.State == Standby:
		return fmt.Sprintf("nothing: another daemon commits this source, and this one takes over when that one ends, or "+
			"is still for %s", LeasePatience)
	case in.State == Waiting:
		return "nothing, unless it lasts: it is tried again"
	case in.State == Stopped && in.Holder != "":
		return "nothing: another daemon commits this source; start this one to stand by: lakeward serve"
	case in.State == Stopped:
		return "start the daemon: lakeward serve"
	case len(in.Gaps) > 0:
		return "the stream's limits dropped messages before they were read: give the stream more room, or publish the " +
			"missing events again"
	default:
		return "nothing"
	}
}

// inspectBooks reads what the tables of bookkeeping say of the source.
func (s *Source) inspectBooks(ctx context.Context, tables map[string]tiers.Table, key string, in *Inspection) error {
	if t, ok := tables[Quarantine]; ok {
		err := s.eachRow(ctx, t, []string{colSource}, func(_ string, v []value) {
			if v[0].text == key {
				in.Quarantined++
			}
		})
		if err != nil {
			return err
		}
	}
	t, ok := tables[Skipped]
	if !ok {
		return nil
	}
	m := t.Marks()[key]
	now := identity(key, m.Created, m.Resets)
	err := s.eachRow(ctx, t, []string{colSource, colFirst, tiers.ColStreamSeq}, func(stream string, v []value) {
		switch {
		case v[0].text != key || stream != now:
		case v[1].long > 0:
			in.Gaps = append(in.Gaps, tiers.SeqRange{First: uint64(v[1].long), Last: uint64(v[2].long)})
		default:
			in.Repeats++
		}
	})
	in.Gaps = tiers.MergeSeqs(in.Gaps)
	return err
}

// eachRow reads columns of every row, with the identity that its file records.
func (s *Source) eachRow(ctx context.Context, t tiers.Table, columns []string,
	each func(stream string, v []value)) error {
	files, err := t.Files(ctx, 0, time.Time{}, time.Time{})
	if err != nil {
		return fmt.Errorf("list files of lake.%s: %w", t.Name(), err)
	}
	for _, f := range files {
		seqs, err := s.o.data().seqs(ctx, f.Path)
		if err != nil {
			return fmt.Errorf("read lake.%s: %w", t.Name(), err)
		}
		if err := s.o.data().columns(ctx, f.Path, columns, func(v []value) { each(seqs.Stream, v) }); err != nil {
			return fmt.Errorf("read lake.%s: %w", t.Name(), err)
		}
	}
	return nil
}
