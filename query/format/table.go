package format

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strconv"
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
	gap        = "  "
)

// TableOptions say how rows are shown to a person.
type TableOptions struct {
	// Width is the terminal's. Rows that are wider are shown one column a line.
	// 0: there is none.
	Width    int
	Vertical bool  // one column a line, however narrow the rows are
	MaxRows  int64 // after which it stops, and says so with More; 0: all rows
	More     string
}

// table lays out rows in columns whose widths its first rows decide, or one
// column a line.
type table struct {
	TableOptions
	out    *bufio.Writer
	names  []string
	right  []bool // numbers
	widths []int
	sample [][]string
	ready  bool
	rows   int64
}

// WriteTable writes the rows as Table does, as the options say. It leaves what
// is beyond MaxRows unread.
func WriteTable(w io.Writer, rows array.RecordReader, o TableOptions) error {
	t := newTable(w, rows, o)
	stopped := t.read(rows)
	t.start()
	if err := rows.Err(); err != nil && !stopped {
		_ = t.out.Flush()
		return err
	}
	unit := "rows"
	if t.rows == 1 {
		unit = "row"
	}
	if stopped {
		fmt.Fprintf(t.out, "(the first %s %s; %s)\n", Grouped(strconv.FormatInt(t.rows, 10)), unit, t.More)
	} else {
		fmt.Fprintf(t.out, "(%d %s)\n", t.rows, unit)
	}
	if err := t.out.Flush(); err != nil {
		return fmt.Errorf("write rows: %w", err)
	}
	return nil
}

// read adds rows until there are no more, or more than are to be shown.
func (t *table) read(rows array.RecordReader) (stopped bool) {
	for rows.Next() {
		rec := rows.RecordBatch()
		for i := range int(rec.NumRows()) {
			if t.MaxRows > 0 && t.rows == t.MaxRows {
				return true
			}
			cells := make([]string, rec.NumCols())
			for c, col := range rec.Columns() {
				if cells[c] = "NULL"; col.IsValid(i) {
					cells[c] = visible(text(col, i))
				}
			}
			t.add(cells)
		}
	}
	return false
}

func newTable(w io.Writer, rows array.RecordReader, o TableOptions) *table {
	t := &table{out: bufio.NewWriterSize(w, 64<<10), TableOptions: o}
	for _, f := range rows.Schema().Fields() {
		t.names = append(t.names, visible(f.Name))
		id := f.Type.ID()
		t.right = append(t.right, arrow.IsInteger(id) || arrow.IsFloating(id) || arrow.IsDecimal(id))
	}
	return t
}

// Grouped is a number in digits with a comma between thousands: 1,234.5.
func Grouped(number string) string {
	sign, digits := "", number
	if strings.HasPrefix(number, "-") {
		sign, digits = "-", number[1:]
	}
	whole, rest, _ := strings.Cut(digits, ".")
	if len(rest) > 0 {
		rest = "." + rest
	}
	for at := len(whole) - 3; at > 0; at -= 3 {
		whole = whole[:at] + "," + whole[at:]
	}
	return sign + whole + rest
}

// Terminal reports whether w is a terminal, and how wide it is; 0: unknown.
func Terminal(w io.Writer) (width int, ok bool) {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return 0, false
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		width = 0
	}
	return width, true
}

func (t *table) add(cells []string) {
	t.rows++
	switch {
	case t.ready && t.Vertical:
		t.record(t.rows, cells)
		return
	case t.ready:
		t.line(cells)
		return
	}
	if t.sample = append(t.sample, cells); len(t.sample) == sampleRows {
		t.start()
	}
}

// start fixes the widths, or turns vertical, and writes the header and what was
// held back.
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
	t.Vertical = len(t.names) > 0 && (t.Vertical || t.Width > 0 && t.total() > t.Width)
	if t.Vertical {
		t.turn()
	} else {
		t.line(t.names)
		rule := make([]string, len(t.names))
		for c, w := range t.widths {
			rule[c] = strings.Repeat("-", w)
		}
		t.line(rule)
	}
	for i, cells := range t.sample {
		if t.Vertical {
			t.record(int64(i)+1, cells)
		} else {
			t.line(cells)
		}
	}
	t.sample = nil
}

// total returns the width of a line.
func (t *table) total() int {
	total := (len(t.widths) - 1) * len(gap)
	for _, w := range t.widths {
		total += w
	}
	return total
}

// turn lays the names out as one column.
func (t *table) turn() {
	width := 0
	for _, n := range t.names {
		width = max(width, utf8.RuneCountInString(n))
	}
	for c, n := range t.names {
		t.names[c] = n + strings.Repeat(" ", width-utf8.RuneCountInString(n))
	}
}

// record writes one row, one column a line and every value whole.
func (t *table) record(n int64, cells []string) {
	fmt.Fprintf(t.out, "-- row %d\n", n)
	for c, s := range cells {
		_, _ = t.out.WriteString(strings.TrimRight(t.names[c]+gap+s, " ") + "\n")
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
