// Package examples holds configurations for common sources, and the test that
// they are good.
package examples

import (
	"path/filepath"
	"testing"

	"github.com/lakeward/lakeward/config"
)

func TestEveryExampleLoads(t *testing.T) {
	files, err := filepath.Glob("*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	streams := map[string]string{}
	for _, file := range files {
		c, err := config.Load(file, nil)
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		for _, s := range c.Sources {
			if s.Time.Path == "" || s.Time.Format == "" || s.Table == "" {
				t.Errorf("%s: source %s leaves its time or table to be guessed", file, s.Name)
			}
			if other := streams[s.Stream]; other != "" {
				t.Errorf("%s and %s use the stream %s: they could not be put together", other, file, s.Stream)
			}
			streams[s.Stream] = file
		}
	}
}
