package lake

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"io/fs"
	"maps"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/lakeward/lakeward/tiers"
)

// readers bounds how many files are read at the same time to verify them, over
// all queries: more only wait for the same disk and cores.
const readers = 4

// maxRemembered bounds the verified files that are remembered: 20 MB.
const maxRemembered = 500_000

// readSize is how much of a file is read before cancellation is looked at.
const readSize = 1 << 20

// trust remembers which data files are what was committed. A file is read once
// in a process, as long as its size and time of change stay what they were; it
// is looked at (one stat) whenever it is about to be opened.
type trust struct {
	fs    FS
	slots chan struct{} // one for each file being read
	bufs  sync.Pool     // of *[readSize]byte
	seed  maphash.Seed

	mu       sync.Mutex
	good     map[uint64]stamp // by hash of the local path
	bad      map[string]badFile
	underway map[string]chan struct{} // closed when the file has been read
}

// stamp tells versions of a file apart without reading it.
type stamp struct{ size, modified int64 }

// badFile is a file that is not what was committed. A missing one has no stamp.
type badFile struct {
	stamp  stamp
	damage tiers.Damage
}

func newTrust(f FS) *trust {
	return &trust{fs: f, slots: make(chan struct{}, readers),
		bufs: sync.Pool{New: func() any { return new([readSize]byte) }},
		seed: maphash.MakeSeed(), good: map[uint64]stamp{}, bad: map[string]badFile{}, underway: map[string]chan struct{}{}}
}

// Check returns those of a table's files that are missing or differ from what
// was committed: in size, or in checksum, for which each file is read once in
// this process. An error says that a file could not be examined, not that it is
// damaged. Files that this process wrote are not read.
func (l *Lake) Check(ctx context.Context, table string, files []tiers.DataFile) ([]tiers.Damage, error) {
	return l.trust.all(ctx, table, files, true)
}

// Look is Check without reading: it finds what is missing or of another size,
// and what an earlier Check found.
func (l *Lake) Look(ctx context.Context, table string, files []tiers.DataFile) ([]tiers.Damage, error) {
	return l.trust.all(ctx, table, files, false)
}

func (t *trust) all(ctx context.Context, table string, files []tiers.DataFile, read bool) ([]tiers.Damage, error) {
	reasons, err := t.reasons(ctx, table, files, read)
	if err != nil {
		return nil, fmt.Errorf("verify files of lake.%s: %w", table, err)
	}
	var out []tiers.Damage
	for i, f := range files {
		if reasons[i] != "" {
			out = append(out, tiers.Damage{Table: table, Path: f.Path, Rows: f.Rows, Reason: reasons[i]})
		}
	}
	return out, nil
}

// reasons says of each file why it cannot be trusted; empty if it can.
func (t *trust) reasons(ctx context.Context, table string, files []tiers.DataFile, read bool) ([]string, error) {
	out := make([]string, len(files))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(readers)
	for i, f := range files {
		if gctx.Err() != nil {
			break
		}
		path, reason, done, err := t.look(table, f)
		out[i] = reason
		if err == nil && (done || !read) {
			continue
		}
		g.Go(func() error {
			if err == nil {
				out[i], err = t.verify(gctx, table, f, path)
			}
			return err
		})
	}
	return out, errors.Join(g.Wait(), ctx.Err())
}

// look says by one stat what is known of a file; it is done if nothing has to
// be read for it.
func (t *trust) look(table string, f tiers.DataFile) (path, reason string, done bool, err error) {
	if path, err = tiers.LocalPath(f.Path); err != nil {
		return "", "", false, err
	}
	now, reason, err := t.stat(path, f.Size)
	if err != nil {
		return path, "", false, fmt.Errorf("look at data file: %w", err)
	}
	if reason != "" {
		t.note(path, now, reason, table, f)
		return path, reason, true, nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if b, ok := t.bad[path]; ok && b.stamp == now {
		return path, b.damage.Reason, true, nil
	}
	if _, summed := tiers.PathChecksum(path); !summed { // of another writer: its size is all that is known
		delete(t.bad, path)
		return path, "", true, nil
	}
	return path, "", t.good[t.hash(path)] == now, nil
}

func (t *trust) stat(path string, size int64) (now stamp, reason string, err error) {
	st, err := t.fs.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return stamp{}, isMissing, nil
	case errors.Is(err, syscall.EIO):
		return stamp{}, unreadable(err), nil
	case err != nil:
		return stamp{}, "", err
	}
	now = stamp{st.Size(), st.ModTime().UnixNano()}
	if size >= 0 && now.size != size {
		reason = fmt.Sprintf("has %d bytes where %d were committed", now.size, size)
	}
	return now, reason, nil
}

// verify reads a file, unless another goroutine is at it or just was.
func (t *trust) verify(ctx context.Context, table string, f tiers.DataFile, path string) (string, error) {
	for {
		ready, mine := t.begin(path)
		if mine {
			defer t.end(path, ready)
		} else {
			select {
			case <-ready:
			case <-ctx.Done():
				return "", ctx.Err()
			}
		}
		if _, reason, done, err := t.look(table, f); done || err != nil {
			return reason, err
		}
		if mine {
			return t.examine(ctx, table, f, path)
		}
	}
}

func (t *trust) end(path string, ready chan struct{}) {
	t.mu.Lock()
	delete(t.underway, path)
	t.mu.Unlock()
	close(ready)
}

func (t *trust) begin(path string) (ready chan struct{}, mine bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if ready, ok := t.underway[path]; ok {
		return ready, false
	}
	ready = make(chan struct{})
	t.underway[path] = ready
	return ready, true
}

func (t *trust) examine(ctx context.Context, table string, f tiers.DataFile, path string) (string, error) {
	now, reason, err := t.stat(path, f.Size) // before reading: what changes meanwhile is read again
	if err != nil {
		return "", fmt.Errorf("look at data file: %w", err)
	}
	if reason == "" {
		var lasting bool
		if reason, lasting, err = t.compare(ctx, path); err != nil {
			return "", err
		}
		if !lasting {
			now = stamp{}
		}
	}
	t.note(path, now, reason, table, f)
	return reason, nil
}

// compare reads the file and says how it differs from its checksum, and
// whether that lasts: a fault of the disk may pass.
func (t *trust) compare(ctx context.Context, path string) (reason string, lasting bool, err error) {
	want, ok := tiers.PathChecksum(path)
	if !ok {
		return "", true, nil
	}
	select {
	case t.slots <- struct{}{}:
		defer func() { <-t.slots }()
	case <-ctx.Done():
		return "", false, ctx.Err()
	}
	got, err := t.sum(ctx, path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return isMissing, false, nil
	case errors.Is(err, syscall.EIO):
		return unreadable(err), false, nil
	case err != nil:
		return "", false, fmt.Errorf("read data file %s: %w", path, err)
	case got != want:
		return wrongChecksum(got, want), true, nil
	}
	return "", true, nil
}

const isMissing = "is missing"

func unreadable(err error) string { return "cannot be read: " + err.Error() }

func wrongChecksum(got, want uint32) string {
	return fmt.Sprintf("has checksum %08x where %08x was committed", got, want)
}

func (t *trust) sum(ctx context.Context, path string) (_ uint32, err error) {
	f, err := t.fs.Open(path)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	buf := t.bufs.Get().(*[readSize]byte)
	defer t.bufs.Put(buf)
	var sum uint32
	for {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		n, err := f.Read(buf[:])
		sum = tiers.AddCRC32C(sum, buf[:n])
		if errors.Is(err, io.EOF) {
			return sum, nil
		}
		if err != nil {
			return 0, err
		}
	}
}

// note remembers what a file turned out to be.
func (t *trust) note(path string, now stamp, reason, table string, f tiers.DataFile) {
	t.mu.Lock()
	defer t.mu.Unlock()
	key := t.hash(path)
	if reason == "" {
		delete(t.bad, path)
		if len(t.good) >= maxRemembered {
			for some := range t.good { // it is read again if it is still there
				delete(t.good, some)
				break
			}
		}
		t.good[key] = now
		return
	}
	delete(t.good, key)
	if table != "" {
		t.bad[path] = badFile{now, tiers.Damage{Table: table, Path: f.Path, Rows: f.Rows, Reason: reason}}
	}
}

// wrote counts a file that this process has just written as verified.
func (t *trust) wrote(loc string, size int64) {
	path, err := tiers.LocalPath(loc)
	if _, summed := tiers.PathChecksum(path); err != nil || !summed {
		return
	}
	if now, reason, err := t.stat(path, size); err == nil && reason == "" { // otherwise it is read when it is opened
		t.note(path, now, "", "", tiers.DataFile{})
	}
}

func (t *trust) hash(path string) uint64 { return maphash.String(t.seed, path) }

// OpenFile opens a data file once its bytes agree with the checksum in its
// name; the error wraps tiers.ErrDamaged if they do not. The caller closes it.
func (l *Lake) OpenFile(ctx context.Context, loc string) (tiers.FileReader, error) {
	reasons, err := l.trust.reasons(ctx, "", []tiers.DataFile{{Path: loc, Size: -1}}, true)
	if err != nil {
		return nil, fmt.Errorf("verify %s: %w", loc, err)
	}
	if reasons[0] != "" {
		return nil, fmt.Errorf("%w: file %s %s", tiers.ErrDamaged, loc, reasons[0])
	}
	path, err := tiers.LocalPath(loc)
	if err != nil {
		return nil, err
	}
	f, err := l.files.fs.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open data file: %w", err)
	}
	st, err := f.Stat()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open data file: %w", err), f.Close())
	}
	return &dataReader{f, st.Size()}, nil
}

// dataReader is a verified data file, open for reading.
type dataReader struct {
	Reader
	size int64
}

// Size is the length in bytes.
func (r *dataReader) Size() int64 { return r.size }

// Damaged returns the files of current snapshots that are known to be damaged,
// and checks each of them once more: files that were restored are no longer
// damaged, and files that the tables no longer hold are forgotten. Along with an
// error it returns the files of the tables that could be checked.
func (l *Lake) Damaged(ctx context.Context) ([]tiers.Damage, error) {
	var out []tiers.Damage
	var errs []error
	suspects := l.trust.suspects()
	for _, table := range slices.Sorted(maps.Keys(suspects)) {
		live, err := l.liveAmong(ctx, table, suspects[table])
		if err == nil {
			var found []tiers.Damage
			found, err = l.Check(ctx, table, live)
			out = append(out, found...)
		}
		errs = append(errs, err)
	}
	return out, errors.Join(errs...)
}

// suspects are the local paths of the bad files by table.
func (t *trust) suspects() map[string]map[string]bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := map[string]map[string]bool{}
	for path, b := range t.bad {
		if out[b.damage.Table] == nil {
			out[b.damage.Table] = map[string]bool{}
		}
		out[b.damage.Table][path] = true
	}
	return out
}

// liveAmong lists those files that the table's current snapshot holds, and
// forgets the others.
func (l *Lake) liveAmong(ctx context.Context, table string, paths map[string]bool) ([]tiers.DataFile, error) {
	t, err := l.open(ctx, table)
	if err != nil && !errors.Is(err, tiers.ErrNoTable) {
		return nil, err
	}
	var live []tiers.DataFile
	if err == nil {
		files, err := t.Files(ctx, 0, time.Time{}, time.Time{})
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			if path, err := tiers.LocalPath(f.Path); err == nil && paths[path] {
				live = append(live, f)
				delete(paths, path)
			}
		}
	}
	l.trust.mu.Lock()
	defer l.trust.mu.Unlock()
	for path := range paths {
		delete(l.trust.bad, path)
	}
	return live, nil
}
