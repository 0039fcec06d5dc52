package lake

import (
	"fmt"
	"strings"

	"github.com/apache/iceberg-go"

	"github.com/lakeward/lakeward/tiers"
)

// toIceberg converts a schema, giving provisional ids to fields without one;
// Iceberg assigns the real ids when the schema is added to a table.
func toIceberg(s tiers.Schema) (*iceberg.Schema, error) {
	c := converter{}
	fields, err := c.fields(s.Fields)
	if err != nil {
		return nil, err
	}
	return iceberg.NewSchema(0, fields...), nil
}

type converter struct{ next int }

func (c *converter) fields(in []tiers.Field) ([]iceberg.NestedField, error) {
	out := make([]iceberg.NestedField, len(in))
	for i, f := range in {
		c.next++
		out[i] = iceberg.NestedField{ID: c.next, Name: f.Name, Required: f.Required, Doc: f.Doc}
		t, err := c.typ(f.Type)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name, err)
		}
		out[i].Type = t
	}
	return out, nil
}

func (c *converter) typ(t tiers.Type) (iceberg.Type, error) {
	switch t.Kind {
	case tiers.KindBool:
		return iceberg.PrimitiveTypes.Bool, nil
	case tiers.KindLong:
		return iceberg.PrimitiveTypes.Int64, nil
	case tiers.KindDouble:
		return iceberg.PrimitiveTypes.Float64, nil
	case tiers.KindString:
		return iceberg.PrimitiveTypes.String, nil
	case tiers.KindBinary:
		return iceberg.PrimitiveTypes.Binary, nil
	case tiers.KindDate:
		return iceberg.PrimitiveTypes.Date, nil
	case tiers.KindTimestamp:
		return iceberg.PrimitiveTypes.TimestampTz, nil
	case tiers.KindDecimal:
		return iceberg.DecimalTypeOf(t.Precision, t.Scale), nil
	case tiers.KindStruct:
		if len(t.Fields) == 0 {
			return nil, fmt.Errorf("a struct needs a field")
		}
		fields, err := c.fields(t.Fields)
		if err != nil {
			return nil, err
		}
		return &iceberg.StructType{FieldList: fields}, nil
	case tiers.KindList:
		return c.list(t)
	default:
		return nil, fmt.Errorf("no Iceberg type for %s", t)
	}
}

func (c *converter) list(t tiers.Type) (iceberg.Type, error) {
	if t.Elem == nil {
		return nil, fmt.Errorf("a list needs an element")
	}
	c.next++
	id := c.next
	elem, err := c.typ(t.Elem.Type)
	if err != nil {
		return nil, err
	}
	return &iceberg.ListType{ElementID: id, Element: elem, ElementRequired: t.Elem.Required}, nil
}

// fromIceberg converts a table's schema, with its ids. Types that the lake
// does not write but another engine may have (int, float) take the kind that
// holds their values; what has none is KindInvalid.
func fromIceberg(s *iceberg.Schema) tiers.Schema {
	return tiers.Schema{ID: s.ID, Fields: fromFields(s.Fields())}
}

// namesStable computes tiers.Schema's NamesStable. Engines that read by names take upper and
// lower case for the same.
func namesStable(schemas []*iceberg.Schema) bool {
	type place struct {
		parent int
		name   string
	}
	places, ids := map[int]place{}, map[place]int{}
	var all func(parent int, fields []tiers.Field) bool
	all = func(parent int, fields []tiers.Field) bool {
		for _, f := range fields {
			p := place{parent, strings.ToLower(f.Name)}
			if was, ok := places[f.ID]; ok && was != p {
				return false
			}
			if was, ok := ids[p]; ok && was != f.ID {
				return false
			}
			places[f.ID], ids[p] = p, f.ID
			below := f.Type.Fields
			if f.Type.Elem != nil {
				below = []tiers.Field{*f.Type.Elem}
			}
			if !all(f.ID, below) {
				return false
			}
		}
		return true
	}
	for _, s := range schemas {
		if !all(0, fromFields(s.Fields())) {
			return false
		}
	}
	return true
}

func fromFields(in []iceberg.NestedField) []tiers.Field {
	out := make([]tiers.Field, len(in))
	for i, f := range in {
		out[i] = tiers.Field{ID: f.ID, Name: f.Name, Required: f.Required, Doc: f.Doc, Type: fromType(f.Type)}
	}
	return out
}

func fromType(t iceberg.Type) tiers.Type {
	switch t := t.(type) {
	case *iceberg.StructType:
		return tiers.Type{Kind: tiers.KindStruct, Fields: fromFields(t.FieldList)}
	case *iceberg.ListType:
		e := tiers.Field{ID: t.ElementID, Name: "element", Required: t.ElementRequired, Type: fromType(t.Element)}
		return tiers.Type{Kind: tiers.KindList, Elem: &e}
	case iceberg.BooleanType:
		return tiers.Type{Kind: tiers.KindBool}
	case iceberg.Int32Type, iceberg.Int64Type:
		return tiers.Type{Kind: tiers.KindLong}
	case iceberg.Float32Type, iceberg.Float64Type:
		return tiers.Type{Kind: tiers.KindDouble}
	case iceberg.StringType:
		return tiers.Type{Kind: tiers.KindString}
	case iceberg.DecimalType:
		return tiers.Decimal(t.Precision(), t.Scale())
	case iceberg.BinaryType:
		return tiers.Type{Kind: tiers.KindBinary}
	case iceberg.DateType:
		return tiers.Type{Kind: tiers.KindDate}
	case iceberg.TimestampTzType, iceberg.TimestampType:
		return tiers.Type{Kind: tiers.KindTimestamp}
	default:
		return tiers.Type{Kind: tiers.KindInvalid}
	}
}
