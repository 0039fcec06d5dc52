package lake_test

import (
	"strings"
	"testing"
	"time"

	"github.com/lakeward/lakeward/tiers/lake"
	"github.com/lakeward/lakeward/tiers/lease"
)

func TestLeases(t *testing.T) { leases(t, lake.Options{}) }

func TestLeasesOnPostgres(t *testing.T) { leases(t, onPostgres(t, t.TempDir())) }

// leases are seen by two processes' lakes, are taken once, and are handed over.
func leases(t *testing.T, o lake.Options) {
	if o.Warehouse == "" {
		o.Warehouse = t.TempDir()
		o.Catalog = o.Warehouse + "/catalog.db"
	}
	for _, name := range []string{"source EVENTS|events.>", strings.Repeat("long ", 100)} {
		var all []*lease.Lease
		for _, id := range []string{"a", "b"} {
			all = append(all, lease.New(lease.Options{Store: open(t, o), Name: name,
				Holder: lease.Holder{ID: id, Name: "host " + id}, Patience: time.Hour}))
		}
		a, b := all[0], all[1]
		try := func(who string, l *lease.Lease, mine bool, holder string) {
			t.Helper()
			if st, err := l.Try(t.Context()); err != nil || st.Mine != mine || st.Holder != holder {
				t.Errorf("%s: %+v, %v; want %t, %s", who, st, err, mine, holder)
			}
		}
		try("a takes it", a, true, "host a")
		try("b sees it", b, false, "host a")
		try("a renews it", a, true, "host a")
		if err := a.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		try("b takes it over", b, true, "host b")
		try("a sees it", a, false, "host b")
	}
}

// TestALeaseOfAReaderIsOnlyLookedAt: commands that write nothing may look.
func TestALeaseOfAReaderIsOnlyLookedAt(t *testing.T) {
	o := lake.Options{Warehouse: t.TempDir()}
	o.Catalog = o.Warehouse + "/catalog.db"
	open(t, o)
	o.ReadOnly = true
	l := lease.New(lease.Options{Store: open(t, o), Name: "x", Holder: lease.Holder{ID: "a"}, Patience: time.Second})
	if _, err := l.Look(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := l.Try(t.Context()); err == nil {
		t.Error("a reader took a lease")
	}
}
