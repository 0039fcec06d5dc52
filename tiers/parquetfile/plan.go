package parquetfile

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"github.com/lakeward/lakeward/tiers"
)

// plan is the layout of one file: which columns, in which order.
type plan struct {
	nodes  []*node
	leaves []*leaf
	schema []format.SchemaElement
	sorted thrift.Slice[format.SortingColumn]
	bloom  []string
	shared bool // some vectors are of two nodes
}

// node is a field of the file's schema with its vector.
type node struct {
	col     *Column
	members []*node
	leaf    *leaf
}

// leaf is a column of the file, and what is learnt of it while it is written.
type leaf struct {
	col   *Column
	id    int
	name  string
	top   bool
	path  []string // as Parquet has it, with the groups of lists
	bloom bool

	rows, nulls, nans, size int64
	total                   bounds
	filters                 [][]byte // serialised, one a row group
}

func (l *leaf) dotted() string { return strings.Join(l.path, ".") }

func newPlan(t *Table, o Options) (*plan, error) {
	p := &plan{bloom: o.Bloom}
	root := format.SchemaElement{Name: "table"}
	p.schema = append(p.schema, root)
	for _, f := range o.Schema.Fields {
		c := t.Column(f.Name)
		if c == nil || (c.Values() == 0 && !c.Required) {
			continue
		}
		n, err := p.field(f, c, nil, "")
		if err != nil {
			return nil, err
		}
		p.nodes = append(p.nodes, n)
	}
	if len(p.nodes) == 0 {
		return nil, fmt.Errorf("no column of the table has a value")
	}
	if err := p.copies(t, o); err != nil {
		return nil, err
	}
	p.schema[0].NumChildren.Set(int32(len(p.nodes)))
	for _, name := range o.Sorted {
		i := slices.IndexFunc(p.leaves, func(l *leaf) bool { return l.top && l.name == name })
		if i < 0 {
			break
		}
		p.sorted = append(p.sorted, format.SortingColumn{ColumnIdx: int32(i)})
	}
	return p, nil
}

// copies adds the top-level copies of members of structs. The copy shares the
// member's vector: they have the same slots, and where a struct is absent its
// members have no value.
func (p *plan) copies(t *Table, o Options) error {
	for _, path := range o.Copies {
		f, ok := o.Schema.Lookup(path)
		c := t.member(path)
		if !ok || c == nil || c.Values() == 0 {
			continue
		}
		if !strings.Contains(path, ".") || c.Kind == tiers.KindStruct || c.Kind == tiers.KindList || c.Required {
			return fmt.Errorf("column %s cannot be copied: it is not an optional, scalar member of a struct", path)
		}
		f.ID, f.Name = tiers.CopyID(f.ID), "_copy_"+strings.ReplaceAll(path, ".", "_")
		n, err := p.field(f, c, nil, "")
		if err != nil {
			return err
		}
		n.leaf.bloom, p.shared = true, true
		p.nodes = append(p.nodes, n)
	}
	return nil
}

// member is the column at a dotted path, or nil.
func (t *Table) member(path string) *Column {
	cs, c := t.Columns, (*Column)(nil)
	for name := range strings.SplitSeq(path, ".") {
		if c = member(cs, name); c == nil {
			return nil
		}
		cs = nil
		if c.Kind == tiers.KindStruct {
			cs = c.Children
		}
	}
	return c
}

// field adds one field and its members. parent is the Parquet path above it,
// dotted the path as the schema has it.
func (p *plan) field(f tiers.Field, c *Column, parent []string, dotted string) (*node, error) {
	path := append(slices.Clone(parent), f.Name)
	dotted = strings.TrimPrefix(dotted+"."+f.Name, ".")
	if c.Kind != f.Type.Kind {
		return nil, fmt.Errorf("column %s is %s, its vector %s", dotted, f.Type.Kind, c.Kind)
	}
	if f.ID <= 0 {
		return nil, fmt.Errorf("column %s has no id", dotted)
	}
	e := element(f)
	if c.Required {
		e.RepetitionType.Set(format.Required)
	}
	p.schema = append(p.schema, e)
	n := &node{col: c}
	var err error
	switch f.Type.Kind {
	case tiers.KindStruct:
		err = p.structure(n, f, len(p.schema)-1, path, dotted)
	case tiers.KindList:
		err = p.list(n, f, path, dotted)
	default:
		n.leaf = &leaf{col: c, id: f.ID, name: f.Name, top: len(parent) == 0, path: path,
			bloom: slices.Contains(p.bloom, dotted)}
		p.leaves = append(p.leaves, n.leaf)
	}
	return n, err
}

// structure adds the members that have values, or the first if none has.
func (p *plan) structure(n *node, f tiers.Field, at int, path []string, dotted string) error {
	for pass := 0; pass < 2 && len(n.members) == 0; pass++ {
		for _, m := range f.Type.Fields {
			c := n.col.Member(m.Name)
			if c == nil || (pass == 0 && c.Values() == 0 && !c.Required) {
				continue
			}
			mn, err := p.field(m, c, path, dotted)
			if err != nil {
				return err
			}
			n.members = append(n.members, mn)
			if pass == 1 {
				break
			}
		}
	}
	if len(n.members) == 0 {
		return fmt.Errorf("struct %s has no members", dotted)
	}
	p.schema[at].NumChildren.Set(int32(len(n.members)))
	return nil
}

func (p *plan) list(n *node, f tiers.Field, path []string, dotted string) error {
	if f.Type.Elem == nil || len(n.col.Children) == 0 {
		return fmt.Errorf("list %s has no element type", dotted)
	}
	p.schema[len(p.schema)-1].NumChildren.Set(1)
	g := format.SchemaElement{Name: "list"}
	g.RepetitionType.Set(format.Repeated)
	g.NumChildren.Set(1)
	p.schema = append(p.schema, g)
	elem := *f.Type.Elem
	elem.Name = "element"
	m, err := p.field(elem, n.col.Elem(), append(path, "list"), dotted)
	n.members = []*node{m}
	return err
}

// element is the schema's entry of a field, optional and without members.
func element(f tiers.Field) format.SchemaElement {
	e := format.SchemaElement{Name: f.Name, FieldID: int32(f.ID)}
	e.RepetitionType.Set(format.Optional)
	physical := func(t format.Type) { e.Type.Set(t) }
	switch f.Type.Kind {
	case tiers.KindBool:
		physical(format.Boolean)
	case tiers.KindLong:
		physical(format.Int64)
	case tiers.KindDouble:
		physical(format.Double)
	case tiers.KindString:
		physical(format.ByteArray)
		e.ConvertedType.Set(deprecated.UTF8)
		e.LogicalType.Value = &format.StringType{}
	case tiers.KindBinary:
		physical(format.ByteArray)
	case tiers.KindDate:
		physical(format.Int32)
		e.ConvertedType.Set(deprecated.Date)
		e.LogicalType.Value = &format.DateType{}
	case tiers.KindTimestamp:
		physical(format.Int64)
		e.ConvertedType.Set(deprecated.TimestampMicros)
		e.LogicalType.Value = &format.TimestampType{IsAdjustedToUTC: true,
			Unit: format.TimeUnit{Value: &format.MicroSeconds{}}}
	case tiers.KindDecimal:
		p, s := int32(f.Type.Precision), int32(f.Type.Scale)
		physical(format.FixedLenByteArray)
		e.TypeLength.Set(int32(decimalWidth(f.Type.Precision)))
		e.ConvertedType.Set(deprecated.Decimal)
		e.Scale.Set(s)
		e.Precision.Set(p)
		e.LogicalType.Value = &format.DecimalType{Scale: s, Precision: p}
	case tiers.KindList:
		e.ConvertedType.Set(deprecated.List)
		e.LogicalType.Value = &format.ListType{}
	}
	return e
}

// schemaJSON is Iceberg's JSON of a schema.
func schemaJSON(s tiers.Schema) (string, error) {
	b, err := json.Marshal(struct {
		Type   string      `json:"type"`
		ID     int         `json:"schema-id"`
		Fields []fieldJSON `json:"fields"`
	}{"struct", s.ID, fieldsJSON(s.Fields)})
	return string(b), err
}

type fieldJSON struct {
	ID       int    `json:"id"`
	Name     string `json:"name"`
	Required bool   `json:"required"`
	Type     any    `json:"type"`
	Doc      string `json:"doc,omitempty"`
}

func fieldsJSON(fs []tiers.Field) []fieldJSON {
	out := make([]fieldJSON, len(fs))
	for i, f := range fs {
		out[i] = fieldJSON{f.ID, f.Name, f.Required, typeJSON(f.Type), f.Doc}
	}
	return out
}

func typeJSON(t tiers.Type) any {
	switch {
	case t.Kind == tiers.KindStruct:
		return struct {
			Type   string      `json:"type"`
			Fields []fieldJSON `json:"fields"`
		}{"struct", fieldsJSON(t.Fields)}
	case t.Kind == tiers.KindList && t.Elem != nil:
		return struct {
			Type     string `json:"type"`
			ID       int    `json:"element-id"`
			Required bool   `json:"element-required"`
			Elem     any    `json:"element"`
		}{"list", t.Elem.ID, t.Elem.Required, typeJSON(t.Elem.Type)}
	default:
		return t.String()
	}
}
