package ingest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/lakeward/lakeward/ingest/columnar"
	"github.com/lakeward/lakeward/tiers"
)

// eventOf is an event that its publisher named; index -1: any of its message.
type eventOf struct {
	table string
	id    string // of the message
	index int
	made  int64 // its stream, in nanoseconds
}

// lookUp finds which of the events that their publisher named are in the table
// by their stream: they may have been published again since. It looks at the
// latest rows, as many as a source remembers ids.
func (p *replay) lookUp(ctx context.Context, f *feed, e *epoch, rows []Rejected) error {
	made := e.info.Created.UnixNano()
	want, old := map[eventOf]bool{}, map[string]eventOf{}
	for _, r := range rows {
		if r.MessageID == "" {
			continue
		}
		of := eventOf{f.name, r.MessageID, r.Index, made}
		if want[of] = true; r.Index > 0 {
			old[r.MessageID+"/"+strconv.Itoa(r.Index)] = of
		} else {
			old[r.MessageID] = of
		}
	}
	if len(want) == 0 || f.table == nil {
		return nil
	}
	files, err := f.table.Files(ctx, 0, time.Time{}, time.Time{})
	if err != nil {
		return fmt.Errorf("list files: %w", err)
	}
	slices.SortFunc(files, func(a, b tiers.DataFile) int { return cmp.Compare(b.SeqMax, a.SeqMax) })
	left := int64(p.s.o.Recent)
	for _, file := range files {
		if left <= 0 {
			return nil
		}
		seqs, err := p.s.o.data().seqs(ctx, file.Path)
		if err != nil {
			return fmt.Errorf("read event ids: %w", err)
		}
		resets, ours := resetsIn(seqs.Stream, identity(p.key, e.info.Created, 0))
		if !ours {
			continue
		}
		left -= file.Rows
		tag := streamTag(e.info.Name, e.info.Created, resets)
		found := func(of eventOf, seq int64) {
			if want[of] {
				p.known[of] = positionOf(resets, uint64(seq))
			}
		}
		if err := p.s.o.data().columns(ctx, file.Path, []string{tiers.ColEventID, tiers.ColStreamSeq}, func(v []value) {
			if seqs.IDs != columnar.EventIDForm {
				if of, ok := old[v[0].text]; ok {
					found(of, v[1].long)
				}
				return
			}
			id, index := columnar.ParseEventID(v[0].text, tag)
			found(eventOf{f.name, id, index, made}, v[1].long)
			found(eventOf{f.name, id, -1, made}, v[1].long)
		}); err != nil {
			return fmt.Errorf("read event ids: %w", err)
		}
	}
	return nil
}
