package compact

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/removal"
)

// listing reads lines of: day hour size-KiB rows [xN].
func listing(t *testing.T, text string) []tiers.DataFile {
	t.Helper()
	var out []tiers.DataFile
	for line := range strings.Lines(text) {
		var day, hour, size, rows, times int64
		if n, _ := fmt.Sscanf(strings.TrimSpace(line), "%d %d %d %d x%d", &day, &hour, &size, &rows, &times); n < 4 {
			t.Fatalf("%q", line)
		}
		for i := range max(times, 1) {
			at := day0.AddDate(0, 0, int(day)).Add(time.Duration(hour)*time.Hour + time.Duration(i)*time.Minute)
			out = append(out, tiers.DataFile{Path: fmt.Sprint(len(out)), Day: dayOf(at), TimeMin: at, TimeMax: at,
				Size: size << 10, Rows: rows})
		}
	}
	return out
}

func TestPlan(t *testing.T) {
	now := day0.AddDate(0, 0, 9)
	for _, c := range []struct{ name, files, want string }{
		{"nothing", "", ""},
		{"few of one size wait while the day is young", "8 1 500 1000 x7", ""},
		{"eight of one size are merged", "8 1 500 1000 x8", "2026-11-10: merge 8 files, 8000 rows, 4096000 bytes (8 files " +
			"of about one size)"},
		{"sizes are not mixed", "8 1 30 100 x7\n8 2 4000 9000 x7", ""},
		{"large files are left alone", "8 1 90000 900000 x20", ""},
		{"a settled day is merged for good", "1 1 500 1000 x2\n1 3 9000 90000", "2026-11-03: merge 3 files, 92000 rows, " +
			"10240000 bytes (the day is settled)"},
		{"one small file of a settled day stays", "1 1 500 1000\n1 3 90000 900000", ""},
		{"days are not mixed", "1 1 500 1000\n2 1 500 1000", ""},
		{"a merge ends at the target's rows", "1 1 5000 300000 x7",
			"2026-11-03: merge 3 files, 900000 rows, 15360000 bytes (the day is settled)\n2026-11-03: merge 3 files, 900000 " +
				"rows, 15360000 bytes (the day is settled)"},
		{"a merge has a bound on its files", "1 1 1 1 x300",
			"2026-11-03: merge 256 files, 256 rows, 262144 bytes (the day is settled)\n2026-11-03: merge 44 files, 44 rows, " +
				"45056 bytes (the day is settled)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			for _, j := range Plan(listing(t, c.files), DefaultPolicy(), now) {
				got = append(got, j.String())
			}
			if text := strings.Join(got, "\n"); text != c.want {
				t.Errorf("got\n%s\nwant\n%s", text, c.want)
			}
		})
	}
}

func TestFilesOfATableWithoutDaysStay(t *testing.T) {
	fs := listing(t, "8 1 500 1000 x20")
	for i := range fs {
		fs[i].Day = 0
	}
	if jobs := Plan(fs, DefaultPolicy(), day0.AddDate(0, 0, 9)); len(jobs) > 0 {
		t.Error(jobs)
	}
}

func TestExpired(t *testing.T) {
	now := day0.AddDate(0, 0, 1)
	snaps := func(n int) (out []tiers.Snapshot) {
		for i := range n { // one a minute, the newest now
			out = append(out, tiers.Snapshot{ID: int64(i + 1), Sequence: int64(i + 1),
				Time: now.Add(-time.Duration(n-1-i) * time.Minute)})
		}
		return out
	}
	for _, c := range []struct {
		name    string
		e       Expiry
		n       int
		removal int // 0: none
		forget  int
	}{
		{"few are kept whatever their age", Expiry{Least: 50, Most: 500, Age: time.Minute}, 40, 0, 0},
		{"the young are kept", Expiry{Least: 2, Most: 500, Age: time.Hour}, 100, 0, 40},
		{"their number is bounded", Expiry{Least: 2, Most: 30, Age: time.Hour}, 100, 0, 70},
		{"the newest always stays", Expiry{}, 3, 0, 2},
		{"no snapshot", DefaultExpiry(), 0, 0, 0},
		{"those before a removal go by age, however few", Expiry{Least: 50, Most: 500, Age: 10 * time.Minute}, 40, 20, 19},
		{"what a removal replaced is kept for a while", Expiry{Least: 50, Most: 500, Age: 30 * time.Minute}, 40, 20, 9},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := snaps(c.n)
			if c.removal > 0 {
				in[c.removal-1].Summary = map[string]string{removal.SummaryKey: removal.Erase}
			}
			ids := c.e.Expired(in, now)
			if len(ids) != c.forget || (len(ids) > 0 && (ids[0] != 1 || ids[len(ids)-1] != int64(c.forget))) {
				t.Errorf("forgets %v, want the first %d", ids, c.forget)
			}
		})
	}
}
