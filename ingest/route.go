package ingest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/removal"
)

// The tables of ingest's own bookkeeping. They are committed before the tables
// of events of the same batch.
const (
	Quarantine = "quarantine"     // what could not be decoded, with bytes and reason
	Skipped    = "ingest_skipped" // messages that were repeats, gaps of the stream, and what was replayed from quarantine
)

// keptSubject is the subject as events keep it: nil if the source did not ask
// for it and its filter and the table's name tell it.
func (s *Source) keptSubject(subject string) []byte {
	filter, tokens := strings.Split(s.o.Filter, "."), strings.Split(subject, ".")
	kept := s.o.Metadata != nil
	for i := range tokens {
		wild := i >= len(filter) || filter[i] == "*" || filter[i] == ">"
		named := i == len(tokens)-1 && s.o.Table == ""
		kept = kept || wild && !named
	}
	if !kept {
		return nil
	}
	return []byte(subject)
}

const maxTableName = 63

// tableOf names the table of a subject by its last token, in lower case, with
// _ for - and a leading _ before a digit. If the subject cannot name a table, reason says why.
func tableOf(subject string) (table, reason string) {
	token := subject[strings.LastIndexByte(subject, '.')+1:]
	name := make([]byte, 0, len(token)+1)
	named := false // it has a letter or digit
	for i := range len(token) {
		c := token[i]
		switch {
		case c >= 'A' && c <= 'Z':
			c += 'a' - 'A'
			named = true
		case c >= 'a' && c <= 'z':
			named = true
		case c >= '0' && c <= '9':
			if len(name) == 0 {
				name = append(name, '_')
			}
			named = true
		case c == '-' || c == '_':
			c = '_'
		default:
			return "", fmt.Sprintf("the subject's last token %.80q cannot name a table: use letters, digits, - and _", token)
		}
		name = append(name, c)
	}
	table = string(name)
	switch {
	case !named:
		return "", fmt.Sprintf("the subject's last token %.80q cannot name a table: it has no letter or digit", token)
	case len(table) > maxTableName:
		return "", fmt.Sprintf("the subject's last token %.80q is too long to name a table: at most %d characters", token,
			maxTableName)
	case table == Quarantine || table == Skipped || table == removal.Table:
		return "", fmt.Sprintf("the table %s is Lakeward's own: publish on another subject", table)
	}
	return table, ""
}

// route is where a subject's messages go.
type route struct {
	feed    *feed
	reason  string // why nowhere
	subject []byte // that events are to keep
}

func (d *decoder) noteTables() {
	n := d.tables
	d.s.note(func(st *Status) { st.Tables, st.MaxTables = n, d.s.o.MaxTables })
}

// tooMany says, at most once a minute, that a source may feed no more tables.
func (d *decoder) tooMany(table string) {
	if now := d.s.o.Now(); now.Sub(d.capped) >= time.Minute {
		d.capped = now
		d.s.log.Warn("events go to quarantine: their tables would be too many; raise ingest.max_tables", "tables", d.tables,
			"next", "lake."+table)
	}
}

func tooManyTables(n int, table string) string {
	return fmt.Sprintf("the source feeds %d tables already, and %s would be one more: raise ingest.max_tables, or give "+
		"the source a table", n, table)
}

// route finds the table of a subject.
func (d *decoder) route(ctx context.Context, subject string) (route, error) {
	if r, ok := d.name[subject]; ok {
		return r, nil
	}
	r, err := d.newRoute(ctx, subject)
	if err != nil {
		return r, err
	}
	if len(d.name) >= maxRoutes {
		clear(d.name)
	}
	d.name[subject] = r
	return r, nil
}

func (d *decoder) newRoute(ctx context.Context, subject string) (route, error) {
	table := d.s.o.Table
	if table == "" {
		var reason string
		if table, reason = tableOf(subject); reason != "" {
			return route{reason: reason}, nil
		}
	}
	f, reason, err := d.feedOf(ctx, table)
	return route{feed: f, reason: reason, subject: d.s.keptSubject(subject)}, err
}

// feedOf is a table of events that the source feeds from now on; the reason
// says why it cannot.
func (d *decoder) feedOf(ctx context.Context, table string) (f *feed, reason string, err error) {
	if f, ok := d.e.feeds[table]; ok {
		return f, "", nil
	}
	if d.tables >= d.s.o.MaxTables {
		d.tooMany(table)
		return nil, tooManyTables(d.tables, table), nil
	}
	f = newFeed(table, d.s.o.Tables(table))
	// Another source may feed it already: then its columns have their types.
	t, err := d.s.o.Lake.Open(ctx, table)
	switch {
	case err == nil:
		f.known = t.Schema()
	case !errors.Is(err, tiers.ErrNoTable):
		return nil, "", fmt.Errorf("open lake.%s: %w", table, err)
	}
	d.tables++
	d.noteTables()
	d.e.feeds[table] = f
	return f, "", nil
}
