package tiers

import (
	"slices"
	"testing"
)

func TestFieldSetsHoldTheirIDs(t *testing.T) {
	some := FieldSetOf(slices.Values([]int{7, 300, 2, 70_000}))
	for id, want := range map[int]bool{1: false, 2: true, 7: true, 8: false, 300: true, 70_000: true, 70_001: false} {
		if some.Has(id) != want {
			t.Errorf("Has(%d) = %t", id, !want)
		}
	}
	if other := FieldSetOf(slices.Values([]int{2, 7, 70_000, 300})); other != some || !other.Known() {
		t.Error("the order of the ids makes another set")
	}
	none := FieldSetOf(slices.Values([]int{}))
	if none.Has(2) || !none.Known() || none == some {
		t.Error("an empty set is a set without ids")
	}
	if (FieldSet{}).Known() {
		t.Error("the zero value is known")
	}
	leaf := func(id int) Field { return Field{ID: id, Type: Type{Kind: KindString}} }
	record := func(fs ...Field) Field { return Field{ID: 2, Type: Type{Kind: KindStruct, Fields: fs}} }
	elem := record(leaf(5), leaf(7))
	for name, c := range map[string]struct {
		f    Field
		want bool
	}{
		"a leaf":                   {leaf(300), true},
		"another leaf":             {leaf(301), false},
		"a struct":                 {record(leaf(5), leaf(7)), true},
		"its own id is not a leaf": {record(leaf(5), record(leaf(6))), false},
		"a list":                   {Field{ID: 1, Type: Type{Kind: KindList, Elem: &elem}}, true},
	} {
		if some.HasAny(c.f) != c.want {
			t.Errorf("%s: HasAny is %t", name, !c.want)
		}
	}
}
