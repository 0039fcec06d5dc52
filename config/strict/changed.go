package strict

import (
	"fmt"
	"reflect"
	"slices"

	"gopkg.in/yaml.v3"
)

// Changed are the keys whose values differ between two values of a type, by
// their paths and sorted: log.level, sources. A list is one value. A secret
// that changed in itself is not told from one that did not.
func Changed[T any](t Type[T], before, after T) ([]string, error) {
	x, err := flat(t, before)
	if err != nil {
		return nil, err
	}
	y, err := flat(t, after)
	if err != nil {
		return nil, err
	}
	var out []string
	for key, value := range x {
		if other, ok := y[key]; !ok || !reflect.DeepEqual(value, other) {
			out = append(out, key)
		}
	}
	for key := range y {
		if _, ok := x[key]; !ok {
			out = append(out, key)
		}
	}
	slices.Sort(out)
	return out, nil
}

// flat is a value by the paths of its keys.
func flat[T any](t Type[T], v T) (map[string]any, error) {
	text, err := Encode(t, v)
	if err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	var tree map[string]any
	if err := yaml.Unmarshal(text, &tree); err != nil {
		return nil, fmt.Errorf("decode: %w", err)
	}
	out := map[string]any{}
	flatten(out, "", tree)
	return out, nil
}

func flatten(out map[string]any, prefix string, tree map[string]any) {
	for key, value := range tree {
		if below, ok := value.(map[string]any); ok {
			flatten(out, prefix+key+".", below)
			continue
		}
		out[prefix+key] = value
	}
}
