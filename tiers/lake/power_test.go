package lake_test

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/lake"
	"github.com/lakeward/lakeward/tiers/lake/laketest"
	"github.com/lakeward/lakeward/tiers/tierstest"
)

var errPower = errors.New("the power is gone")

// crashFS remembers what a disk is sure to hold: the bytes of files that were
// synced, under the names of directories that were synced. From its last
// operation on everything fails; then settle leaves the directory as a power
// loss might: of what was not synced, any part.
type crashFS struct {
	laketest.FS
	mu    sync.Mutex // iceberg-go works on several manifests at once
	left  int        // operations until the power is gone
	rand  *rand.Rand
	files map[string]*crashFile // by present name
	names map[string]bool       // durable names, of files and directories
}

type crashFile struct {
	synced int64 // bytes that are sure; -1: none
	size   int64
}

func newCrashFS(seed uint64, ops int) *crashFS {
	c := &crashFS{left: ops, rand: rand.New(rand.NewPCG(seed, 1)), files: map[string]*crashFile{},
		names: map[string]bool{}}
	c.Before, c.After = c.step, c.done
	return c
}

func (c *crashFS) step(op laketest.Op) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left--; c.left < 0 {
		return errPower
	}
	if op.Kind == laketest.Remove {
		delete(c.files, op.Name)
	}
	return nil
}

func (c *crashFS) done(op laketest.Op) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch op.Kind {
	case laketest.Create:
		c.files[op.Name] = &crashFile{synced: -1}
	case laketest.Write:
		c.files[op.Name].size += int64(op.Bytes)
	case laketest.Sync: // the real disk need not hold it
		c.files[op.Name].synced = c.files[op.Name].size
	case laketest.Rename:
		c.files[op.To] = c.files[op.Name]
		delete(c.files, op.Name)
	case laketest.SyncDir:
		entries, _ := os.ReadDir(op.Name) // it was there a moment ago
		for _, e := range entries {
			c.names[filepath.Join(op.Name, e.Name())] = true
		}
	}
}

// settle takes away what the disk need not have.
func (c *crashFS) settle(root string) error {
	var all []string
	err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		all = append(all, path)
		return err
	})
	for i := len(all) - 1; i > 0 && err == nil; i-- { // the deepest first
		path := all[i]
		f := c.files[path]
		switch {
		case strings.Contains(filepath.Base(path), "catalog.db"): // SQLite syncs its own
		case !c.names[path] && c.rand.IntN(2) == 0: // its name was not sure
			err = os.RemoveAll(path)
		case f == nil:
		case f.synced < 0:
			err = os.Truncate(path, c.rand.Int64N(f.size+1))
		case f.synced < f.size:
			err = os.Truncate(path, f.synced+c.rand.Int64N(f.size-f.synced+1))
		}
	}
	return err
}

// TestPowerLossKeepsWhatWasCommitted loses the power after a random number of
// operations on the file system, POINTS times.
func TestPowerLossKeepsWhatWasCommitted(t *testing.T) {
	points := 60
	if text := os.Getenv("POINTS"); text != "" {
		var err error
		if points, err = strconv.Atoi(text); err != nil {
			t.Fatalf("POINTS=%s is not a number", text)
		}
	}
	lost := 0
	for i := range points {
		lost += losePower(t, uint64(i))
	}
	fmt.Printf("figure: powerloss_points %d count\nfigure: powerloss_lost %d commits\n", points, lost)
}

// losePower runs one life of a lake and returns how many commits are not whole
// after it.
func losePower(t *testing.T, seed uint64) (lost int) {
	t.Helper()
	dir := t.TempDir()
	c := newCrashFS(seed, 1<<30)
	o := lake.Options{Warehouse: filepath.Join(dir, "lake"), Catalog: filepath.Join(dir, "catalog.db"), FS: c}
	c.left = 12 + c.rand.IntN(700)
	sums, acked, err := live(t, o, c)
	if err != nil && !errors.Is(err, errPower) {
		t.Fatalf("seed %d: %v", seed, err)
	}
	if err := c.settle(dir); err != nil {
		t.Fatal(err)
	}
	o.FS = nil
	l, err := lake.Open(t.Context(), o)
	if err != nil {
		t.Fatalf("seed %d: after the power loss: %v", seed, err)
	}
	defer l.Close()
	tab, err := l.Open(t.Context(), "events")
	if errors.Is(err, tiers.ErrNoTable) && len(acked) == 0 {
		return 0
	}
	if err != nil {
		t.Errorf("seed %d: %v", seed, err)
		return len(acked)
	}
	for _, id := range acked {
		if ok, err := tab.Committed(t.Context(), id); err != nil || !ok {
			t.Errorf("seed %d: commit %s is lost: %v", seed, id, err)
			lost++
		}
	}
	for _, s := range tab.Snapshots() {
		files, err := tab.Files(t.Context(), s.ID, time.Time{}, time.Time{})
		if err != nil {
			t.Errorf("seed %d: snapshot %d: %v", seed, s.ID, err)
			lost++
		}
		for _, f := range files {
			b, err := os.ReadFile(strings.TrimPrefix(f.Path, "file://"))
			if err != nil || int64(len(b)) != f.Size || crc32.ChecksumIEEE(b) != sums[f.Path] {
				t.Errorf("seed %d: snapshot %d names %s, which has %d of %d bytes: %v", seed, s.ID, f.Path, len(b), f.Size, err)
				lost++
			}
		}
	}
	return lost
}

// live commits, merges and expires until the power is gone. It returns the
// checksums of what it wrote, and the commits that it was told are done.
func live(t *testing.T, o lake.Options, c *crashFS) (sums map[string]uint32, acked []string, err error) {
	sums = map[string]uint32{}
	l, err := lake.Open(t.Context(), o)
	if err != nil {
		return sums, nil, err
	}
	defer l.Close()
	tab, err := l.Create(t.Context(), "events", tierstest.Schema(), tiers.Options{})
	if err != nil {
		return sums, nil, err
	}
	write := func() (tiers.DataFile, error) {
		data := make([]byte, 100+c.rand.IntN(5000))
		for i := range data {
			data[i] = byte(c.rand.Uint32())
		}
		f, err := tab.WriteNew(t.Context(), tiers.DataFile{Rows: 1, Day: 20_000, SplitOffsets: []int64{4}}, data)
		sums[f.Path] = crc32.ChecksumIEEE(data)
		return f, err
	}
	var mark *tiers.Mark
	for n := uint64(1); ; n++ {
		f, err := write()
		if err != nil {
			return sums, acked, err
		}
		to := tiers.Mark{Stream: "S", Filter: ">", Created: time.Unix(1, 0), Seq: n}
		com := tiers.Commit{ID: fmt.Sprint("c", n), Add: []tiers.DataFile{f}, From: mark, To: &to}
		if _, err := tab.Commit(t.Context(), com); err != nil {
			return sums, acked, err
		}
		mark, acked = &to, append(acked, com.ID)
		if n%5 == 0 {
			id, err := mergeAll(t, tab, write, n)
			if err != nil {
				return sums, acked, err
			}
			acked = append(acked, id)
		}
	}
}

// mergeAll puts one file in the place of all, and forgets what was.
func mergeAll(t *testing.T, tab tiers.Table, write func() (tiers.DataFile, error), n uint64) (string, error) {
	files, err := tab.Files(t.Context(), 0, time.Time{}, time.Time{})
	if err != nil {
		return "", err
	}
	f, err := write()
	if err != nil {
		return "", err
	}
	f.Rows = 0
	for _, x := range files {
		f.Rows += x.Rows
	}
	cur, _ := tab.Current()
	id := fmt.Sprint("m", n)
	if _, err := tab.Commit(t.Context(), tiers.Commit{ID: id, Add: []tiers.DataFile{f}, Remove: files, Base: cur.ID,
		SameRows: true}); err != nil {
		return "", err
	}
	var ids []int64
	for _, s := range tab.Snapshots() {
		ids = append(ids, s.ID)
	}
	_, err = tab.(*lake.Table).Expire(t.Context(), ids[:len(ids)-2])
	return id, err
}
