package mapping

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lakeward/lakeward/tiers"
)

// A Set is some mappings, of which the first that takes an event maps it.
type Set []*Mapping

// Named is the set of the mappings of some names; auto stands for all.
func (s Set) Named(names ...string) (Set, error) {
	var out Set
	for _, name := range names {
		if name == Auto {
			return s, nil
		}
		i := slices.IndexFunc(s, func(m *Mapping) bool { return m.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no mapping %q: there are %s", name, strings.Join(s.names(), ", "))
		}
		out = append(out, s[i])
	}
	return out, nil
}

// Auto is the name that stands for all mappings.
const Auto = "auto"

func (s Set) names() []string {
	out := []string{Auto}
	for _, m := range s {
		out = append(out, m.Name)
	}
	return out
}

// Columns are those of a table by all mappings of the set, and whether one of
// them has the table.
func (s Set) Columns(table string) (columns tiers.Schema, ok bool) {
	for _, m := range s {
		c := m.Columns(table)
		ok = ok || len(c.Fields) > 0
		columns.Fields = Merge(columns.Fields, c.Fields)
	}
	return columns, ok
}

// Merge has the fields of both, members of structs too; the type is the first's.
func Merge(a, b []tiers.Field) []tiers.Field {
	a = slices.Clone(a)
	for _, f := range b {
		i := slices.IndexFunc(a, func(g tiers.Field) bool { return strings.EqualFold(g.Name, f.Name) })
		switch {
		case i < 0:
			a = append(a, f)
		case a[i].Type.Kind == tiers.KindStruct && f.Type.Kind == tiers.KindStruct:
			a[i].Type.Fields = Merge(a[i].Type.Fields, f.Type.Fields)
		case a[i].Type.Kind == tiers.KindList && f.Type.Kind == tiers.KindList:
			elem := *a[i].Type.Elem
			elem.Type.Fields = Merge(elem.Type.Fields, f.Type.Elem.Type.Fields)
			a[i].Type.Elem = &elem
		}
	}
	return a
}

// A Chooser maps events by a Set. It is not safe for concurrent use.
type Chooser struct {
	mappers []*Mapper
}

// NewChooser makes a chooser.
func (s Set) NewChooser() *Chooser {
	c := &Chooser{}
	for _, m := range s {
		c.mappers = append(c.mappers, m.NewMapper())
	}
	return c
}

// Map is Mapper.Map of the first mapping of the set that takes the event.
func (c *Chooser) Map(event []byte) (table string, row []byte, ok bool) {
	table, row, m := c.choose(event)
	return table, row, m != nil
}

// choose is Map, with the mapping; nil if none takes the event.
func (c *Chooser) choose(event []byte) (table string, row []byte, m *Mapping) {
	for _, x := range c.mappers {
		if table, row, ok := x.Map(event); ok {
			return table, row, x.m
		}
	}
	return "", nil, nil
}

// Looks is the name of the first mapping that an event is of, empty if it is of
// none.
func (c *Chooser) Looks(event []byte) string {
	for _, x := range c.mappers {
		if x.Takes(event) {
			return x.m.Name
		}
	}
	return ""
}
