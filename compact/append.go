package compact

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/parquetfile"
)

// appendBatch copies a batch to the end of a table that has its columns.
func appendBatch(t *parquetfile.Table, rec arrow.RecordBatch) error {
	for i, a := range rec.Columns() {
		c := t.Column(rec.ColumnName(i))
		if c == nil {
			return fmt.Errorf("the table has no column %s", rec.ColumnName(i))
		}
		if err := appendArray(c, t.N, a, 0, a.Len()); err != nil {
			return fmt.Errorf("column %s: %w", rec.ColumnName(i), err)
		}
	}
	t.N += int(rec.NumRows())
	return nil
}

// appendArray copies the values [from, to) to the slots from slot on.
func appendArray(c *parquetfile.Column, slot int, a arrow.Array, from, to int) error {
	each := func(set func(slot, i int)) error {
		for i := from; i < to; i++ {
			if a.IsValid(i) {
				set(slot+i-from, i)
			}
		}
		return nil
	}
	switch a := a.(type) {
	case *array.Boolean:
		return each(func(s, i int) { c.SetBool(s, a.Value(i)) })
	case *array.Int64:
		return each(func(s, i int) { c.SetInt(s, a.Value(i)) })
	case *array.Date32:
		return each(func(s, i int) { c.SetInt(s, int64(a.Value(i))) })
	case *array.Timestamp:
		return each(func(s, i int) { c.SetInt(s, int64(a.Value(i))) })
	case *array.Float64:
		return each(func(s, i int) { c.SetDouble(s, a.Value(i)) })
	case *array.Decimal128:
		return each(func(s, i int) { c.SetDecimal(s, a.Value(i).HighBits(), a.Value(i).LowBits()) })
	case *array.String:
		return each(func(s, i int) { c.SetString(s, a.Value(i)) })
	case *array.Binary:
		return each(func(s, i int) { c.SetBytes(s, a.Value(i)) })
	case *array.Struct:
		return appendStruct(c, slot, a, from, to)
	case *array.List:
		return appendList(c, slot, a, from, to)
	}
	return fmt.Errorf("an Arrow array of %s was not expected", a.DataType())
}

// appendStruct copies members only where the struct is: what the engine leaves
// in the members of an absent one has no meaning.
func appendStruct(c *parquetfile.Column, slot int, a *array.Struct, from, to int) error {
	fields := a.DataType().(*arrow.StructType).Fields()
	for i := from; i < to; {
		if a.IsNull(i) {
			i++
			continue
		}
		end := i
		for ; end < to && a.IsValid(end); end++ {
			c.SetStruct(slot + end - from)
		}
		for k, f := range fields {
			m := c.Member(f.Name)
			if m == nil {
				return fmt.Errorf("no member %s", f.Name)
			}
			if err := appendArray(m, slot+i-from, a.Field(k), i, end); err != nil {
				return fmt.Errorf("%s: %w", f.Name, err)
			}
		}
		i = end
	}
	return nil
}

func appendList(c *parquetfile.Column, slot int, a *array.List, from, to int) error {
	if c.Kind != tiers.KindList {
		return fmt.Errorf("a list for a column of kind %s", c.Kind)
	}
	for i := from; i < to; i++ {
		if a.IsNull(i) {
			continue
		}
		lo, hi := a.ValueOffsets(i)
		first := c.BeginList(slot + i - from)
		if err := appendArray(c.Elem(), first, a.ListValues(), int(lo), int(hi)); err != nil {
			return err
		}
		c.EndList(int(hi - lo))
	}
	return nil
}
