package load

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/lakeward/lakeward/test/daemonproc"
)

const python = "../../../.cache/interop/bin/python"

// TestRealFilesAreThereOnce is `load realdata` over some of the project's real
// files, and one with broken lines.
func TestRealFilesAreThereOnce(t *testing.T) {
	if _, err := os.Stat(python); err != nil {
		if os.Getenv("LAKEWARD_REQUIRE_INTEROP") == "1" {
			t.Fatalf("%s: test/interop/setup.sh makes it", err)
		}
		t.Skipf("%s: test/interop/setup.sh makes it", err)
	}
	dir := t.TempDir()
	bin, err := daemonproc.Build(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	from := filepath.Join(dir, "files")
	for _, kind := range []string{"exchange", "zeek"} {
		if err := os.CopyFS(filepath.Join(from, kind), os.DirFS(filepath.Join("../../realdata/testdata", kind))); err != nil {
			t.Fatal(err)
		}
	}
	odd := "{\"time\":\"2026-11-01T02:30:05Z\"}\n{\"time\":\"2026-11-01T02:30:0\n{\"n\":1}\n{\"n\":1}\n"
	if err := os.Mkdir(filepath.Join(from, "odd"), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(from, "odd", "odd.ndjson"), []byte(odd), 0o600); err != nil {
		t.Fatal(err)
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	relative, err := filepath.Rel(here, from) // as people name it to make
	if err != nil {
		t.Fatal(err)
	}
	tables, err := publishAll(t.Context(), filepath.Join(dir, "run"), bin, relative, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range tables {
		rows, broken, without := len(table.want), 0, 0
		if table.name == "odd" {
			rows, broken = 3, 1
		}
		if table.name == "odd" || table.name == "odd_shuffled" {
			without = 2
		}
		if table.found.Rows != rows || table.broken != broken || table.withoutTime() != without {
			t.Errorf("%s: %d rows, %d in quarantine, %d without a time, want %d, %d, %d",
				table.name, table.found.Rows, table.broken, table.withoutTime(), rows, broken, without)
		}
	}
}

func TestLostAndRepeatedEventsAreTold(t *testing.T) {
	table := tableOfFiles{name: "t", want: wanted{"a": true, "b": true, "c": true, "d": true}}
	table.compare(lakeFound{
		Tables: map[string]tableFound{"t": {Rows: 5, IDs: []string{"a", "a", "b", "b#1", "x"}}},
		Quarantine: []quarantined{{Subject: "events.t", MessageID: "c", EventID: "c", Reason: "r"},
			{Subject: "events.u", MessageID: "d", EventID: "d"}},
	})
	if table.lost != 1 || table.again != 2 || table.broken != 1 {
		t.Errorf("%d lost, %d repeated, %d broken, want 1 (d), 2 (a, x), 1 (c)", table.lost, table.again, table.broken)
	}
}
