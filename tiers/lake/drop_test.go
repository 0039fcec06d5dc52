package lake_test

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lakeward/lakeward/internal/pgtest"
	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/lake"
	"github.com/lakeward/lakeward/tiers/tierstest"
)

// drops is how many connections TestDroppedAtCommit cuts.
func drops(t *testing.T) int {
	t.Helper()
	s := os.Getenv("DROPS")
	if s == "" {
		return 50
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 {
		t.Fatalf("DROPS is %q, and a number is needed", s)
	}
	return n
}

// ingester commits batches of three rows, and does with an unknown outcome
// what ingest does: it looks the commit up, and removes the file of one that
// did not take effect.
type ingester struct {
	*testing.T
	lake  *lake.Lake
	tab   tiers.Table
	proxy *pgtest.CutProxy
	mark  *tiers.Mark
	n     int

	unknown, took int
}

// batch commits the next three rows, the first attempt being cut.
func (g *ingester) batch(c pgtest.Cut) {
	g.Helper()
	to := &tiers.Mark{Stream: "S", Filter: ">", Created: time.Unix(0, 0).UTC(), Seq: 3}
	if g.mark != nil {
		to.Seq += g.mark.Seq
	}
	for ; ; c = pgtest.CutNever {
		if g.attempt(c, to) {
			g.mark = to
			return
		}
		if c == pgtest.CutNever {
			g.Fatal("a commit whose connection was not cut did not take effect")
		}
	}
}

func (g *ingester) attempt(c pgtest.Cut, to *tiers.Mark) bool {
	g.Helper()
	f, err := g.tab.WriteNew(g.Context(), tiers.DataFile{Rows: 3}, []byte("x"))
	if err != nil {
		g.Fatal(err)
	}
	g.n++
	id := fmt.Sprint("commit-", g.n)
	g.proxy.Arm(c)
	_, err = g.tab.Commit(g.Context(), tiers.Commit{ID: id, Add: []tiers.DataFile{f}, From: g.mark, To: to})
	if c == pgtest.CutNever {
		if err != nil {
			g.Fatal(err)
		}
		return true
	}
	if !errors.Is(err, tiers.ErrUnknown) {
		g.Fatalf("cut %s: the error is %v, want unknown", c, err)
	}
	g.unknown++
	took, err := g.tab.Committed(g.Context(), id)
	if err != nil {
		g.Fatalf("cut %s: %v", c, err)
	}
	if want := c != pgtest.CutBefore; c != pgtest.CutAmid && took != want {
		g.Fatalf("cut %s: took effect: %v, want %v", c, took, want)
	}
	if took {
		g.took++
		return true
	}
	if err := g.lake.RemoveFile(g.Context(), f.Path); err != nil {
		g.Fatal(err)
	}
	return false
}

// TestDroppedAtCommit drops the catalog's connection around COMMIT, DROPS
// times: whatever the server made of it, each row is there once, and so is its
// file.
func TestDroppedAtCommit(t *testing.T) {
	n := drops(t)
	direct := onPostgres(t, t.TempDir())
	proxy := pgtest.StartCutProxy(t, lake.Postgres.Addr())
	cutOff := direct
	cutOff.Catalog = proxy.Through(t, direct.Catalog)
	g := &ingester{T: t, lake: open(t, cutOff), proxy: proxy}
	var err error
	if g.tab, err = g.lake.Create(t.Context(), "events", tierstest.Schema(), tiers.Options{}); err != nil {
		t.Fatal(err)
	}
	cuts := pgtest.Cuts()
	for i := range n {
		g.batch(cuts[i%len(cuts)])
	}
	lost, repeated := count(t, open(t, direct), int64(3*n))
	fmt.Printf("figure: catalog_drops %d connections\nfigure: catalog_drops_unknown %d commits\nfigure: "+
		"catalog_drops_took_effect %d commits\n", n, g.unknown, g.took)
	fmt.Printf("figure: catalog_drops_lost %d rows\nfigure: catalog_drops_repeated %d rows\n", lost, repeated)
	if lost != 0 || repeated != 0 || g.unknown != n {
		t.Errorf("of %d dropped connections %d were unknown; %d rows are lost, %d repeated", n, g.unknown, lost, repeated)
	}
}

// count returns how many of the rows are not there, or not on disk, and how
// many are there again.
func count(t *testing.T, l *lake.Lake, want int64) (lost, repeated int64) {
	t.Helper()
	tab, err := l.Open(t.Context(), "events")
	if err != nil {
		t.Fatal(err)
	}
	files, err := tab.Files(t.Context(), 0, time.Time{}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	var rows, again int64
	seen := map[string]bool{}
	for _, f := range files {
		_, err := os.Stat(strings.TrimPrefix(f.Path, "file://"))
		switch {
		case seen[f.Path]:
			again += f.Rows
		case err == nil:
			rows += f.Rows
		default:
			t.Error(err)
		}
		seen[f.Path] = true
	}
	return max(0, want-rows), again + max(0, rows-want)
}
