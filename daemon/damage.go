package daemon

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/lakeward/lakeward/serve"
	"github.com/lakeward/lakeward/tiers"
)

// warningsOf bounds the files that one answer names.
const warningsOf = 20

// warn tells the caller which files the answer lacks.
func warn(files []tiers.Damage, tell func(string)) {
	var rows int64
	for _, d := range files {
		rows += d.Rows
	}
	for i, d := range files {
		if i == warningsOf {
			tell(fmt.Sprintf("lake.%s lacks %d rows in all: %d more files are damaged (lakeward fsck)", d.Table, rows,
				len(files)-i))
			return
		}
		tell(d.String())
	}
}

// damagedOf says which files of a table are damaged, without reading any.
func (b *backend) damagedOf(ctx context.Context, l listing) ([]serve.Damaged, error) {
	bad, err := b.lake.Look(ctx, l.name, l.files)
	return damaged(bad), err
}

func damaged(files []tiers.Damage) []serve.Damaged {
	var out []serve.Damaged
	for _, d := range files {
		out = append(out, serve.Damaged{Table: "lake." + d.Table, File: d.FileName(), Rows: d.Rows, Reason: d.Reason})
	}
	return out
}

// degraded is one sentence for each table that lacks files. The daemon stays
// ready: it takes events and answers, and to take it out of service would not
// bring the files back.
func degraded(files []tiers.Damage) []string {
	type loss struct{ files, rows int64 }
	by := map[string]loss{}
	for _, d := range files {
		l := by[d.Table]
		by[d.Table] = loss{l.files + 1, l.rows + d.Rows}
	}
	var out []string
	for _, t := range slices.Sorted(maps.Keys(by)) {
		out = append(out, fmt.Sprintf("lake.%s lacks %d rows: %d of its files are missing or damaged; `lakeward fsck` "+
			"says which to restore from a copy", t, by[t].rows, by[t].files))
	}
	return out
}

// lookEvery is how often every data file is looked at, without reading it.
const lookEvery = time.Hour

// lookAtFiles finds tables that cannot be read and files that are missing or of another size before anybody
// asks for them, now and every hour until ctx ends.
func (a *Daemon) lookAtFiles(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		if err := a.lookOnce(ctx); err != nil && ctx.Err() == nil {
			a.log.Error("look at the data files; it is tried again in an hour", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (a *Daemon) lookOnce(ctx context.Context) error {
	return a.backend.each(ctx, func(l listing) error {
		if l.problem != nil {
			a.log.Error("a table cannot be read; others can", "table", "lake."+l.name, "err", errors.Unwrap(l.problem))
			return nil
		}
		bad, err := a.backend.damagedOf(ctx, l)
		if err != nil {
			return err
		}
		for _, d := range bad {
			a.log.Error("a data file is damaged: restore it from a copy", "table", d.Table, "file", d.File, "rows", d.Rows,
				"reason", d.Reason)
		}
		return nil
	})
}
