package parquetfile

import (
	"fmt"
	"testing"

	"github.com/lakeward/lakeward/tiers"
)

// TestAColumnMayBeginLate sets the first value of a column after slots that
// have none, takes it back and begins elsewhere.
func TestAColumnMayBeginLate(t *testing.T) {
	elem := tiers.Type{Kind: tiers.KindLong}
	for name, c := range map[string]struct {
		typ  tiers.Type
		set  func(c *Column, slot int)
		show func(c *Column, slot int) string
	}{
		"long": {tiers.Type{Kind: tiers.KindLong}, func(c *Column, s int) { c.SetInt(s, int64(s)) },
			func(c *Column, s int) string { return fmt.Sprint(c.Int(s)) }},
		"double": {tiers.Type{Kind: tiers.KindDouble}, func(c *Column, s int) { c.SetDouble(s, float64(s)) },
			func(c *Column, s int) string { return fmt.Sprint(c.Double(s)) }},
		"text": {tiers.Type{Kind: tiers.KindString}, func(c *Column, s int) { c.SetString(s, fmt.Sprint(s)) },
			func(c *Column, s int) string { return string(c.Bytes(s)) }},
		"plain text": {tiers.Type{Kind: tiers.KindString},
			func(c *Column, s int) { c.text.plain = true; c.SetString(s, fmt.Sprint(s)) },
			func(c *Column, s int) string { return string(c.Bytes(s)) }},
		"list": {tiers.Type{Kind: tiers.KindList, Elem: &tiers.Field{Name: "element", Type: elem}}, func(c *Column, s int) {
			first := c.BeginList(s)
			c.Elem().SetInt(first, int64(s))
			c.EndList(1)
		}, func(c *Column, s int) string {
			from, to := c.List(s)
			return fmt.Sprint(c.Elem().Int(to-1), "/", to-from)[:len(fmt.Sprint(s))]
		}},
	} {
		t.Run(name, func(t *testing.T) {
			col := NewColumn(tiers.Field{Name: "c", Type: c.typ})
			check := func(slots ...int) {
				t.Helper()
				if col.Values() != len(slots) {
					t.Errorf("it has %d values, want %d", col.Values(), len(slots))
				}
				for _, s := range slots {
					if got := c.show(col, s); !col.Has(s) || got != fmt.Sprint(s) {
						t.Errorf("slot %d holds %s", s, got)
					}
				}
			}
			c.set(col, 1000)
			check(1000)
			if m := col.memory(); m > 4000 {
				t.Errorf("one value holds %d bytes: the slots before it are there", m)
			}
			c.set(col, 1003)
			check(1000, 1003)
			if c.typ.Kind == tiers.KindList {
				if from, to := col.List(999); from != to {
					t.Errorf("the list before the first has %d elements", to-from)
				}
				if from, to := col.List(1001); from != to {
					t.Errorf("the list between has %d elements", to-from)
				}
			}
			col.Truncate(1002)
			check(1000)
			col.Truncate(500)
			check()
			c.set(col, 700)
			c.set(col, 701)
			check(700, 701)
			col.Reset()
			c.set(col, 3)
			c.set(col, 5)
			check(3, 5)
		})
	}
}
