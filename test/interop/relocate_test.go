package interop

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/lakeward/lakeward/tiers/lake"
)

// TestARelocatedLakeIsRead: others read a lake in its new place, the snapshots of
// the past too, while the place where it was made is gone.
func TestARelocatedLakeIsRead(t *testing.T) {
	needPython(t)
	was, now := t.TempDir(), filepath.Join(t.TempDir(), "moved")
	catalog := func(dir string) (string, string) {
		file := filepath.Join(dir, "lake", "catalog.db")
		return file, "sqlite:///" + file
	}
	const sql = "SELECT count(*)::VARCHAR, sum(stream_seq)::VARCHAR, min(time)::VARCHAR, max(time)::VARCHAR FROM t"
	var rows int64
	var want []string
	var snapshots []int64
	t.Run("made", func(t *testing.T) {
		file, forPython := catalog(was)
		s := openSite(t, was, file, forPython)
		rows = s.writeEvents()
		tab, err := s.lake.Open(t.Context(), "signin")
		if err != nil {
			t.Fatal(err)
		}
		for _, snap := range tab.Snapshots() {
			snapshots = append(snapshots, snap.ID)
			want = append(want, show(s.ours(check{Table: "signin", SQL: sql, At: snap.ID})))
		}
	})
	if len(snapshots) < 2 {
		t.Fatalf("%d snapshots show nothing of the past", len(snapshots))
	}
	if err := os.Rename(was, now); err != nil {
		t.Fatal(err)
	}
	file, forPython := catalog(now)
	if _, err := lake.Relocate(t.Context(), lake.Options{Warehouse: filepath.Join(now, "lake"), Catalog: file},
		lake.RelocateOptions{}); err != nil {
		t.Fatal(err)
	}
	s := openSite(t, now, file, forPython)
	s.agree([]check{{Table: "signin", SQL: sql, rows: rows, Since: "2026-11-04T00:00:00+00:00", files: 2}})
	var checks []check
	for _, id := range snapshots {
		checks = append(checks, check{Table: "signin", SQL: sql, At: id})
	}
	for i, a := range s.others(checks) {
		t.Logf("snapshot %d: %s", snapshots[i], want[i])
		if show(a.PyIceberg) != want[i] || show(a.DuckDB) != want[i] {
			t.Errorf("snapshot %d: PyIceberg answers %s, DuckDB %s by %s, it was %s", snapshots[i], show(a.PyIceberg),
				show(a.DuckDB), a.How, want[i])
		}
	}
}
