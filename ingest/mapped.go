package ingest

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"slices"
	"time"

	"github.com/lakeward/lakeward/ingest/columnar"
	"github.com/lakeward/lakeward/ingest/format"
	"github.com/lakeward/lakeward/ingest/mapping"
)

// A source with mappings feeds a table for each class that they know, and its
// own table with what they do not take. The events of one message can belong to
// several tables. Its id is looked up in each of them, because after a restart
// each knows the messages of which it has rows.

// mapper says which table an event goes to, and as which row.
type mapper struct {
	chooser *mapping.Chooser // nil: the source has no mappings
	feeds   map[string]target

	// The event of the message at hand that was mapped last, by its index in it; -1:
	// none. Most messages have one, which is asked for twice.
	index int
	last  mapped
}

// target is the table of a class; or why there can be none.
type target struct {
	feed   *feed
	reason string
}

// mapped is an event with its place.
type mapped struct {
	target
	row []byte // valid until the next event is mapped
	ok  bool   // a rule took it
}

// place maps the event of that index; one that no rule takes is for the source's
// own table.
func (d *decoder) place(ctx context.Context, r route, index int, event []byte) (mapped, error) {
	x := &d.mapper
	if x.index != index {
		at, err := d.mapEvent(ctx, r, event)
		if err != nil {
			return at, err
		}
		x.index, x.last = index, at
	}
	if !x.last.ok {
		x.last.row = event // formats write each event over the one before
	}
	return x.last, nil
}

func (d *decoder) mapEvent(ctx context.Context, r route, event []byte) (mapped, error) {
	table, row, ok := d.mapper.chooser.Map(event)
	if !ok {
		return mapped{target: target{r.feed, r.reason}}, nil
	}
	t, known := d.mapper.feeds[table]
	if !known {
		var err error
		if t.feed, t.reason, err = d.feedOf(ctx, table); err != nil {
			return mapped{}, err
		}
		if t.feed != nil {
			d.mapper.feeds[table] = t
		}
	}
	return mapped{t, row, true}, nil
}

// mappedMessage is message for a source with mappings.
func (d *decoder) mappedMessage(ctx context.Context, m *Message, r route, now time.Time) error {
	known := d.e.has(Skipped, m.Seq, -1) || d.e.has(Quarantine, m.Seq, -1)
	data, broken := d.unpacker.Unpack(m.Data)
	d.mapper.index = -1
	var home *feed
	var id lookedUp
	if !known && broken == nil && len(m.ID) > 0 {
		var err error
		if home, id, err = d.repeated(ctx, m, r, data, now); err != nil {
			return err
		}
	}
	d.last, d.lastAt, d.newest = m.Seq, m.Published, m.Published
	d.bytes += uint64(len(m.Data))
	d.index = 0
	switch {
	case known:
		return nil
	case broken != nil:
		d.reject(m, -1, m.Data, broken.Error(), now)
		return nil
	case id.known:
		d.repeat(home, m, id.at, now)
		return nil
	}
	p := parts{d: d, m: m, now: now, weight: d.weigh(nil, weightOf(data))}
	for event, bad := range d.split(m, data) {
		var at mapped
		if bad == nil {
			var err error
			if at, err = d.place(ctx, r, p.index, event); err != nil {
				return err
			}
			if !at.ok {
				d.unmapped++
			}
			if p.f = at.feed; p.f == nil {
				bad = errors.New(at.reason)
			}
		}
		if err := p.take(event, at.row, bad); err != nil {
			return err
		}
	}
	p.end()
	if p.stored && home != nil {
		d.ids.add(home, id, positionOf(d.e.resets, m.Seq), now)
	}
	return nil
}

// repeated looks a message's id up in the tables of its events. home is the one
// that is to remember it: the first that does not have the message yet. If it
// is a repeat, home is the table that knows it.
func (d *decoder) repeated(ctx context.Context, m *Message, r route, data []byte, now time.Time) (home *feed,
	id lookedUp, err error) {
	var asked [8]*feed // a message has few tables; of one with more, the rest is not asked
	n, index := 0, -1
	for event, bad := range d.split(m, data) {
		if index++; bad != nil {
			continue
		}
		at, err := d.place(ctx, r, index, event)
		if err != nil {
			return nil, id, err
		}
		f := at.feed
		if f == nil || m.Seq <= f.through || n == len(asked) || slices.Contains(asked[:n], f) {
			continue
		}
		asked[n], n = f, n+1
		found, err := d.lookUp(ctx, f, m, now)
		if err != nil {
			return nil, id, err
		}
		if found.known {
			return f, found, nil
		}
		if home == nil {
			home, id = f, found
		}
	}
	return home, id, nil
}

// split yields the events of a message, as they are written.
func (d *decoder) split(m *Message, data []byte) iter.Seq2[[]byte, error] {
	written := format.Of(d.s.o.Format, m.Header, data)
	if how, is := format.JSON(written, data); is {
		return columnar.Split(how, data)
	}
	return written.Events(data)
}

// Of the events that a source without mappings gets, the first are tried
// against all that there are, and later one in a while.
const (
	triedFirst = 200
	triedEvery = 1000
	triedLeast = 20 // events, before anything is said of them
)

// guess finds out which mapping fits the events of a source that has none.
type guess struct {
	chooser *mapping.Chooser // nil: nothing is to be found out
	events  int
	tried   int
	fits    map[string]int // by mapping
}

func newGuess(known mapping.Set) guess {
	if len(known) == 0 {
		return guess{}
	}
	return guess{chooser: known.NewChooser(), fits: map[string]int{}}
}

// look looks at an event, if it is one of those that are tried, and returns the
// mapping that fits nine of ten of them so far. changed: it may be another than
// before.
func (g *guess) look(event []byte) (fits string, changed bool) {
	g.events++
	if g.chooser == nil || g.events > triedFirst && g.events%triedEvery != 0 {
		return "", false
	}
	g.tried++
	name := g.chooser.Looks(bytes.TrimSpace(event))
	if name != "" {
		g.fits[name]++
	}
	if g.tried < triedLeast {
		return "", false
	}
	for name, n := range g.fits {
		if n*10 >= g.tried*9 {
			return name, true
		}
	}
	return "", true
}

// look has the source say which mapping fits its events.
func (d *decoder) look(data []byte) {
	if fits, changed := d.guess.look(data); changed {
		d.s.note(func(st *Status) { st.LooksLike = fits })
	}
}
