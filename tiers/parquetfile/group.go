package parquetfile

import (
	"fmt"
	"runtime/debug"
	"sync/atomic"

	"github.com/parquet-go/parquet-go/format"
	"golang.org/x/sync/errgroup"

	"github.com/lakeward/lakeward/tiers"
)

// rowGroup appends the rows [lo, hi) of the order.
func (w *Writer) rowGroup(t *Table, p *plan, rows []uint32, lo, hi int) error {
	if rows == nil {
		w.rows = w.rows[:0]
		for i := lo; i < hi; i++ {
			w.rows = append(w.rows, uint32(i))
		}
		rows, lo, hi = w.rows, 0, hi-lo
	}
	parts, err := w.encode(p, levels{slots: rows[lo:hi], space: t.N})
	if err != nil {
		return err
	}
	g := format.RowGroup{NumRows: int64(hi - lo), Ordinal: int16(len(w.groups)), FileOffset: int64(len(w.out))}
	for i := range parts {
		w.appendPart(&parts[i], &g)
	}
	g.SortingColumns = p.sorted
	w.groups = append(w.groups, g)
	return nil
}

// part are the column chunks of one top-level field, with offsets of out, the
// memory of the encoder that made it.
type part struct {
	encoder  *encoder
	from, to int // of the encoder's out
	chunks   []chunk
}

// chunk is a column of a row group, and where its pages are if they are indexed.
type chunk struct {
	format.ColumnChunk
	pages []format.PageLocation
}

// encode makes the parts of a row group. Copies share the vector of a member,
// and so what is remembered of its encoding: then there is one encoder.
func (w *Writer) encode(p *plan, top levels) ([]part, error) {
	parts := make([]part, len(p.nodes))
	var next atomic.Int64
	work := func(e *encoder) (err error) {
		defer func() { // in a goroutine it would end the process
			if r := recover(); r != nil {
				err = &Panic{r, debug.Stack()}
			}
		}()
		e.out = e.out[:0]
		for {
			i := int(next.Add(1)) - 1
			if i >= len(p.nodes) {
				return nil
			}
			from := len(e.out)
			chunks, err := e.node(p.nodes[i], top, 0, nil)
			if err != nil {
				return err
			}
			parts[i] = part{e, from, len(e.out), chunks}
		}
	}
	if p.shared || len(w.encoders) == 1 {
		return parts, work(w.encoders[0])
	}
	var g errgroup.Group
	for _, e := range w.encoders {
		g.Go(func() error { return work(e) })
	}
	return parts, g.Wait()
}

// Panic is one of the encoders, or of whoever else recovers from it. Its text is
// the same each time.
type Panic struct {
	Value any
	Stack []byte
}

func (p *Panic) Error() string { return fmt.Sprintf("panic: %v", p.Value) }

// appendPart puts a part where it belongs in the file.
func (w *Writer) appendPart(p *part, g *format.RowGroup) {
	shift := int64(len(w.out) - p.from)
	w.out = append(w.out, p.encoder.out[p.from:p.to]...)
	for _, c := range p.chunks {
		m := &c.MetaData
		if m.DataPageOffset > c.FileOffset { // the dictionary comes first
			m.DictionaryPageOffset += shift
		}
		m.DataPageOffset += shift
		c.FileOffset += shift
		for i := range c.pages {
			c.pages[i].Offset += shift
		}
		g.TotalByteSize += m.TotalUncompressedSize
		g.TotalCompressedSize += m.TotalCompressedSize
		g.Columns = append(g.Columns, c.ColumnChunk)
		w.pages = append(w.pages, c.pages)
	}
}

// node appends the column chunks below one field.
func (w *encoder) node(n *node, l levels, depth int, to []chunk) ([]chunk, error) {
	if !n.col.Required {
		l = w.buf.present(l, n.col, depth)
		depth++
	}
	switch n.col.Kind {
	case tiers.KindStruct:
		for _, m := range n.members {
			var err error
			if to, err = w.node(m, l, depth, to); err != nil {
				return nil, err
			}
		}
		return to, nil
	case tiers.KindList:
		return w.node(n.members[0], w.buf.repeat(l, n.col, depth), depth+1, to)
	default:
		c, err := w.chunk(n.leaf, l)
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", n.leaf.dotted(), err)
		}
		return append(to, c), nil
	}
}
