package mapping

import (
	"slices"
	"strings"

	"github.com/lakeward/lakeward/tiers"
)

// Columns are the columns that the rows of a table get from a mapping's rules,
// with their types, so that they do not depend on which event comes first.
func (m *Mapping) Columns(table string) tiers.Schema {
	var out tiers.Schema
	for _, r := range m.rules {
		if r.class.Name == table {
			out.Fields = withFields(out.Fields, r.plan)
		}
	}
	if len(out.Fields) > 0 {
		out.Fields = withField(out.Fields, MappedBy, tiers.Type{Kind: tiers.KindString})
	}
	return out
}

func withFields(fields []tiers.Field, object *field) []tiers.Field {
	for _, f := range object.children {
		if len(f.path) == 1 && f.path[0].key == tiers.ColTime {
			continue
		}
		t := f.typeOf()
		if f.children != nil {
			t = tiers.Type{Kind: tiers.KindStruct, Fields: withFields(membersOf(fields, f), f)}
			if f.listed {
				t = listOf(t)
			}
		}
		fields = withField(fields, f.name(), t)
		if f.sibling != nil {
			fields = withField(fields, f.attr.Sibling, tiers.Type{Kind: tiers.KindString})
		}
		if f.class != nil {
			fields = withField(fields, "type_uid", tiers.Type{Kind: tiers.KindLong})
		}
	}
	return fields
}

func (f *field) name() string { return f.path[len(f.path)-1].key }

// membersOf are the members that other rules gave to the object before.
func membersOf(fields []tiers.Field, f *field) []tiers.Field {
	i := slices.IndexFunc(fields, func(g tiers.Field) bool { return g.Name == f.name() })
	switch {
	case i < 0:
		return nil
	case fields[i].Type.Kind == tiers.KindList:
		return fields[i].Type.Elem.Type.Fields
	}
	return fields[i].Type.Fields
}

func withField(fields []tiers.Field, name string, t tiers.Type) []tiers.Field {
	if i := slices.IndexFunc(fields, func(g tiers.Field) bool { return strings.EqualFold(g.Name, name) }); i >= 0 {
		if t.Kind == tiers.KindStruct || t.Kind == tiers.KindList {
			fields[i].Type = t // it has the members of the one before
		}
		return fields
	}
	return append(fields, tiers.Field{Name: name, Type: t})
}

func listOf(t tiers.Type) tiers.Type {
	return tiers.Type{Kind: tiers.KindList, Elem: &tiers.Field{Name: "element", Type: t}}
}

// typeOf is the column type of an attribute's type.
func (f *field) typeOf() tiers.Type {
	if f.attr == nil {
		return tiers.Type{}
	}
	t := tiers.Type{Kind: tiers.KindString}
	switch f.attr.Type {
	case "integer", "long", "port", "timestamp":
		t.Kind = tiers.KindLong
	case "float":
		t.Kind = tiers.KindDouble
	case "boolean":
		t.Kind = tiers.KindBool
	}
	if f.attr.Array && !f.path[len(f.path)-1].listed {
		return listOf(t)
	}
	return t
}
