package config

import (
	"fmt"
	"maps"
	"reflect"
	"slices"

	"gopkg.in/yaml.v3"

	"github.com/lakeward/lakeward/config/strict"
)

// Changed are the keys whose values differ between two configurations, sorted:
// log.level, sources. A list is one value. A secret that changed in itself is
// not told from one that did not.
func Changed(before, after Config) ([]string, error) {
	x, err := flat(before)
	if err != nil {
		return nil, err
	}
	y, err := flat(after)
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

// flat is a configuration by the paths of its keys.
func flat(c Config) (map[string]any, error) {
	text, err := strict.Encode(Type(), c)
	if err != nil {
		return nil, fmt.Errorf("write the configuration: %w", err)
	}
	var tree map[string]any
	if err := yaml.Unmarshal(text, &tree); err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	out := map[string]any{}
	flatten(out, "", tree)
	return out, nil
}

func flatten(out map[string]any, prefix string, tree map[string]any) {
	for key, value := range maps.All(tree) {
		if below, ok := value.(map[string]any); ok {
			flatten(out, prefix+key+".", below)
			continue
		}
		out[prefix+key] = value
	}
}
