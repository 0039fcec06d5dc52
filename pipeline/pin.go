package pipeline

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/lakeward/lakeward/pipeline/compile"
	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/tiers"
)

// pins holds the lake tables of a run by bare name, each at one snapshot.
type pins struct {
	tables map[string]tiers.Table
	at     map[string]int64 // 0: the table has no snapshot yet
}

// pin fixes the tables at the given snapshots, or at their current ones. A
// table that does not exist is left out.
func pin(ctx context.Context, lake tiers.Lake, names []string, at map[string]int64) (*pins, error) {
	p := &pins{tables: map[string]tiers.Table{}, at: map[string]int64{}}
	for _, full := range names {
		name := strings.TrimPrefix(full, "lake.")
		t, err := lake.Open(ctx, name)
		if errors.Is(err, tiers.ErrNoTable) {
			continue
		}
		if err != nil {
			return nil, &tiers.UnreadableError{Table: name, Err: err}
		}
		if err := t.Refresh(ctx); err != nil {
			return nil, &tiers.UnreadableError{Table: name, Err: err}
		}
		p.tables[name] = t
		if id, ok := at[name]; ok {
			p.at[name] = id
		} else if s, ok := t.Current(); ok {
			p.at[name] = s.ID
		}
	}
	return p, nil
}

// schema resolves "lake.NAME"; other tables are unknown to it.
func (p *pins) schema(table string) (tiers.Schema, bool) {
	name, ok := strings.CutPrefix(table, "lake.")
	if !ok {
		return tiers.Schema{}, false
	}
	t, ok := p.tables[name]
	if !ok {
		return tiers.Schema{}, false
	}
	return t.Schema(), true
}

// missing lists the tables of names that do not exist.
func (p *pins) missing(names []string) []string {
	var out []string
	for _, n := range names {
		if p.tables[strings.TrimPrefix(n, "lake.")] == nil {
			out = append(out, n)
		}
	}
	return out
}

// view holds the files whose times meet the ranges, for every pinned table, and
// what is needed of the analytics tier.
func (p *pins) view(ctx context.Context, needs map[string][]compile.Range) (query.View, error) {
	var v query.View
	for _, name := range sortedKeys(p.tables) {
		t := p.tables[name]
		var files []tiers.DataFile
		seen := map[string]bool{}
		for _, r := range needs["lake."+name] {
			if p.at[name] == 0 {
				break
			}
			fs, err := t.Files(ctx, p.at[name], r.Start, r.End)
			if err != nil {
				return v, &tiers.UnreadableError{Table: name, Err: err}
			}
			for _, f := range fs {
				if !seen[f.Path] {
					seen[f.Path] = true
					files = append(files, f)
				}
			}
		}
		v.Tables = append(v.Tables, query.TableView{Name: name, Snapshot: p.at[name], Schema: t.Schema(), Files: files})
	}
	for _, full := range sortedKeys(needs) {
		if name, ok := strings.CutPrefix(full, "analytics."); ok {
			w := query.Want{Table: name}
			for _, r := range needs[full] {
				w.Times = append(w.Times, query.Span{From: r.Start, To: r.End})
			}
			v.Analytics = append(v.Analytics, w)
		}
	}
	return v, nil
}

// only is a view in which a table holds just these files and the others none.
func (p *pins) only(table string, files []tiers.DataFile) query.View {
	var v query.View
	for _, name := range sortedKeys(p.tables) {
		tv := query.TableView{Name: name, Snapshot: p.at[name], Schema: p.tables[name].Schema()}
		if name == table {
			tv.Files = files
		}
		v.Tables = append(v.Tables, tv)
	}
	return v
}

// added lists what appends brought to a table after a snapshot (0: from the
// beginning), up to the pinned one. ok is false if the lineage is broken.
func (p *pins) added(ctx context.Context, table string, since int64) ([]tiers.DataFile, bool, error) {
	if p.at[table] == 0 || p.at[table] == since {
		return nil, true, nil
	}
	if since == 0 {
		fs, err := p.tables[table].Files(ctx, p.at[table], time.Time{}, time.Time{})
		return fs, true, err
	}
	return p.tables[table].Added(ctx, since, p.at[table])
}

// meets reports whether the file may hold a time in the range.
func meets(f tiers.DataFile, r compile.Range) bool {
	if f.TimeMin.IsZero() && f.TimeMax.IsZero() {
		return true
	}
	return (r.End.IsZero() || f.TimeMin.Before(r.End)) && (r.Start.IsZero() || !f.TimeMax.Before(r.Start))
}

func size(v query.View) (rows, bytes int64) {
	for _, t := range v.Tables {
		for _, f := range t.Files {
			rows += f.Rows
			bytes += f.Size
		}
	}
	return rows, bytes
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

type file = tiers.DataFile

// overlapping keeps the files that may hold times in the range.
func overlapping(files []file, r compile.Range) []file {
	var out []file
	for _, f := range files {
		if meets(f, r) {
			out = append(out, f)
		}
	}
	return out
}
