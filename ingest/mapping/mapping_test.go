package mapping_test

import (
	"io/fs"
	"slices"
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

// TestMappingAllocatesNothing is of the mappings whose sources send most.
func TestMappingAllocatesNothing(t *testing.T) {
	for _, m := range shipped(t) {
		if !slices.Contains([]string{"windows", "zeek", "suricata", "linux-auth", "auditd"}, m.Name) {
			continue
		}
		name := m.Name + "_test.yaml"
		data, err := fs.ReadFile(mappings.Files(), name)
		if err != nil {
			t.Fatal(err)
		}
		cases, ps := mapping.ParseCases(name, data)
		if len(ps) > 0 {
			t.Fatal(ps)
		}
		x := m.NewMapper()
		for _, c := range cases {
			event := []byte(c.Event.Value)
			if n := testing.AllocsPerRun(10, func() { x.Map(event) }); n > 0 {
				t.Errorf("%s: %s: %v allocations", c.Event.Pos, c.Name.Value, n)
			}
		}
	}
}
