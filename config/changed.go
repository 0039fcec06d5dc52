package config

import (
	"fmt"

	"github.com/lakeward/lakeward/config/strict"
)

// Changed are the keys whose values differ between two configurations.
func Changed(before, after Config) ([]string, error) {
	keys, err := strict.Changed(Type(), before, after)
	if err != nil {
		return nil, fmt.Errorf("compare configurations: %w", err)
	}
	return keys, nil
}
