package mapping_test

import (
	"io/fs"
	"testing"

	"github.com/lakeward/lakeward/ingest/mapping"
	mappings "github.com/lakeward/lakeward/mappings.d"
)

func shipped(t testing.TB) []*mapping.Mapping {
	t.Helper()
	all, err := mapping.Load(mappings.Files())
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestShippedMappingsPassTheirCases also checks that every row is valid, and
// that the raw event can be put together again.
func TestShippedMappingsPassTheirCases(t *testing.T) {
	for _, m := range shipped(t) {
		t.Run(m.Name, func(t *testing.T) {
			name := m.Name + "_test.yaml"
			data, err := fs.ReadFile(mappings.Files(), name)
			if err != nil {
				t.Fatal(err)
			}
			cases, ps := mapping.ParseCases(name, data)
			if len(ps) > 0 {
				t.Fatal(ps)
			}
			for _, c := range cases {
				for _, wrong := range m.Try(c) {
					t.Errorf("%s: %s: %s", c.Event.Pos, c.Name.Value, wrong)
				}
			}
		})
	}
}
