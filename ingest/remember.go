package ingest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lakeward/lakeward/ingest/columnar"
	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/parquetfile"
	"github.com/lakeward/lakeward/tiers/removal"
)

// remember rebuilds the memory of message ids from what the tables hold, once
// the first message with an id comes, which was published at that time: streams
// without ids pay nothing. It takes the messages of this source's stream: those
// of tables with a window that were taken within it, and of the others the
// latest, until there are as many as are promised.
func (d *decoder) remember(ctx context.Context, published time.Time) (*known, error) {
	k, began := d.s.newKnown(), time.Now()
	g := &gatherer{e: d.e, ids: k, most: k.recent.most, clock: second(published)}
	files, err := g.list(ctx)
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		if g.enough(f) {
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		err := g.file(ctx, f)
		if errors.Is(err, tiers.ErrDamaged) { // new events are worth more than the old file's ids
			d.s.log.Error("message ids of a damaged file are not known: its events would be taken again if they were "+
				"published again", "file", f.Path, "rows", f.Rows, "error", err)
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read message ids of lake.%s: %w", f.table, err)
		}
	}
	g.arrange()
	for _, m := range slices.Backward(g.found) {
		if slot, _, there := k.recent.lookUp(m.id); !there {
			k.recent.add(m.id, slot, m.at)
		}
	}
	d.removals = g.removals
	if st := k.status(); st.Known > 0 {
		d.s.log.Info("message ids were read from the tables", "ids", st.Known, "bytes", st.Bytes,
			"took", time.Since(began).Round(time.Millisecond))
	}
	return k, nil
}

// gatherer finds the latest messages that have an id.
type gatherer struct {
	e        *epoch
	ids      *known
	clock    uint32 // second of the stream: windows end there
	most     int    // messages that are wanted of tables without a window
	found    []placed
	floor    position          // none before it is wanted
	sorted   int               // so many of found are arranged
	removals map[string]string // id of the last removal by table, as it was before its files were listed
	rejected map[position]string
}

// placed is a message of an id in a table.
type placed struct {
	id fingerprint
	at position
}

type tableFile struct {
	tiers.DataFile
	table  string
	window *window // nil: the table has none
}

// list lists the files that may have messages of the source, those with the
// latest first.
func (g *gatherer) list(ctx context.Context) ([]tableFile, error) {
	names, err := g.e.s.o.Lake.Tables(ctx)
	if err != nil {
		return nil, fmt.Errorf("list tables: %w", err)
	}
	g.removals = map[string]string{}
	var out []tableFile
	for _, name := range names {
		if name == Quarantine || name == Skipped {
			continue
		}
		t, err := g.e.s.o.Lake.Open(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("open lake.%s: %w", name, err)
		}
		marks := t.Marks()
		_, fed := marks[g.e.s.key]
		if _, replayed := marks[replayKey]; !fed && !replayed {
			continue
		}
		last, err := removal.Last(t)
		if err != nil {
			return nil, err
		}
		g.removals[name] = last.ID
		files, err := t.Files(ctx, 0, time.Time{}, time.Time{})
		if err != nil {
			return nil, fmt.Errorf("list files of lake.%s: %w", name, err)
		}
		w := g.ids.window(g.e.s.o.Tables(name).Repeats)
		if w != nil {
			w.clock = g.clock
		}
		for _, f := range files {
			if f.SeqMax == 0 { // not known
				f.SeqMax = 1<<seqBits - 1
			}
			out = append(out, tableFile{f, name, w})
		}
	}
	slices.SortFunc(out, func(a, b tableFile) int {
		return cmp.Or(cmp.Compare(b.SeqMax, a.SeqMax), strings.Compare(a.Path, b.Path))
	})
	return out, nil
}

// enough reports whether neither a file nor those after it, as far as they are
// of tables that look back as far, have a message that is wanted.
func (g *gatherer) enough(f tableFile) bool {
	if f.window != nil {
		return !f.Ingested.IsZero() && second(f.Ingested) < f.window.oldest()
	}
	if len(g.found) < g.most {
		return false
	}
	g.arrange()
	return len(g.found) >= g.most && g.found[g.most-1].at > positionOf(g.e.resets, f.SeqMax)
}

// arrange brings what was found in order, the latest first, each message once,
// and drops what is not wanted.
func (g *gatherer) arrange() {
	if g.sorted == len(g.found) {
		return
	}
	slices.SortFunc(g.found, func(a, b placed) int { return cmp.Compare(b.at, a.at) })
	g.found = slices.CompactFunc(g.found, func(a, b placed) bool { return a == b })
	if len(g.found) >= g.most {
		g.found = g.found[:g.most]
		g.floor = g.found[g.most-1].at
	}
	g.sorted = len(g.found)
}

// add takes a message that has an event in the file's table, which was taken
// at that second.
func (g *gatherer) add(f tableFile, id string, at position, taken uint32) {
	if id == "" {
		return
	}
	if f.window != nil {
		f.window.add(g.ids.of(f.table, []byte(id)), at, taken)
		return
	}
	if at < g.floor {
		return
	}
	m := placed{g.ids.of(f.table, []byte(id)), at}
	if n := len(g.found); n > 0 && g.found[n-1] == m { // the next event of one message
		return
	}
	if g.found = append(g.found, m); len(g.found) >= g.most+g.most/4+firstSlots {
		g.arrange()
	}
}

// file takes the messages of a file.
func (g *gatherer) file(ctx context.Context, f tableFile) error {
	seqs, err := g.e.s.o.data().seqs(ctx, f.Path)
	if err != nil {
		return err
	}
	resets, ours := g.e.ours(seqs.Stream)
	switch {
	case seqs.Stream == replayKey:
		return g.replayed(ctx, f)
	case !ours:
		return nil
	case seqs.IDs != columnar.EventIDForm:
		return g.old(ctx, f, resets)
	}
	tag := streamTag(g.e.info.Name, g.e.info.Created, resets)
	return g.rows(ctx, f, func(seq uint64, eventID string, taken uint32) {
		id, _ := columnar.ParseEventID(eventID, tag)
		g.add(f, id, positionOf(resets, seq), taken)
	})
}

func (g *gatherer) rows(ctx context.Context, f tableFile, each func(seq uint64, eventID string, taken uint32)) error {
	columns := []string{tiers.ColStreamSeq, tiers.ColEventID}
	if f.window == nil {
		return g.e.s.o.data().columns(ctx, f.Path, columns, func(v []value) { each(uint64(v[0].long), v[1].text, 0) })
	}
	return g.e.s.o.data().columns(ctx, f.Path, append(columns, tiers.ColIngestTime), func(v []value) {
		if taken := second(time.UnixMicro(v[2].long)); taken >= f.window.oldest() {
			each(uint64(v[0].long), v[1].text, taken)
		}
	})
}

// ours reports whether rows of a file are of the epoch's source and of this
// very stream, and how often the source had been reset when it read them. An id
// outlives a reset: it is the stream's.
func (e *epoch) ours(stream string) (resets uint64, ok bool) {
	return resetsIn(stream, identity(e.s.key, e.info.Created, 0))
}

// resetsIn is how often a source had been reset when it read what is in a file
// of the stream identity; ok is false unless that begins with first. Files of
// replays are of the stream that their messages came from.
func resetsIn(stream, first string) (resets uint64, ok bool) {
	rest, ok := strings.CutPrefix(strings.TrimPrefix(stream, replayKey+"|"), first)
	if !ok || rest == "" {
		return 0, ok
	}
	resets, err := strconv.ParseUint(strings.TrimPrefix(rest, "|"), 10, 64)
	return resets, err == nil && rest[0] == '|'
}

// old takes the messages of a file from before event ids said whose they are:
// what ends in /1 may be a later event, or an id that the publisher chose. It
// is a later event if quarantine has another event of the message, or the same
// row group has; otherwise it is taken as it is.
func (g *gatherer) old(ctx context.Context, f tableFile, resets uint64) error {
	if err := g.loadRejected(ctx); err != nil {
		return err
	}
	made := streamTag(g.e.info.Name, g.e.info.Created, resets) + "-"
	events, last := map[uint64][]string{}, map[uint64]uint32{}
	flush := func() {
		for seq, ids := range events {
			at := positionOf(resets, seq)
			for _, id := range oldIDs(ids, g.rejected[at]) {
				g.add(f, id, at, last[seq])
			}
		}
		clear(events)
		clear(last)
	}
	err := g.rows(ctx, f, func(seq uint64, eventID string, taken uint32) {
		if strings.HasPrefix(eventID, made) || f.window == nil && positionOf(resets, seq) < g.floor {
			return
		}
		last[seq] = max(last[seq], taken)
		if events[seq] = append(events[seq], eventID); len(events) >= parquetfile.RowGroup {
			flush()
		}
	})
	flush()
	return err
}

// oldIDs are the ids of a message whose events had these ids.
func oldIDs(events []string, rejected string) []string {
	if rejected != "" {
		return []string{rejected}
	}
	stem := slices.MinFunc(events, func(a, b string) int { return cmp.Compare(len(a), len(b)) })
	if len(events) > 1 && !allOf(events, stem) {
		stem = stem[:max(strings.LastIndexByte(stem, '/'), 0)]
	}
	if len(events) > 1 && !allOf(events, stem) {
		return events
	}
	return []string{stem}
}

func allOf(events []string, stem string) bool {
	return !slices.ContainsFunc(events, func(e string) bool { return e != stem && !oldEvent(e, stem) })
}

// oldEvent reports whether an id was one of a later event of the message.
func oldEvent(event, message string) bool {
	rest, ok := strings.CutPrefix(event, message+"/")
	return ok && rest != "" && strings.Trim(rest, "0123456789") == ""
}

// replayed takes the messages of a file that a replay made before such files
// said of which stream their rows are: those that quarantine has.
func (g *gatherer) replayed(ctx context.Context, f tableFile) error {
	if err := g.loadRejected(ctx); err != nil {
		return err
	}
	return g.rows(ctx, f, func(seq uint64, eventID string, taken uint32) {
		for resets := range g.e.resets + 1 {
			at := positionOf(resets, seq)
			if id := g.rejected[at]; id != "" && (eventID == id || oldEvent(eventID, id)) {
				g.add(f, id, at, taken)
			}
		}
	})
}

// loadRejected reads which ids messages have that are in quarantine, at least
// in part.
func (g *gatherer) loadRejected(ctx context.Context) error {
	if g.rejected != nil {
		return nil
	}
	g.rejected = map[position]string{}
	b := g.e.s.books()
	_, files, err := b.quarantine(ctx)
	if err != nil {
		return err
	}
	for _, f := range files {
		seqs, err := g.e.s.o.data().seqs(ctx, f.Path)
		if resets, ours := g.e.ours(seqs.Stream); err == nil && ours {
			err = b.data().columns(ctx, f.Path, []string{tiers.ColStreamSeq, colMessageID}, func(v []value) {
				if v[1].text != "" {
					g.rejected[positionOf(resets, uint64(v[0].long))] = v[1].text
				}
			})
		}
		if err != nil && !errors.Is(err, tiers.ErrDamaged) {
			return fmt.Errorf("read lake.%s: %w", Quarantine, err)
		}
	}
	return nil
}
