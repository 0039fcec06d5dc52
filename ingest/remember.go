package ingest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lakeward/lakeward/tiers"
)

// remember rebuilds the memory of message ids from what the tables hold, once
// the first message with an id comes: streams without ids pay nothing. Each
// table gets a share of the memory by its rows, for its newest ones.
func (d *decoder) remember(ctx context.Context) (*recent, error) {
	r, made := newRecent(d.s.o.Recent), d.e.tag()+"-"
	files := map[*feed][]tiers.DataFile{}
	var total int64
	for name, f := range d.e.feeds {
		if !f.held || name == Quarantine || name == Skipped {
			continue
		}
		all, err := f.table.Files(ctx, 0, time.Time{}, time.Time{})
		if err != nil {
			return nil, fmt.Errorf("list files of lake.%s: %w", name, err)
		}
		files[f] = all
		total += rowsOf(all)
	}
	for f, all := range files {
		share := int64(float64(d.s.o.Recent) * float64(rowsOf(all)) / float64(max(total, 1)))
		if total <= int64(d.s.o.Recent) {
			share = rowsOf(all)
		}
		newest, err := newestFiles(ctx, f.table, all, share)
		if err != nil {
			return nil, fmt.Errorf("list newest files of lake.%s: %w", f.name, err)
		}
		for _, file := range newest {
			err := d.s.o.readColumns(file.Path, []string{tiers.ColEventID}, func(v []value) {
				if strings.HasPrefix(v[0].text, made) {
					return
				}
				p := r.of(f.name, []byte(v[0].text))
				if at, known := r.lookUp(p); !known {
					r.add(p, at)
				}
			})
			if errors.Is(err, tiers.ErrDamaged) { // new events are worth more than the old file's ids
				d.s.log.Error("message ids of a damaged file are not known: its events would be taken again if they were published again", "file", file.Path, "rows", file.Rows, "error", err)
				continue
			}
			if err != nil {
				return nil, fmt.Errorf("read message ids of lake.%s: %w", f.name, err)
			}
		}
	}
	return r, nil
}

func rowsOf(files []tiers.DataFile) int64 {
	var n int64
	for _, f := range files {
		n += f.Rows
	}
	return n
}

// newestFiles are files with about the given number of rows: those that were
// committed last, or those with the latest events where snapshots do not tell.
func newestFiles(ctx context.Context, t tiers.Table, all []tiers.DataFile, want int64) ([]tiers.DataFile, error) {
	if rowsOf(all) <= want {
		return all, nil
	}
	var n int64
	for _, sn := range slices.Backward(t.Snapshots()) {
		added, err := strconv.ParseInt(sn.Summary["added-records"], 10, 64)
		if err != nil {
			break
		}
		if n += added; n < want || sn.Parent == 0 {
			continue
		}
		files, ok, err := t.Added(ctx, sn.Parent, 0)
		if err != nil || ok {
			return files, err
		}
		break
	}
	sorted := slices.SortedFunc(slices.Values(all), func(a, b tiers.DataFile) int { return b.TimeMax.Compare(a.TimeMax) })
	for i := range sorted {
		if want -= sorted[i].Rows; want <= 0 {
			return sorted[:i+1], nil
		}
	}
	return sorted, nil
}
