package ingest

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/lake"
)

// Message ids of a damaged file are forgotten; the events that follow are not.
func TestADamagedFileDoesNotStopTheSource(t *testing.T) {
	dir := t.TempDir()
	w := &world{t, nil, nil, newMemStream(), 10 * time.Millisecond}
	process := func() Options {
		l, err := lake.Open(t.Context(), lake.Options{Warehouse: dir, Catalog: filepath.Join(dir, "catalog.db")})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		w.lake = l
		return w.options(l)
	}
	publish := func(from, to int) {
		for i := from; i < to; i++ {
			w.stream.publish("events.a", fmt.Sprint("m", i), fmt.Sprintf(`{"n":%d}`, i))
		}
	}
	publish(0, 3)
	w.drain(process())
	publish(3, 5)
	w.drain(process())
	tab, err := w.lake.Open(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	files, err := tab.Files(t.Context(), 0, time.Time{}, time.Time{})
	if err != nil || len(files) != 2 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		if f.Rows != 3 {
			continue
		}
		u, err := url.Parse(f.Path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(u.Path, f.Size-1); err != nil {
			t.Fatal(err)
		}
	}
	publish(3, 8)
	if st := w.drain(process()); st.Events != 3 || st.Repeats != 2 {
		t.Errorf("%d events and %d repeats, want the 3 new ones and the 2 of the whole file", st.Events, st.Repeats)
	}
}

// What is read of the books is verified as everything else is: a byte that
// changed in an id would replay a message twice.
func TestBooksOfADamagedFileAreNotRead(t *testing.T) {
	dir := t.TempDir()
	open := func() *lake.Lake {
		l, err := lake.Open(t.Context(), lake.Options{Warehouse: dir, Catalog: filepath.Join(dir, "catalog.db")})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		return l
	}
	w := &world{t, open(), nil, newMemStream(), 10 * time.Millisecond}
	w.stream.publish("events.a", "m", "no event")
	w.drain(w.options(w.lake))
	tab, err := w.lake.Open(t.Context(), Quarantine)
	if err != nil {
		t.Fatal(err)
	}
	files, err := tab.Files(t.Context(), 0, time.Time{}, time.Time{})
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	u, err := url.Parse(files[0].Path)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(u.Path)
	if err != nil {
		t.Fatal(err)
	}
	b[10] ^= 1
	if err := os.WriteFile(u.Path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := (Books{Lake: open()}).Groups(t.Context(), RejectedFilter{}); !errors.Is(err, tiers.ErrDamaged) {
		t.Errorf("the groups of a damaged file: %v", err)
	}
}
