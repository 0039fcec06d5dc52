package ingest

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/removal"
)

// VerifyReport says where the messages of one source are.
type VerifyReport struct {
	Stream  string `json:"stream"`
	Filter  string `json:"filter"`
	Through uint64 `json:"through"` // every table is at least here: nothing up to it may be missing
	Reached uint64 `json:"reached"` // some table is here
	First   uint64 `json:"first"`   // first sequence that the stream holds; 0 without a stream
	Last    uint64 `json:"last"`    // last sequence of the stream; 0 without a stream
	// Catalog is why the lake's catalog, and so anything else, cannot be
	// believed; then nothing was verified.
	Catalog string `json:"catalog,omitempty"`
	// Recreated: the stream of this name is not the one that the marks are of,
	// so the files were checked against each other alone.
	Recreated bool             `json:"recreated"`
	Tables    []VerifiedTable  `json:"tables,omitempty"`
	Messages  uint64           `json:"messages"`       // sequences that the lake accounts for
	Skipped   uint64           `json:"skipped"`        // of these: repeats of messages that are in a table
	Removed   uint64           `json:"removed"`        // of these: removed on purpose, by retention or an erasure
	Gaps      []tiers.SeqRange `json:"gaps,omitempty"` // recorded: the stream had dropped them before they were read
	// the same, and not recorded yet: the source has not gone on since
	Missed []tiers.SeqRange `json:"missed,omitempty"`
	// neither in the lake nor, as far as can be seen, messages of the source
	Absent   []tiers.SeqRange `json:"absent,omitempty"`
	Lost     []tiers.SeqRange `json:"lost,omitempty"`     // must be in the lake and are not
	Repeated []tiers.SeqRange `json:"repeated,omitempty"` // are in the lake more than once
	Unproven []tiers.SeqRange `json:"unproven,omitempty"` // may be in files that are damaged, and nowhere else
	Damaged  []DamagedFile    `json:"damaged,omitempty"`  // which could not be read
	Unmarked []string         `json:"unmarked,omitempty"` // tables that have lost the source's mark
	LeftOut  []tiers.SeqRange `json:"left_out,omitempty"` // before the place where a person's reset let the source go on
	// Repeats is what is proven of the repeats, those before resets included; nil:
	// nobody asked.
	Repeats *RepeatReport `json:"repeats,omitempty"`
	// Earlier accounts for what was read before each reset, oldest first.
	Earlier []VerifyReport `json:"earlier,omitempty"`
	Reset   *Reset         `json:"reset,omitempty"` // of an earlier account: the decision that ended it
}

// VerifiedTable is one table of the source.
type VerifiedTable struct {
	Name  string `json:"name"`
	Mark  uint64 `json:"mark"`
	Files int    `json:"files"` // with rows of the source
	Rows  int64  `json:"rows"`  // of these files
}

// DamagedFile is a file, or all of a table, that could not be read, and what is
// known of what it had.
type DamagedFile struct {
	Table  string         `json:"table"`
	Path   string         `json:"path,omitempty"` // empty: the table's metadata or a manifest, which Reason names
	Rows   int64          `json:"rows,omitempty"`
	Seqs   tiers.SeqRange `json:"seqs,omitzero"` // between which its messages are; zero: not known
	Reason string         `json:"reason"`
}

// OK reports whether it is proven that each message that the source has read is
// in a table once, in quarantine, a counted repeat, or removed on purpose.
// If repeats were looked at, each repeats a message that is, or was, in the lake.
func (r VerifyReport) OK() bool {
	for _, e := range r.Earlier {
		if !e.OK() {
			return false
		}
	}
	if r.Repeats != nil && r.Repeats.Wrong > 0 {
		return false
	}
	return r.Catalog == "" && len(r.Lost)+len(r.Repeated)+len(r.Unproven)+len(r.Damaged)+len(r.Unmarked) == 0
}

// Complete reports whether, besides, the stream dropped no message before it was
// read. What was before a reset is a decision that somebody has taken.
func (r VerifyReport) Complete() bool { return r.OK() && len(r.Gaps)+len(r.Missed) == 0 }

// missed notes what the stream has dropped since the source last read it.
func (r *VerifyReport) missed(info StreamInfo) {
	if last := min(info.First-1, info.Last); info.First > 0 && info.Covered && last > r.Reached {
		r.Missed = []tiers.SeqRange{{First: r.Reached + 1, Last: last}}
	}
}

// String is the report for people.
func (r VerifyReport) String() string {
	var b strings.Builder
	for _, e := range r.Earlier {
		b.WriteString(e.String())
	}
	fmt.Fprintf(&b, "stream %s, subjects %s\n", r.Stream, r.Filter)
	if r.Catalog != "" {
		fmt.Fprintf(&b, "  NOT VERIFIED: %s\n", r.Catalog)
		return b.String()
	}
	if e := r.Reset; e != nil {
		fmt.Fprintf(&b, "  up to the reset of %s by %s (%s): %s\n", e.At.Format(time.RFC3339), e.By, e.Mode,
			cmp.Or(e.Reason, "no reason given"))
	}
	for _, t := range r.Tables {
		fmt.Fprintf(&b, "  lake.%-24s %12d rows in %d files, committed up to sequence %d\n", t.Name, t.Rows, t.Files, t.Mark)
	}
	fmt.Fprintf(&b, "  messages accounted for: %d, of these counted repeats: %d\n", r.Messages, r.Skipped)
	if r.Removed > 0 {
		fmt.Fprintf(&b, "  of these removed on purpose, by retention or erasure: %d (lake.%s says when and why)\n", r.Removed,
			removal.Table)
	}
	list := func(what string, rs []tiers.SeqRange) {
		if len(rs) > 0 {
			fmt.Fprintf(&b, "  %s: %d (sequences %s)\n", what, Count(rs), rangesText(rs))
		}
	}
	list("left out by the reset", r.LeftOut)
	list("dropped by the stream before they were read", r.Gaps)
	list("MISSED: dropped by the stream since the source last read it", r.Missed)
	list("sequences that are no messages of this source", r.Absent)
	list("LOST", r.Lost)
	list("REPEATED", r.Repeated)
	list("NOT PROVEN, since they may be in a damaged file", r.Unproven)
	if r.Repeats != nil {
		b.WriteString(r.Repeats.String())
	}
	for _, d := range r.Damaged {
		fmt.Fprintf(&b, "  DAMAGED: %s\n", d)
	}
	for _, t := range r.Unmarked {
		fmt.Fprintf(&b, "  NO MARK: lake.%s has lost the mark of this source; its rows are counted, and `lakeward lake "+
			"adopt` puts it back\n", t)
	}
	if r.Recreated {
		b.WriteString("  the stream was made anew since; the files were checked against each other alone\n")
	} else if next := max(r.Reached+1, r.First); r.Reset == nil && r.Last >= next {
		fmt.Fprintf(&b, "  not committed yet: sequences %d to %d\n", next, r.Last)
	}
	if r.OK() {
		fmt.Fprintf(&b, "  0 lost, 0 repeated up to sequence %d\n", r.Through)
	}
	if n := Count(r.Gaps) + Count(r.Missed); n > 0 && r.Reset == nil {
		fmt.Fprintf(&b, "  NOT COMPLETE: the stream dropped %d messages before they were read\n", n)
	}
	return b.String()
}

func rangesText(rs []tiers.SeqRange) string {
	var parts []string
	for i, r := range rs {
		if i == 10 {
			parts = append(parts, fmt.Sprintf("and %d more ranges", len(rs)-i))
			break
		}
		if r.First == r.Last {
			parts = append(parts, fmt.Sprint(r.First))
		} else {
			parts = append(parts, fmt.Sprintf("%d-%d", r.First, r.Last))
		}
	}
	return strings.Join(parts, ", ")
}

// Count is the number of sequences in disjoint ranges.
func Count(rs []tiers.SeqRange) uint64 { return tiers.CountSeqs(rs) }
