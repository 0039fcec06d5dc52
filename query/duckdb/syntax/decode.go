package syntax

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Error is a part of a tree that is not described here.
type Error struct {
	What string // in lower case, as "the node foo"
	At   Place
}

// Error implements error.
func (e *Error) Error() string { return e.What + " is not supported here" }

// kinds are the types of nodes by the interface that they implement, then by
// the key class or type of the engine.
type kinds map[reflect.Type]map[string]reflect.Type

func allKinds() kinds {
	limit := reflect.TypeFor[Limit]()
	return kinds{
		reflect.TypeFor[Query](): {
			"SELECT_NODE":        reflect.TypeFor[Select](),
			"SET_OPERATION_NODE": reflect.TypeFor[SetOperation](),
			"RECURSIVE_CTE_NODE": reflect.TypeFor[RecursiveCTE](),
		},
		reflect.TypeFor[Modifier](): {
			"LIMIT_MODIFIER":         limit,
			"LIMIT_PERCENT_MODIFIER": limit,
			"ORDER_MODIFIER":         reflect.TypeFor[OrderBy](),
			"DISTINCT_MODIFIER":      reflect.TypeFor[Distinct](),
		},
		reflect.TypeFor[Table](): {
			"BASE_TABLE":      reflect.TypeFor[BaseTable](),
			"TABLE_FUNCTION":  reflect.TypeFor[TableFunction](),
			"JOIN":            reflect.TypeFor[Join](),
			"SUBQUERY":        reflect.TypeFor[Subselect](),
			"EXPRESSION_LIST": reflect.TypeFor[Values](),
			"PIVOT":           reflect.TypeFor[Pivot](),
			"SHOW_REF":        reflect.TypeFor[Show](),
			"EMPTY":           reflect.TypeFor[Nothing](),
		},
		reflect.TypeFor[Expr](): {
			"COLUMN_REF":           reflect.TypeFor[Column](),
			"CONSTANT":             reflect.TypeFor[Constant](),
			"FUNCTION":             reflect.TypeFor[Function](),
			"WINDOW":               reflect.TypeFor[Window](),
			"COMPARISON":           reflect.TypeFor[Comparison](),
			"CONJUNCTION":          reflect.TypeFor[Conjunction](),
			"OPERATOR":             reflect.TypeFor[Operator](),
			"BETWEEN":              reflect.TypeFor[Between](),
			"CASE":                 reflect.TypeFor[Case](),
			"CAST":                 reflect.TypeFor[Cast](),
			"COLLATE":              reflect.TypeFor[Collate](),
			"SUBQUERY":             reflect.TypeFor[Subquery](),
			"LAMBDA":               reflect.TypeFor[Lambda](),
			"STAR":                 reflect.TypeFor[Star](),
			"PARAMETER":            reflect.TypeFor[Parameter](),
			"POSITIONAL_REFERENCE": reflect.TypeFor[Position](),
			"DEFAULT":              reflect.TypeFor[Default](),
		},
	}
}

// Decoder makes statements of what the engine's parser gives. It is immutable.
type Decoder struct {
	kinds kinds
	keys  map[reflect.Type][]key // of every struct that a statement can have
}

// NewDecoder prepares a Decoder, which is much of the work for a short statement.
func NewDecoder() *Decoder {
	d := &Decoder{kinds: allKinds(), keys: map[reflect.Type][]key{}}
	d.add(reflect.TypeFor[Statement]())
	for _, types := range d.kinds {
		for _, t := range types {
			d.add(t)
		}
	}
	return d
}

// add finds the keys of a struct, and of those within it.
func (d *Decoder) add(t reflect.Type) {
	switch t.Kind() {
	case reflect.Slice, reflect.Pointer:
		d.add(t.Elem())
	case reflect.Struct:
		if _, ok := d.keys[t]; ok {
			return
		}
		d.keys[t] = nil // it may be within itself
		var keys []key
		for _, f := range reflect.VisibleFields(t) {
			if !f.Anonymous {
				name, option, _ := strings.Cut(f.Tag.Get("json"), ",")
				keys = append(keys, key{name, option == "omitempty", f.Index})
				d.add(f.Type)
			}
		}
		d.keys[t] = keys
	}
}

// Decode makes a statement of a tree, decoded with json.Decoder.UseNumber. The
// error is an *Error.
func (d *Decoder) Decode(tree any) (*Statement, error) {
	return (&decoder{Decoder: d, at: NoPlace}).statement(tree)
}

func (d *decoder) statement(tree any) (*Statement, error) {
	var s Statement
	if err := d.into(reflect.ValueOf(&s).Elem(), tree); err != nil {
		return nil, err
	}
	return &s, nil
}

// decoder decodes one statement.
type decoder struct {
	*Decoder
	at Place // of the last node that has one
}

func (d *decoder) fail(format string, args ...any) error {
	return &Error{What: fmt.Sprintf(format, args...), At: d.at}
}

// into sets v, of any type that a node's field can have.
func (d *decoder) into(v reflect.Value, tree any) error {
	if v.Type() == reflect.TypeFor[any]() {
		if hasNode(tree) {
			return d.fail("an expression within a type or a value")
		}
		if tree != nil {
			v.Set(reflect.ValueOf(tree))
		}
		return nil
	}
	switch t := tree.(type) {
	case nil:
		return d.nothing(v)
	case []any:
		if v.Kind() != reflect.Slice {
			break
		}
		v.Set(reflect.MakeSlice(v.Type(), len(t), len(t)))
		for i, e := range t {
			if err := d.into(v.Index(i), e); err != nil {
				return err
			}
		}
		return nil
	case map[string]any:
		return d.object(v, t)
	case json.Number:
		if v.Type() == reflect.TypeFor[json.Number]() {
			v.SetString(t.String())
			return nil
		}
		var n uint64
		if v.Kind() == reflect.Uint64 && json.Unmarshal([]byte(t), &n) == nil {
			v.SetUint(n)
			return nil
		}
	case string:
		if v.Kind() == reflect.String && v.Type() != reflect.TypeFor[json.Number]() {
			v.SetString(t)
			return nil
		}
	case bool:
		if v.Kind() == reflect.Bool {
			v.SetBool(t)
			return nil
		}
	}
	return d.fail("%T for a %s", tree, v.Type())
}

// nothing is null for what a node need not have.
func (d *decoder) nothing(v reflect.Value) error {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		return nil
	default:
		return d.fail("null for a %s", v.Type())
	}
}

func (d *decoder) object(v reflect.Value, tree map[string]any) error {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		return d.object(v.Elem(), tree)
	case reflect.Struct:
		return d.fields(v, tree)
	case reflect.Interface:
		d.moveTo(tree)
		by := "type"
		if v.Type() == reflect.TypeFor[Expr]() {
			by = "class"
		}
		name, _ := tree[by].(string)
		t, ok := d.kinds[v.Type()][name]
		if _, class := tree["class"]; !ok || class != (by == "class") {
			return d.fail("%s", strings.ToLower(name))
		}
		n := reflect.New(t)
		if err := d.fields(n.Elem(), tree); err != nil {
			return err
		}
		v.Set(n)
		return nil
	default:
		return d.fail("an object for a %s", v.Type())
	}
}

func (d *decoder) moveTo(tree map[string]any) {
	var at Place
	if d.into(reflect.ValueOf(&at).Elem(), tree["query_location"]) == nil && at != NoPlace {
		d.at = at
	}
}

// key is a field of a struct by its name in the tree.
type key struct {
	name     string
	optional bool
	index    []int
}

// fields sets those of a struct. The tree must have each, and no others.
func (d *decoder) fields(v reflect.Value, tree map[string]any) error {
	seen := 0
	keys := d.keys[v.Type()]
	for _, k := range keys {
		value, ok := tree[k.name]
		if !ok {
			if k.optional {
				continue
			}
			return d.fail("a %s without %s", strings.ToLower(v.Type().Name()), k.name)
		}
		seen++
		if err := d.into(v.FieldByIndex(k.index), value); err != nil {
			return err
		}
	}
	if seen == len(tree) {
		return nil
	}
	var other []string
	for name := range tree {
		if !slices.ContainsFunc(keys, func(k key) bool { return k.name == name }) {
			other = append(other, name)
		}
	}
	slices.Sort(other)
	return d.fail("%s of a %s", strings.Join(other, ", "), strings.ToLower(v.Type().Name()))
}

// hasNode reports whether a value that is not looked into has an expression or a
// query after all.
func hasNode(tree any) bool {
	switch t := tree.(type) {
	case []any:
		return slices.ContainsFunc(t, hasNode)
	case map[string]any:
		_, class := t["class"]
		_, query := t["cte_map"]
		if class || query {
			return true
		}
		for _, e := range t {
			if hasNode(e) {
				return true
			}
		}
	}
	return false
}
