package format

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"golang.org/x/term"
)

const (
	sampleRows = 1000 // measured before the first line is written
	maxCell    = 80   // runes
	minCell    = 8    // a column is not made narrower to fit a terminal
	gap        = "  "
)

// table lays out rows in columns whose widths its first rows decide.
type table struct {
	out    *bufio.Writer
	names  []string
	right  []bool // numbers
	widths []int
	sample [][]string
	ready  bool
	limit  int // total width, 0: none
	rows   int64
}

func writeTable(w io.Writer, rows array.RecordReader) error {
	t := newTable(w, rows)
	for rows.Next() {
		rec := rows.RecordBatch()
		for i := range int(rec.NumRows()) {
			cells := make([]string, rec.NumCols())
			for c, col := range rec.Columns() {
				if cells[c] = "NULL"; col.IsValid(i) {
					cells[c] = visible(text(col, i))
				}
			}
			t.add(cells)
		}
	}
	t.start()
	if err := rows.Err(); err != nil {
		_ = t.out.Flush()
		return err
	}
	unit := "rows"
	if t.rows == 1 {
		unit = "row"
	}
	fmt.Fprintf(t.out, "(%d %s)\n", t.rows, unit)
	if err := t.out.Flush(); err != nil {
		return fmt.Errorf("write rows: %w", err)
	}
	return nil
}

func newTable(w io.Writer, rows array.RecordReader) *table {
	t := &table{out: bufio.NewWriterSize(w, 64<<10), limit: terminalWidth(w)}
	for _, f := range rows.Schema().Fields() {
		t.names = append(t.names, visible(f.Name))
		id := f.Type.ID()
		t.right = append(t.right, arrow.IsInteger(id) || arrow.IsFloating(id) || arrow.IsDecimal(id))
	}
	return t
}

func terminalWidth(w io.Writer) int {
	if f, ok := w.(*os.File); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil {
			return width
		}
	}
	return 0
}

func (t *table) add(cells []string) {
	t.rows++
	if t.ready {
		t.line(cells)
		return
	}
	if t.sample = append(t.sample, cells); len(t.sample) == sampleRows {
		t.start()
	}
}

// start fixes the widths and writes the header and what was held back.
func (t *table) start() {
	if t.ready {
		return
	}
	t.ready = true
	t.widths = make([]int, len(t.names))
	for _, cells := range append([][]string{t.names}, t.sample...) {
		for c, s := range cells {
			t.widths[c] = max(t.widths[c], min(utf8.RuneCountInString(s), maxCell))
		}
	}
	shrink(t.widths, t.limit)
	t.line(t.names)
	rule := make([]string, len(t.names))
	for c, w := range t.widths {
		rule[c] = strings.Repeat("-", w)
	}
	t.line(rule)
	for _, cells := range t.sample {
		t.line(cells)
	}
	t.sample = nil
}

// shrink narrows the widest columns until the line fits.
func shrink(widths []int, limit int) {
	if limit <= 0 || len(widths) == 0 {
		return
	}
	total := (len(widths) - 1) * len(gap)
	for _, w := range widths {
		total += w
	}
	for ; total > limit; total-- {
		widest := 0
		for c, w := range widths {
			if w > widths[widest] {
				widest = c
			}
		}
		if widths[widest] <= minCell {
			return
		}
		widths[widest]--
	}
}

func (t *table) line(cells []string) {
	var b strings.Builder
	for c, s := range cells {
		if c > 0 {
			b.WriteString(gap)
		}
		s = clip(s, t.widths[c])
		pad := strings.Repeat(" ", t.widths[c]-utf8.RuneCountInString(s))
		if t.right[c] {
			b.WriteString(pad + s)
		} else {
			b.WriteString(s + pad)
		}
	}
	_, _ = t.out.WriteString(strings.TrimRight(b.String(), " ") + "\n")
}

func clip(s string, width int) string {
	if utf8.RuneCountInString(s) <= width {
		return s
	}
	return string([]rune(s)[:width-1]) + "…"
}

// visible escapes what a terminal would obey or hide: control characters,
// direction marks and bytes that are no UTF-8. Rows come from logs, whose
// writers may be hostile.
func visible(s string) string {
	clean := true
	for _, r := range s {
		if !unicode.IsPrint(r) || r == utf8.RuneError {
			clean = false
			break
		}
	}
	if clean {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r < 0x100:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
		i += size
	}
	return b.String()
}
