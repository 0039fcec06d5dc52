package mapping

import (
	"cmp"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
)

// A Trial is what mappings make of some events.
type Trial struct {
	Events  int            `json:"events"`
	Tables  map[string]int `json:"tables"`            // rows by table
	Taken   map[string]int `json:"taken"`             // rows by mapping and rule
	Left    int            `json:"left"`              // events that no rule takes, of a product that a mapping knows
	Unknown int            `json:"unknown"`           // events of no mapping's product
	Broken  int            `json:"broken"`            // parts that are no event
	Looks   map[string]int `json:"looks"`             // events by the mapping whose product they are of
	Wrong   map[string]int `json:"wrong,omitempty"`   // what OCSF or the mapping forbids, by what it is
	Missing string         `json:"example,omitempty"` // the first event that no rule takes
}

// Try maps events, and gives each row with its table to each; nil: nobody asks.
func (s Set) Try(events iter.Seq2[[]byte, error], each func(table string, row []byte)) Trial {
	t := Trial{Tables: map[string]int{}, Taken: map[string]int{}, Looks: map[string]int{}, Wrong: map[string]int{}}
	c := s.NewChooser()
	for event, bad := range events {
		if bad != nil {
			t.Broken++
			continue
		}
		t.Events++
		table, row, m := c.choose(event)
		if m == nil {
			name := c.Looks(event)
			if name == "" {
				t.Unknown++
				continue
			}
			t.Looks[name]++
			if t.Left++; t.Left == 1 {
				t.Missing = string(event[:min(len(event), 2000)])
			}
			continue
		}
		t.Looks[m.Name]++
		t.Tables[table]++
		t.Taken[m.ruleOf(row)]++
		for _, wrong := range m.Verify(event, row) {
			t.Wrong[wrong]++
		}
		if each != nil {
			each(table, row)
		}
	}
	return t
}

// ruleOf names the mapping and rule of a row.
func (m *Mapping) ruleOf(row []byte) string {
	var values map[string]any
	if err := decode(row, &values); err != nil {
		return m.Name
	}
	r, _, err := m.mapped(values)
	if err != nil {
		return m.Name
	}
	return m.Name + "/" + r.name
}

// Write prints a trial for people.
func (t Trial) Write(w io.Writer) error {
	if _, err := fmt.Fprintf(w, "%d events", t.Events); err != nil {
		return err
	}
	for _, n := range []struct {
		n    int
		what string
	}{{t.Left, "no rule takes"}, {t.Unknown, "of no mapping's product"}, {t.Broken, "parts that are no event"}} {
		if n.n > 0 {
			if _, err := fmt.Fprintf(w, ", %d %s", n.n, n.what); err != nil {
				return err
			}
		}
	}
	if _, err := fmt.Fprintln(w); err != nil {
		return err
	}
	for _, part := range []struct {
		what string
		of   map[string]int
	}{{"lake.%s", t.Tables}, {"by %s", t.Taken}, {"WRONG: %s", t.Wrong}} {
		names := slices.SortedFunc(maps.Keys(part.of), func(a, b string) int {
			return cmp.Or(cmp.Compare(part.of[b], part.of[a]), cmp.Compare(a, b))
		})
		for _, name := range names {
			if _, err := fmt.Fprintf(w, "  %7d  "+part.what+"\n", part.of[name], name); err != nil {
				return err
			}
		}
	}
	return nil
}
