package backup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lakeward/lakeward/ingest/jetstream"
	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/lake"
	"github.com/lakeward/lakeward/tiers/tierstest"
)

// site is a data directory with a lake.
type site struct {
	*testing.T
	dir string
	o   lake.Options
	l   *lake.Lake
}

func options(dir string) lake.Options {
	return lake.Options{Warehouse: filepath.Join(dir, "lake"), Catalog: filepath.Join(dir, "lake", "catalog.db")}
}

func newSite(t *testing.T) *site { return newSiteIn(t, "") }

// newSiteIn has its catalog in a PostgreSQL, or in a file of its own.
func newSiteIn(t *testing.T, catalog string) *site {
	t.Helper()
	s := &site{T: t, dir: filepath.Join(t.TempDir(), "data")}
	if s.o = options(s.dir); catalog != "" {
		s.o.Catalog = catalog
	}
	var err error
	if s.l, err = lake.Open(t.Context(), s.o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.l.Close() })
	s.write("state.duckdb", "what pipelines have learnt")
	return s
}

func (s *site) write(name, text string) {
	s.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
		s.Fatal(err)
	}
}

// add commits a file of three rows up to a sequence of the stream.
func (s *site) add(created time.Time, seq uint64) {
	s.Helper()
	tab, err := s.l.Open(s.Context(), "events")
	if errors.Is(err, tiers.ErrNoTable) {
		tab, err = s.l.Create(s.Context(), "events", tierstest.Schema(), tiers.Options{})
	}
	if err != nil {
		s.Fatal(err)
	}
	to := tiers.Mark{Stream: "EVENTS", Filter: "events.>", Created: created, Seq: seq}
	var from *tiers.Mark
	if have, ok := tab.Marks()[to.Key()]; ok {
		from = &have
	}
	f, err := tab.WriteNew(s.Context(), tiers.DataFile{Rows: 3}, make([]byte, 100))
	if err != nil {
		s.Fatal(err)
	}
	if _, err := tab.Commit(s.Context(), tiers.Commit{ID: fmt.Sprint("c-", seq), Add: []tiers.DataFile{f}, From: from,
		To: &to}); err != nil {
		s.Fatal(err)
	}
}

func (s *site) source() Source {
	return Source{Lake: s.l, Version: "test", Logger: slog.New(slog.DiscardHandler), Files: s.files(s.dir),
		Quiet: func(_ context.Context, f func() error) error { return f() }}
}

func (s *site) files(dir string) map[string]string {
	return map[string]string{"state.duckdb": filepath.Join(dir, "state.duckdb"), "none": filepath.Join(dir, "none")}
}

func (s *site) target() Target {
	dir := filepath.Join(s.TempDir(), "data")
	return Target{Lake: options(dir), DataDir: dir, Files: s.files(dir)}
}

func (s *site) backup(dir string) Report {
	s.Helper()
	r, err := Make(s.Context(), s.source(), dir)
	if err != nil {
		s.Fatal(err)
	}
	return r
}

// rows are those of a restored lake.
func rows(t *testing.T, o lake.Options) int {
	t.Helper()
	l, err := lake.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	tab, err := l.Open(t.Context(), "events")
	if err != nil {
		t.Fatal(err)
	}
	files, err := tab.Files(t.Context(), 0, time.Time{}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	return 3 * len(files)
}

var born = time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)

func TestABackupIsRestoredElsewhereAndInItsPlace(t *testing.T) {
	s := newSite(t)
	s.add(born, 3)
	s.add(born, 6)
	dir := filepath.Join(t.TempDir(), "backup")
	if r := s.backup(dir); r.Tables != 1 || r.Copied != r.Files {
		t.Errorf("%+v", r)
	}
	s.add(born, 9)
	s.write("state.duckdb", "more")
	to := s.target()
	r, err := Restore(t.Context(), dir, to)
	if err != nil {
		t.Fatal(err)
	}
	if r.Relocation == nil || !r.Relocation.Copy {
		t.Errorf("the original is still there: %+v", r)
	}
	if n := rows(t, to.Lake); n != 6 {
		t.Errorf("%d rows", n)
	}
	if b, err := os.ReadFile(to.Files["state.duckdb"]); err != nil || string(b) != "what pipelines have learnt" {
		t.Errorf("%s, %v", b, err)
	}
	if _, err := Restore(t.Context(), dir, to); err == nil || !strings.Contains(err.Error(), "is there already") {
		t.Errorf("over a lake: %v", err)
	}
	id := s.l.Record().ID
	if err := errors.Join(s.l.Close(), os.RemoveAll(s.dir)); err != nil {
		t.Fatal(err)
	}
	back := Target{Lake: options(s.dir), DataDir: s.dir, Files: s.files(s.dir)}
	if r, err = Restore(t.Context(), dir, back); err != nil || r.Relocation != nil {
		t.Fatalf("%+v, %v", r, err)
	}
	if s.l, err = lake.Open(t.Context(), back.Lake); err != nil || s.l.Record().ID != id {
		t.Fatalf("%+v, %v", s.l.Record(), err)
	}
	s.add(born, 9)
}

func TestTheNextBackupCopiesWhatIsNew(t *testing.T) {
	s := newSite(t)
	s.add(born, 3)
	dir := t.TempDir()
	first := s.backup(dir)
	s.add(born, 6)
	if r := s.backup(dir); r.Copied < 3 || r.Copied >= r.Files || r.Files <= first.Files {
		t.Errorf("%+v after %+v", r, first)
	}
	if r := s.backup(dir); r.Copied != 0 {
		t.Errorf("nothing is new: %+v", r)
	}
	if err := s.l.Drop(t.Context(), "events"); err != nil {
		t.Fatal(err)
	}
	if r := s.backup(dir); r.Files != 0 || r.Removed == 0 {
		t.Errorf("%+v", r)
	}
}

func TestABackupThatFailsLeavesTheOneBefore(t *testing.T) {
	s := newSite(t)
	s.add(born, 3)
	dir := t.TempDir()
	s.backup(dir)
	s.add(born, 6)
	gone := ""
	if err := filepath.WalkDir(s.dir, func(path string, d fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".parquet") {
			if _, ferr := os.Stat(filepath.Join(dir, path[len(s.dir):])); ferr != nil {
				gone = path
			}
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(gone); err != nil {
		t.Fatal(err)
	}
	if _, err := Make(t.Context(), s.source(), dir); err == nil || !strings.Contains(err.Error(), filepath.Base(gone)) {
		t.Fatalf("without %s: %v", gone, err)
	}
	to := s.target()
	if _, err := Restore(t.Context(), dir, to); err != nil {
		t.Fatal(err)
	}
	if n := rows(t, to.Lake); n != 3 {
		t.Errorf("%d rows", n)
	}
}

func TestADirectoryOfOtherThingsIsRefused(t *testing.T) {
	s := newSite(t)
	other := t.TempDir()
	if err := os.WriteFile(filepath.Join(other, "photo.jpg"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	of := t.TempDir()
	newSite(t).backup(of)
	for dir, want := range map[string]string{other: "other files", of: "another lake",
		filepath.Join(s.dir, "lake", "b"): "own directory"} {
		if _, err := Make(t.Context(), s.source(), dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", dir, err)
		}
	}
	if _, err := Restore(t.Context(), other, s.target()); err == nil ||
		!strings.Contains(err.Error(), "no backup that was finished") {
		t.Errorf("of no backup: %v", err)
	}
}

func TestADamagedBackupIsRefused(t *testing.T) {
	s := newSite(t)
	s.add(born, 3)
	dir := t.TempDir()
	s.backup(dir)
	idx, err := readIndex(dir)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, idx.State, "state.duckdb")
	if err := os.WriteFile(path, []byte("What pipelines have learnt"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Restore(t.Context(), dir, s.target()); err == nil || !strings.Contains(err.Error(), path) {
		t.Error(err)
	}
}

// TestARestoreIsCarriedOn ends it by its context at the first file, then at the
// second, and so on.
func TestARestoreIsCarriedOn(t *testing.T) {
	s := newSite(t)
	s.add(born, 3)
	s.add(born, 6)
	dir := t.TempDir()
	s.backup(dir)
	for cut := 0; ; cut++ {
		to, reached := s.target(), false
		ctx, cancel := context.WithCancel(t.Context())
		to.Progress = func(_ string, done, _ int) {
			if done == cut {
				reached = true
				cancel()
			}
		}
		_, err := Restore(ctx, dir, to)
		cancel()
		if !reached {
			if err != nil {
				t.Fatal(err)
			}
			return
		}
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		to.Progress = nil
		if _, err := Restore(t.Context(), dir, to); err != nil {
			t.Fatalf("after a cut at %d: %v", cut, err)
		}
		if n := rows(t, to.Lake); n != 6 {
			t.Fatalf("after a cut at %d: %d rows", cut, n)
		}
	}
}

// TestStreamsFollowTheMarks: what was pruned or published while a backup was made
// is neither missing in the copies nor there twice.
func TestStreamsFollowTheMarks(t *testing.T) {
	s := newSite(t)
	server, err := jetstream.StartServer(t.Context(),
		jetstream.ServerOptions{Host: "127.0.0.1", Port: -1, StoreDir: filepath.Join(s.dir, "nats")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	conn, err := jetstream.Connect(t.Context(), server.Own(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	stream, err := conn.Stream(t.Context(), "events.>",
		jetstream.StreamOptions{Name: "EVENTS", Subjects: []string{"events.>"}, Create: true, Prune: true})
	if err != nil {
		t.Fatal(err)
	}
	publish := func(n int) {
		for range n {
			if err := conn.Publish(t.Context(), "events.a", "", []byte("{}")); err != nil {
				t.Fatal(err)
			}
		}
	}
	publish(6)
	info, err := stream.Info(t.Context(), "events.>")
	if err != nil {
		t.Fatal(err)
	}
	s.add(info.Created, 3)
	src := s.source()
	src.Streams, src.Names = conn, []string{"EVENTS"}
	src.Progress = func(string, int, int) { // the lake is pinned by now
		publish(2)
		if err := stream.Release(t.Context(), "events.>", info.Created, 6); err != nil {
			t.Error(err)
		}
	}
	dir := t.TempDir()
	if _, err := Make(t.Context(), src, dir); err != nil {
		t.Fatal(err)
	}
	idx, err := readIndex(dir)
	if err != nil || len(idx.Streams) != 1 {
		t.Fatalf("%+v, %v", idx.Streams, err)
	}
	if first, last, err := idx.Streams[0].Range(); err != nil || first > 4 || last != 8 {
		t.Errorf("the copy has the messages %d to %d, %v", first, last, err)
	}
	if err := stream.Release(t.Context(), "events.>", info.Created, 6); err != nil {
		t.Fatal(err)
	}
	if now, err := stream.Info(t.Context(), "events.>"); err != nil || now.First != 7 {
		t.Errorf("after the backup, nothing is pruned: %+v, %v", now, err)
	}
	other, err := jetstream.StartServer(t.Context(),
		jetstream.ServerOptions{Host: "127.0.0.1", Port: -1, StoreDir: filepath.Join(t.TempDir(), "nats")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	to := s.target()
	to.Streams = func(_ context.Context, f func(Restorer) error) error { return f(other) }
	if r, err := Restore(t.Context(), dir, to); err != nil || r.Streams != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
}
