package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/lakeward/lakeward/ingest/jetstream"
	"github.com/lakeward/lakeward/internal/home"
	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/lake"
)

// Target is where a backup is put back. Nobody else may use it meanwhile.
type Target struct {
	Lake    lake.Options
	DataDir string
	Files   map[string]string // paths of what Source.Files has, by the same keys
	// Streams calls f with a server that takes streams back; nil: NATS is
	// elsewhere, and what the backup has of streams is left out.
	Streams func(ctx context.Context, f func(Restorer) error) error
	// Copy gives the lake an id of its own although the original is not found.
	Copy bool
	// Progress, if set, is told what is copied.
	Progress func(what string, done, all int)
}

// Restorer makes streams of copies.
type Restorer interface {
	Restore(ctx context.Context, s jetstream.StreamCopy, r io.Reader) error
}

// Restored is what a restore has put back.
type Restored struct {
	Made       time.Time        `json:"made"` // when the backup was
	Version    string           `json:"version"`
	Tables     int              `json:"tables"`
	Files      int              `json:"files"`
	Bytes      int64            `json:"bytes"`
	Streams    int              `json:"streams"`
	Left       []string         `json:"left_out,omitempty"` // streams, which another server has
	Relocation *lake.Relocation `json:"relocation,omitempty"`
}

// String is the report for people.
func (r Restored) String() string {
	text := fmt.Sprintf("restored %d tables with %d files of %d MiB, as of %s", r.Tables, r.Files, r.Bytes>>20,
		r.Made.Format(time.RFC3339))
	if r.Streams > 0 {
		text += fmt.Sprintf(", and %d streams", r.Streams)
	}
	text += "; every file is there with its size\n"
	if len(r.Left) > 0 {
		text += fmt.Sprintf("left out: the streams %s, since nats.url names a server of its own\n",
			strings.Join(r.Left, ", "))
	}
	if r.Relocation != nil {
		text += r.Relocation.String()
	}
	return text
}

// markerName is a file in the data directory while a restore is under way.
const markerName = "restoring"

// Restore puts a backup into empty directories and an empty catalog, in the same
// place or another; it is relocated there. Cut short, the same call carries it
// on. A lake whose original is still where it was gets an id of its own.
func Restore(ctx context.Context, dir string, t Target) (Restored, error) {
	r := &restorer{Target: t, dir: dir}
	err := r.run(ctx)
	if err != nil {
		err = fmt.Errorf("restore from %s: %w", dir, err)
	}
	return r.rep, err
}

type restorer struct {
	Target
	dir string
	idx index
	rep Restored
}

func (r *restorer) run(ctx context.Context) (err error) {
	if r.idx, err = readIndex(r.dir); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("it has no backup that was finished: %w", err)
		}
		return err
	}
	state := filepath.Join(r.dir, r.idx.State)
	for _, p := range r.idx.Parts {
		if err := p.check(state); err != nil {
			return err
		}
	}
	r.rep = Restored{Made: r.idx.Made, Version: r.idx.Version, Tables: len(r.idx.Tables)}
	if err := r.begin(); err != nil {
		return err
	}
	if err := r.files(ctx, state); err != nil {
		return err
	}
	if err := r.lake(ctx); err != nil {
		return err
	}
	if err := r.streams(ctx, state); err != nil {
		return err
	}
	return os.Remove(filepath.Join(r.DataDir, markerName))
}

// begin refuses a target that is in use, unless a restore of this very backup
// was cut short there.
func (r *restorer) begin() error {
	marker := filepath.Join(r.DataDir, markerName)
	b, err := os.ReadFile(marker)
	if err == nil && string(b) == r.idx.State {
		return nil
	}
	if err == nil {
		return fmt.Errorf("%s says that a restore of another backup was cut short here: empty the data directory and the "+
			"warehouse first", marker)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	used := []string{filepath.Join(r.Target.Lake.Warehouse, lake.Namespace)}
	for _, name := range slices.Sorted(maps.Keys(r.Files)) {
		used = append(used, r.Files[name])
	}
	for _, path := range used {
		if _, err := os.Lstat(path); err == nil {
			return fmt.Errorf("%s is there already: restore into an empty data directory and warehouse", path)
		}
	}
	return writeFile(marker, []byte(r.idx.State))
}

// files puts back the lake's files, then databases and records.
func (r *restorer) files(ctx context.Context, state string) error {
	list, err := fileList(state)
	if err != nil {
		return err
	}
	names := slices.Sorted(maps.Keys(list))
	for i, rel := range names {
		if r.Progress != nil {
			r.Progress(rel, i, len(names))
		}
		to := filepath.Join(r.Target.Lake.Warehouse, rel)
		r.rep.Files++
		r.rep.Bytes += list[rel]
		if info, err := os.Stat(to); err == nil && info.Size() == list[rel] {
			continue // by an attempt that was cut short
		}
		p, err := copyFile(ctx, filepath.Join(r.dir, lakeDir, rel), to, list[rel])
		if err != nil {
			return err
		}
		if sum, ok := tiers.PathChecksum(rel); ok && sum != p.CRC32C {
			return errors.Join(fmt.Errorf("%s is damaged in the backup: its checksum is %08x where %08x was committed; an "+
				"earlier backup may have it whole",
				filepath.Join(r.dir, lakeDir, rel), p.CRC32C, sum), os.Remove(to))
		}
	}
	for _, p := range r.idx.Parts {
		to, ok := r.Files[p.Name]
		if !ok {
			continue
		}
		if _, err := copyFile(ctx, filepath.Join(state, p.Name), to, p.Size); err != nil {
			return err
		}
	}
	return nil
}

// lake registers the tables, and relocates them if the lake was elsewhere.
func (r *restorer) lake(ctx context.Context) error {
	if err := lake.RestoreCatalog(ctx, r.Target.Lake, r.idx.Catalog); err != nil {
		return err
	}
	moved, err := lake.Relocate(ctx, r.Target.Lake, lake.RelocateOptions{Copy: r.Copy})
	if err != nil {
		return err
	}
	if !moved.Nothing() {
		r.rep.Relocation = &moved
	}
	if err := home.Renew(r.DataDir, moved.ID, true); err != nil {
		return err
	}
	l, err := lake.Open(ctx, r.Target.Lake)
	if err != nil {
		return err
	}
	rep, err := l.Fsck(ctx, lake.FsckOptions{})
	if err = errors.Join(err, l.Close()); err != nil {
		return err
	}
	for _, p := range rep.Problems {
		if p.Damage {
			return fmt.Errorf("the %s %s %s", p.Kind, p.Path, p.Problem)
		}
	}
	return nil
}

// streams puts back what an embedded server held.
func (r *restorer) streams(ctx context.Context, state string) error {
	if r.Streams == nil {
		for _, s := range r.idx.Streams {
			r.rep.Left = append(r.rep.Left, s.Name)
		}
		return nil
	}
	if len(r.idx.Streams) == 0 {
		return nil
	}
	return r.Streams(ctx, func(to Restorer) error {
		for _, s := range r.idx.Streams {
			f, err := os.Open(filepath.Join(state, s.Name+streamExt))
			if err != nil {
				return err
			}
			err = to.Restore(ctx, s, f)
			if err = errors.Join(err, f.Close()); err != nil {
				return err
			}
			r.rep.Streams++
		}
		return nil
	})
}
