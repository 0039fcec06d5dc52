package lake

import (
	"context"
	"errors"
	"fmt"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/lakeward/lakeward/tiers"
)

// Evolve adds the fields of want that the table lacks, by path, all optional:
// the files that exist have no value for them. An int that is to hold longs
// becomes a long, a float a double, as Iceberg allows. Concurrent evolutions
// are merged; the schema returned has both.
func (t *Table) Evolve(ctx context.Context, want tiers.Schema) (tiers.Schema, error) {
	for attempt := 0; ; attempt++ {
		v, err := t.evolve(ctx, want)
		if err == nil {
			return v.schema, nil
		}
		if attempt < 3 && errors.Is(err, tiers.ErrConflict) {
			continue
		}
		return tiers.Schema{}, fmt.Errorf("evolve lake.%s: %w", t.name, err)
	}
}

// addition is one field that a table lacks, under the path of its parent.
type addition struct {
	parent []string
	field  tiers.Field
}

// missing lists the fields of want that have lacks, outermost first. The path
// of a list's element is the list's own: Iceberg names the struct through it.
func missing(path []string, have, want []tiers.Field) []addition {
	known := make(map[string]tiers.Field, len(have))
	for _, f := range have {
		known[f.Name] = f
	}
	var out []addition
	for _, w := range want {
		h, ok := known[w.Name]
		if !ok {
			out = append(out, addition{path, w})
			continue
		}
		out = append(out, missingWithin(append(path[:len(path):len(path)], w.Name), h.Type, w.Type)...)
	}
	return out
}

func missingWithin(path []string, have, want tiers.Type) []addition {
	if have.Kind != want.Kind {
		return nil // an existing field keeps its type
	}
	switch have.Kind {
	case tiers.KindStruct:
		return missing(path, have.Fields, want.Fields)
	case tiers.KindList:
		if have.Elem == nil || want.Elem == nil {
			return nil
		}
		elem := append(path[:len(path):len(path)], "element")
		return missingWithin(elem, have.Elem.Type, want.Elem.Type)
	}
	return nil
}

func (t *Table) evolve(ctx context.Context, want tiers.Schema) (*version, error) {
	defer t.lake.serial(t.name)()
	base, err := t.refresh(ctx)
	if err != nil {
		return nil, err
	}
	if have, is := base.schema.EventID(), want.EventID(); have != is && hasField(base.schema, have) {
		return nil, fmt.Errorf("%w: event ids are in the column %s now, not in %s", tiers.ErrConflict, have, is)
	}
	adds := missing(nil, base.schema.Fields, want.Fields)
	wider := narrow(nil, base.meta.CurrentSchema().Fields(), want.Fields)
	if len(adds)+len(wider) == 0 {
		return base, nil
	}
	if t.lake.readOnly {
		return nil, errReadOnly
	}
	txn, err := t.transaction(base)
	if err != nil {
		return nil, err
	}
	if err := changeColumns(txn, adds, wider); err != nil {
		return nil, err
	}
	return t.land(ctx, txn)
}

func hasField(s tiers.Schema, name string) bool {
	_, ok := s.Lookup(name)
	return ok
}

// widening is a column of another engine that becomes as wide as ours.
type widening struct {
	path []string
	to   iceberg.Type
}

// narrow lists the ints and floats of have for which want has values.
func narrow(path []string, have []iceberg.NestedField, want []tiers.Field) []widening {
	known := make(map[string]iceberg.NestedField, len(have))
	for _, f := range have {
		known[f.Name] = f
	}
	var out []widening
	for _, w := range want {
		h, ok := known[w.Name]
		if !ok {
			continue
		}
		out = append(out, narrowType(append(path[:len(path):len(path)], w.Name), h.Type, w.Type)...)
	}
	return out
}

func narrowType(path []string, have iceberg.Type, want tiers.Type) []widening {
	switch h := have.(type) {
	case iceberg.Int32Type:
		if want.Kind == tiers.KindLong {
			return []widening{{path, iceberg.PrimitiveTypes.Int64}}
		}
	case iceberg.Float32Type:
		if want.Kind == tiers.KindDouble {
			return []widening{{path, iceberg.PrimitiveTypes.Float64}}
		}
	case *iceberg.StructType:
		return narrow(path, h.FieldList, want.Fields)
	case *iceberg.ListType:
		if want.Elem != nil {
			return narrowType(append(path[:len(path):len(path)], "element"), h.Element, want.Elem.Type)
		}
	}
	return nil
}

func changeColumns(txn *table.Transaction, adds []addition, wider []widening) error {
	u := txn.UpdateSchema(true, false)
	for _, w := range wider {
		u.UpdateColumn(w.path, table.ColumnUpdate{FieldType: iceberg.Optional[iceberg.Type]{Val: w.to, Valid: true}})
	}
	c := converter{}
	for _, a := range adds {
		typ, err := c.typ(optional(a.field.Type))
		if err != nil {
			return fmt.Errorf("%w: %s: %w", tiers.ErrRefused, a.field.Name, err)
		}
		u.AddColumn(append(a.parent[:len(a.parent):len(a.parent)], a.field.Name), typ, a.field.Doc, false, nil)
	}
	if err := u.Commit(); err != nil {
		return fmt.Errorf("%w: change columns: %w", tiers.ErrRefused, err)
	}
	return nil
}

// optional returns the type with all fields in it optional.
func optional(t tiers.Type) tiers.Type {
	fields := make([]tiers.Field, len(t.Fields))
	for i, f := range t.Fields {
		f.Required, f.Type = false, optional(f.Type)
		fields[i] = f
	}
	t.Fields = fields
	if t.Elem != nil {
		e := *t.Elem
		e.Required, e.Type = false, optional(e.Type)
		t.Elem = &e
	}
	return t
}
