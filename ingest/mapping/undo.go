package mapping

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Undo puts the raw event together again that a row was made of: what has
// moved into attributes goes back to its path, all else is in unmapped. The
// event has the same values at the same paths; the order of its keys, repeated
// keys and white space are not kept.
func (m *Mapping) Undo(row []byte) ([]byte, error) {
	var attributes map[string]any
	if err := decode(row, &attributes); err != nil {
		return nil, fmt.Errorf("decode the row: %w", err)
	}
	r, moved, err := m.mapped(attributes)
	if err != nil {
		return nil, err
	}
	event, _ := attributes["unmapped"].(map[string]any)
	if text, ok := attributes["unmapped"].(string); ok { // the column, which is text
		if err := decode([]byte(text), &event); err != nil {
			return nil, fmt.Errorf("decode unmapped: %w", err)
		}
	}
	if event == nil {
		event = map[string]any{}
	}
	for i, mark := range []byte(moved) {
		n := strings.IndexByte(marks, mark)
		if mark == marks[len(marks)-1] || n < 0 {
			continue
		}
		f := r.moves[i]
		v, ok := lookUp(attributes, f.path)
		from := f.candidates()
		if !ok || n >= len(from) {
			return nil, fmt.Errorf("the row lacks %s, which rule %q has moved: it was mapped by another form of the "+
				"mapping %s", pathText(f.path), r.name, m.Name)
		}
		put(event, m.slots[from[n]], v)
	}
	return json.Marshal(event)
}

// mapped is the rule that made a row, and what the row says of its moves.
func (m *Mapping) mapped(row map[string]any) (r *rule, moved string, err error) {
	by, _ := row[MappedBy].(string)
	head, moved, ok := strings.Cut(by, "#")
	name, own := strings.CutPrefix(head, m.Name+"/")
	i := slices.IndexFunc(m.rules, func(r *rule) bool { return r.name == name })
	if !ok || !own || i < 0 {
		return nil, "", fmt.Errorf("the row was mapped by %q, which is no rule of the mapping %s", by, m.Name)
	}
	if r = m.rules[i]; len(moved) > len(r.moves) {
		return nil, "", fmt.Errorf("the row was mapped by another form of rule %q", r.name)
	}
	return r, moved, nil
}

func decode(text []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	return d.Decode(into)
}

// lookUp is the value at a path of a row.
func lookUp(row any, path []part) (any, bool) {
	for _, p := range path {
		object, ok := row.(map[string]any)
		if !ok {
			return nil, false
		}
		row = object[p.key]
		if p.listed {
			list, ok := row.([]any)
			if !ok || p.index >= len(list) {
				return nil, false
			}
			row = list[max(p.index, 0)]
		}
	}
	return row, row != nil
}

// put sets the value at a path of an event, and makes what leads there.
func put(object map[string]any, path []part, v any) {
	for i, p := range path {
		last := i == len(path)-1
		if !p.listed {
			if last {
				object[p.key] = v
				return
			}
			object = objectIn(object[p.key], func(made map[string]any) { object[p.key] = made })
			continue
		}
		list, _ := object[p.key].([]any)
		at := p.index
		if at < 0 {
			at = slices.IndexFunc(list, func(e any) bool {
				o, ok := e.(map[string]any)
				return ok && fmt.Sprint(o[p.name]) == p.value
			})
			at = max(at, 0)
		}
		for len(list) <= at {
			list = append(list, nil)
		}
		object[p.key] = list
		if last {
			list[at] = v
			return
		}
		object = objectIn(list[at], func(made map[string]any) { list[at] = made })
	}
}

func objectIn(v any, set func(map[string]any)) map[string]any {
	if o, ok := v.(map[string]any); ok {
		return o
	}
	made := map[string]any{}
	set(made)
	return made
}
