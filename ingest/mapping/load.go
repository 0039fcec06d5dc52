package mapping

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/lakeward/lakeward/config/strict"
)

// Load reads the mappings of a folder, by name. Files whose names end with
// _test.yaml are their cases, and are left out.
func Load(folder fs.FS) ([]*Mapping, error) {
	names, err := fs.Glob(folder, "*.yaml")
	if err != nil {
		return nil, fmt.Errorf("list mappings: %w", err)
	}
	var out []*Mapping
	var all strict.Problems
	for _, name := range names {
		if strings.HasSuffix(name, "_test.yaml") {
			continue
		}
		data, err := fs.ReadFile(folder, name)
		if err != nil {
			return nil, fmt.Errorf("read mapping %s: %w", name, err)
		}
		m, ps := Parse(name, data)
		if all = append(all, ps...); m != nil {
			out = append(out, m)
		}
	}
	if len(all) > 0 {
		return nil, all
	}
	return out, nil
}

// Try runs a case, and lists what is otherwise than it says, or not as every
// row has to be.
func (m *Mapping) Try(c Case) (wrong []string) {
	table, row, ok := m.NewMapper().Map([]byte(c.Event.Value))
	if !ok {
		table = ""
	}
	if table != c.Table.Value {
		return []string{fmt.Sprintf("the event is of table %q, not %q", table, c.Table.Value)}
	}
	if !ok {
		return nil
	}
	var values map[string]any
	if err := decode(row, &values); err != nil {
		return []string{fmt.Sprintf("the row %s is not JSON: %v", row, err)}
	}
	for _, e := range c.Expect {
		if problem := e.compare(values); problem != "" {
			wrong = append(wrong, problem)
		}
	}
	return append(wrong, m.Verify([]byte(c.Event.Value), row)...)
}

func (e Expect) compare(row map[string]any) string {
	path, err := parsePath(e.Attribute.Value)
	if err != nil {
		return err.Error()
	}
	var want any
	if err := decode([]byte(e.Value), &want); err != nil {
		return err.Error()
	}
	got, _ := lookUp(row, path)
	if reflect.DeepEqual(got, want) || fmt.Sprint(got) == fmt.Sprint(want) {
		return ""
	}
	text, err := json.Marshal(got)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%s is %s, not %s", e.Attribute.Value, text, e.Value)
}

// Verify lists what is wrong with the row of an event: what OCSF forbids, and
// what of the event would be lost.
func (m *Mapping) Verify(event, row []byte) (wrong []string) {
	schema, err := OCSF()
	if err != nil {
		return []string{err.Error()}
	}
	var values map[string]any
	if err := decode(row, &values); err != nil {
		return []string{fmt.Sprintf("the row %s is not JSON: %v", row, err)}
	}
	r, _, err := m.mapped(values)
	if err != nil {
		return []string{err.Error()}
	}
	wrong = schema.Check(r.class, values)
	again, err := m.Undo(row)
	if err != nil {
		return append(wrong, err.Error())
	}
	var before, after any
	if err := decode(event, &before); err != nil {
		return append(wrong, fmt.Sprintf("decode the event: %v", err))
	}
	if err := decode(again, &after); err != nil {
		return append(wrong, fmt.Sprintf("decode what was put together again: %v", err))
	}
	if lost := difference("", unfold(before), unfold(after)); lost != "" {
		wrong = append(wrong, "put together again, the event has another value at "+lost)
	}
	return wrong
}

// unfold puts the members of keys with dots where the dots say.
func unfold(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for _, key := range slices.Sorted(maps.Keys(v)) {
			merge(out, strings.Split(key, "."), unfold(v[key]))
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = unfold(v[i])
		}
		return out
	}
	return v
}

func merge(into map[string]any, keys []string, v any) {
	if len(keys) > 1 {
		next, ok := into[keys[0]].(map[string]any)
		if !ok {
			next = map[string]any{}
			into[keys[0]] = next
		}
		merge(next, keys[1:], v)
		return
	}
	old, isOld := into[keys[0]].(map[string]any)
	if o, ok := v.(map[string]any); ok && isOld {
		for k, x := range o {
			old[k] = x
		}
		return
	}
	into[keys[0]] = v
}

// difference is the first path at which two values differ, empty if they do
// not.
func difference(path string, a, b any) string {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok {
			return path + ", which was an object"
		}
		for k := range a {
			if d := difference(path+"."+k, a[k], b[k]); d != "" {
				return d
			}
		}
		for k := range b {
			if _, ok := a[k]; !ok {
				return path + "." + k + ", which was not there"
			}
		}
		return ""
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return path + ", which was a list of another length"
		}
		for i := range a {
			if d := difference(fmt.Sprintf("%s[%d]", path, i), a[i], b[i]); d != "" {
				return d
			}
		}
		return ""
	}
	if !reflect.DeepEqual(a, b) {
		return fmt.Sprintf("%s: %v, not %v", strings.TrimPrefix(path, "."), b, a)
	}
	return ""
}
