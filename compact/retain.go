package compact

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/parquetfile"
	"github.com/lakeward/lakeward/tiers/removal"
)

// Retain takes the days out of the named tables, or of all, whose end is older
// than the table's retention. The files go when the snapshots that name them
// are forgotten and their time as orphans is over.
func (m *Maintainer) Retain(ctx context.Context, names []string, dry bool) (Report, error) {
	rep := Report{DryRun: dry}
	release, err := m.take(ctx)
	if err != nil {
		return rep, err
	}
	defer release()
	tables, err := m.tables(ctx, names, &rep)
	if err != nil {
		return rep, err
	}
	for _, t := range tables {
		err := m.retain(ctx, t, &rep, len(names) > 0)
		if errors.Is(err, tiers.ErrConflict) {
			rep.say("lake.%s: another commit was first; the rest waits for the next round", t.Name())
			continue
		}
		if err != nil {
			return rep, fmt.Errorf("retention of lake.%s: %w", t.Name(), err)
		}
	}
	return rep, nil
}

// own reports whether a table is bookkeeping that proofs rest on.
func (m *Maintainer) own(table string) bool {
	return table == removal.Table || slices.Contains(m.o.Own, table)
}

func (m *Maintainer) retain(ctx context.Context, t tiers.Table, rep *Report, named bool) error {
	r := m.remover(t)
	if !rep.DryRun { // also what an erasure that was cut short has left to do
		if err := r.begin(ctx); err != nil {
			return err
		}
	}
	keep := m.o.Retention(t.Name())
	if m.own(t.Name()) || keep <= 0 {
		if named {
			rep.say("lake.%s is kept for ever", t.Name())
		}
		return nil
	}
	files, err := t.Files(ctx, 0, time.Time{}, time.Time{})
	if !named && errors.Is(err, tiers.ErrDamaged) {
		rep.say("lake.%s stays as it is: %v", t.Name(), err)
		return nil
	}
	if err != nil {
		return err
	}
	old := Expired(files, m.o.Now().Add(-keep))
	if len(old) == 0 {
		return nil
	}
	j := Job{Files: old}
	rep.say("lake.%s, kept for %d days: take out %s to %s, %d files, %d rows, %d bytes", t.Name(), int(keep.Hours()/24),
		date(old[0].Day), date(old[len(old)-1].Day), len(old), j.Rows(), j.Bytes())
	if rep.DryRun {
		return nil
	}
	var done Job
	for len(old) > 0 {
		b, rest, err := r.gather(ctx, old, rep)
		if err != nil {
			return err
		}
		if old = rest; len(b.commit.Remove) == 0 {
			continue
		}
		if err := r.commit(ctx, b); err != nil {
			return err
		}
		done.Files = append(done.Files, b.commit.Remove...)
		rep.Count, rep.Rows, rep.Bytes = rep.Count+len(b.commit.Remove), rep.Rows+b.rec.Rows,
			rep.Bytes+Job{Files: b.commit.Remove}.Bytes()
		if err := r.begin(ctx); err != nil {
			return err
		}
	}
	rep.say("lake.%s: took out %d files, %d rows, %d bytes", t.Name(), len(done.Files), done.Rows(), done.Bytes())
	return nil
}

// gather makes a batch of the first files, as many as one record holds.
func (r *remover) gather(ctx context.Context, files []tiers.DataFile, rep *Report) (*batch, []tiers.DataFile, error) {
	b := newBatch(removal.Retain)
	b.rec.ID, b.rec.By = removal.Retain+"-"+uuid.NewString(), "retention"
	for i, f := range files {
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
		if b.size >= maxRecord {
			return b, files[i:], nil
		}
		seqs, err := parquetfile.SeqsOf(r.w.o.Lake.OpenFile(ctx, f.Path))
		if errors.Is(err, tiers.ErrDamaged) { // which messages are gone with it cannot be told
			rep.say("lake.%s: %v; it stays, `lakeward fsck` says what to do", r.t.Name(), err)
			continue
		}
		if err != nil {
			return nil, nil, fmt.Errorf("read footer of %s: %w", f.Path, err)
		}
		b.take(f, seqs, tiers.DataFile{}, f.Rows)
	}
	return b, nil, nil
}

// Expired lists the files whose whole day is before the cut, oldest first. In a
// table that is not partitioned by day there are none. It takes files over.
func Expired(files []tiers.DataFile, cut time.Time) []tiers.DataFile {
	files = slices.DeleteFunc(files, func(f tiers.DataFile) bool {
		end := time.Unix(int64(f.Day+1)*86400, 0)
		return !ofOneDay(f) || end.After(cut)
	})
	slices.SortFunc(files, byDay)
	return files
}

// ofOneDay reports whether the file is of the day that its partition says.
func ofOneDay(f tiers.DataFile) bool {
	return f.Day == dayOf(f.TimeMin) && f.Day == dayOf(f.TimeMax)
}
