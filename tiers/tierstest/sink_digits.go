package tierstest

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/lakeward/lakeward/tiers"
)

var sum = &arrow.Decimal128Type{Precision: 38} // what the engine makes of a sum of BIGINT

const (
	nines = "99999999999999999999999999999999999999" // 38
	long  = "12345678901234567890123"
)

// numbers is a reader of rows with an entity and a number n, null if empty.
func (c *sinkCase) numbers(t arrow.DataType, pairs ...[2]string) array.RecordReader {
	c.Helper()
	s := arrow.NewSchema([]arrow.Field{Nullable("entity", arrow.BinaryTypes.String), Nullable("n", t)}, nil)
	b := array.NewRecordBuilder(c.mem, s)
	defer b.Release()
	for _, p := range pairs {
		b.Field(0).(*array.StringBuilder).Append(p[0])
		if p[1] == "" {
			b.Field(1).AppendNull()
		} else if err := b.Field(1).AppendValueFromString(p[1]); err != nil {
			c.Fatal(err)
		}
	}
	return c.batches(s, b.NewRecordBatch())
}

// testDigits: every digit of a decimal is there again, also after its file was
// written anew.
func testDigits(c *sinkCase) {
	c.ok(c.writeReader(1, tiers.Append, c.numbers(sum, [2]string{"a", long}, [2]string{"b", "-" + long},
		[2]string{"c", nines}, [2]string{"d", "-" + nines}, [2]string{"e", ""}, [2]string{"f", "0"},
		[2]string{"g", "9007199254740993"})))
	c.ok(c.writeReader(2, tiers.Merge, c.numbers(arrow.PrimitiveTypes.Int64, [2]string{"g", "9007199254740995"})))
	c.columns([]string{"entity", "n"}, []any{"a", long}, []any{"b", "-" + long}, []any{"c", nines},
		[]any{"d", "-" + nines},
		[]any{"e", nil}, []any{"f", "0"}, []any{"g", "9007199254740995"})
	infos, err := c.sink.Tables(c.ctx)
	if err != nil || len(infos) != 1 {
		c.Fatalf("tables are %v, %v", infos, err)
	}
	if f, _ := infos[0].Schema.Lookup("n"); f.Type.String() != "decimal(38,0)" {
		c.Errorf("a sum is stored as %s", f.Type)
	}
	if _, err := c.writeReader(3, tiers.Append,
		c.numbers(arrow.PrimitiveTypes.Float64, [2]string{"h", "1.5"})); err == nil {
		c.Error("a fraction was written to a column of whole numbers")
	}
}

// testFractions: a sum of amounts keeps its digits, on both sides of the point.
func testFractions(c *sinkCase) {
	c.ok(c.writeReader(1, tiers.Append, c.numbers(&arrow.Decimal128Type{Precision: 38, Scale: 6},
		[2]string{"a", "12345678901234567890.000001"}, [2]string{"b", "-0.000001"})))
	c.ok(c.writeReader(2, tiers.Append, c.numbers(sum, [2]string{"c", "7"})))
	c.columns([]string{"entity", "n"}, []any{"a", "12345678901234567890.000001"}, []any{"b", "-0.000001"},
		[]any{"c", "7.000000"})
	if _, err := c.writeReader(3, tiers.Append,
		c.numbers(&arrow.Decimal128Type{Precision: 38, Scale: 7}, [2]string{"d", "0.0000001"})); err == nil {
		c.Error("a digit was lost")
	}
	if _, err := c.writeReader(3, tiers.Append, c.numbers(sum, [2]string{"d", nines})); err == nil {
		c.Error("a number was written that the column does not hold")
	}
	c.columns([]string{"entity"}, []any{"a"}, []any{"b"}, []any{"c"})
}

// testOlderColumns: what older versions made a double or a long of goes on.
func testOlderColumns(c *sinkCase) {
	c.ok(c.writeReader(1, tiers.Append, c.numbers(arrow.PrimitiveTypes.Float64, [2]string{"a", "0.5"})))
	c.ok(c.writeReader(2, tiers.Append, c.numbers(sum, [2]string{"b", "3"}, [2]string{"c", "100000000000000000000000"})))
	c.ok(c.writeReader(3, tiers.Append, c.numbers(arrow.PrimitiveTypes.Int64, [2]string{"d", "-4"})))
	c.columns([]string{"entity", "n"}, []any{"a", 0.5}, []any{"b", 3.0}, []any{"c", 1e23}, []any{"d", -4.0})

	c.ok(c.writeReader(4, tiers.Overwrite, c.oneColumn("old", arrow.PrimitiveTypes.Int64, `{"entity": "a", "old": 1}`)))
	c.ok(c.writeReader(5, tiers.Append, c.oneColumn("old", sum, `{"entity": "b", "old": "9007199254740993"}`)))
	if _, err := c.writeReader(6, tiers.Append,
		c.oneColumn("old", sum, `{"entity": "c", "old": "`+long+`"}`)); err == nil {
		c.Error("a number was written that the column does not hold")
	}
	c.columns([]string{"entity", "old"}, []any{"a", int64(1)}, []any{"b", int64(9007199254740993)})
	// A key is the same in both types.
	w := c.spec("p", 7, tiers.Merge, c.oneColumn("old", sum, `{"entity": "z", "old": "9007199254740993"}`))
	defer w.Rows.Release()
	w.Key = []string{"old"}
	c.ok(c.sink.Write(c.ctx, w))
	c.columns([]string{"entity", "old"}, []any{"a", int64(1)}, []any{"z", int64(9007199254740993)})
}

// testUnsigned: numbers that are beyond a long although they have 64 bits.
func testUnsigned(c *sinkCase) {
	c.ok(c.writeReader(1, tiers.Append, c.numbers(arrow.PrimitiveTypes.Uint64, [2]string{"a", "18446744073709551615"},
		[2]string{"b", "0"})))
	c.columns([]string{"entity", "n"}, []any{"a", "18446744073709551615"}, []any{"b", "0"})
}
