package syntax

import (
	"iter"
	"reflect"
)

// Child is a node right below another, and the place where it is kept.
type Child struct {
	Node Node
	slot reflect.Value
}

// Replace puts an expression where the child, an Expr, was.
func (c Child) Replace(e Expr) { c.slot.Set(reflect.ValueOf(e)) }

// Below are the nodes right below one, in the order of the text's clauses as
// far as there is one. Every field of every node is looked into.
func Below(n Node) iter.Seq[Child] {
	return func(yield func(Child) bool) {
		if n != nil {
			below(reflect.ValueOf(n).Elem(), yield)
		}
	}
}

// below goes through what is not a node itself.
func below(v reflect.Value, yield func(Child) bool) bool {
	switch v.Kind() {
	case reflect.Interface:
		if v.IsNil() {
			return true
		}
		if n, ok := reflect.TypeAssert[Node](v); ok {
			return yield(Child{Node: n, slot: v})
		}
	case reflect.Pointer:
		if !v.IsNil() {
			return below(v.Elem(), yield)
		}
	case reflect.Slice:
		for i := range v.Len() {
			if !below(v.Index(i), yield) {
				return false
			}
		}
	case reflect.Struct:
		for _, f := range v.Fields() {
			if !below(f, yield) {
				return false
			}
		}
	}
	return true
}

// All are a node and what is below it, each before what is below itself.
func All(n Node) iter.Seq[Node] {
	return func(yield func(Node) bool) { all(n, yield) }
}

func all(n Node, yield func(Node) bool) bool {
	if n == nil || reflect.ValueOf(n).IsNil() {
		return true
	}
	if !yield(n) {
		return false
	}
	for c := range Below(n) {
		if !all(c.Node, yield) {
			return false
		}
	}
	return true
}

// Any reports whether a node or one below it is such.
func Any(n Node, such func(Node) bool) bool {
	for m := range All(n) {
		if such(m) {
			return true
		}
	}
	return false
}
