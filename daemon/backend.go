package daemon

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/serve"
	"github.com/lakeward/lakeward/tiers"
)

// backend implements serve.Backend on an open core.
type backend struct {
	*core
	commands Commands
	verbs    *Verbs
	status   func(ctx context.Context) (serve.Status, error)
	problems problems
}

var _ serve.Backend = (*backend)(nil)

// Query runs one SELECT in a session that sees every table as it is now.
func (b *backend) Query(ctx context.Context, q serve.Query) (array.RecordReader, error) {
	v, err := b.view(ctx)
	if err != nil {
		return nil, err
	}
	if query.Verb(q.SQL) == "SHOW" {
		infos, err := b.analytics.Tables(ctx)
		if err != nil {
			return nil, fmt.Errorf("list analytics tables: %w", err)
		}
		for _, i := range infos {
			v.Analytics = append(v.Analytics, query.Want{Table: i.Name})
		}
	}
	tell := q.OnWarning
	if tell == nil {
		tell = func(text string) { b.log.Warn(text) }
	}
	ctx, cancel := context.WithCancel(ctx)
	s, err := b.engine.Open(ctx, v, query.Options{MaxRows: query.Least(q.MaxRows, b.cfg.Query.MaxRows),
		MaxBytes: b.cfg.Query.MaxBytes, Timeout: query.Least(q.Timeout, b.cfg.Query.Timeout),
		OnDamage: func(files []tiers.Damage) { warn(files, tell) }, OnTables: q.OnTables})
	if err != nil {
		cancel()
		return nil, err
	}
	stop := query.Report(s, progressEvery, q.OnProgress)
	rows, err := s.Query(ctx, q.SQL)
	if err != nil {
		stop()
		cancel()
		b.closeSession(s)
		return nil, err
	}
	out := newSessionRows(rows, func() {
		stop()
		cancel()
		b.closeSession(s)
	})
	if err := out.failed(); err != nil {
		out.Release()
		return nil, err
	}
	return out, nil
}

func (b *backend) closeSession(s query.Session) {
	if err := s.Close(); err != nil {
		b.log.Warn("close session", "err", err)
	}
}

// view returns every lake table at its current snapshot. A table that cannot be
// read is included, with its problem.
func (b *backend) view(ctx context.Context) (query.View, error) {
	v := query.View{At: b.at}
	err := b.each(ctx, func(l listing) error {
		tv := query.TableView{Name: l.name, Files: l.files, Problem: l.problem}
		if l.problem == nil {
			tv.Snapshot, tv.Schema = l.snapshot.ID, l.table.Schema()
		}
		v.Tables = append(v.Tables, tv)
		return nil
	})
	return v, err
}

// at is a lake table at a version.
func (b *backend) at(ctx context.Context, name string, v query.Version) (query.TableView, error) {
	l, err := b.list(ctx, name)
	if err == nil {
		err = l.problem
	}
	if err != nil {
		return query.TableView{}, err
	}
	s, err := v.Of(name, l.table.Snapshots())
	if err != nil {
		return query.TableView{}, err
	}
	files, err := l.table.Files(ctx, s.ID, time.Time{}, time.Time{})
	return query.TableView{Name: name, Snapshot: s.ID, Schema: l.table.Schema(), Files: files}, err
}

// Tables lists both tiers.
func (b *backend) Tables(ctx context.Context) ([]serve.Table, error) {
	out := []serve.Table{}
	err := b.each(ctx, func(l listing) error {
		out = append(out, summarise(l).Table)
		return nil
	})
	if err != nil {
		return nil, err
	}
	infos, err := b.analytics.Tables(ctx)
	if err != nil {
		return out, err
	}
	for _, i := range infos {
		out = append(out, analyticsTable(i))
	}
	return out, nil
}

func analyticsTable(i tiers.TableInfo) serve.Table {
	return serve.Table{Name: "analytics." + i.Name, Rows: i.Rows, Bytes: i.Bytes, Files: 1, Columns: len(i.Schema.Fields)}
}

// summarise counts what the current snapshot of a lake table holds.
func summarise(l listing) serve.TableDetail {
	d := serve.TableDetail{Table: serve.Table{Name: "lake." + l.name}}
	if l.problem != nil {
		d.Problem = l.problem.Error()
		return d
	}
	for _, m := range misfits(l.table) {
		d.Misfits += m.Values
	}
	d.Columns, d.Committed, d.Files = len(l.table.Schema().Fields), l.snapshot.Time, len(l.files)
	for _, f := range l.files {
		d.Rows += f.Rows
		d.Bytes += f.Size
		if f.TimeMax.After(d.Newest) {
			d.Newest = f.TimeMax
		}
		if !f.TimeMin.IsZero() && (d.Oldest.IsZero() || f.TimeMin.Before(d.Oldest)) {
			d.Oldest = f.TimeMin
		}
	}
	return d
}

// shownSnapshots bounds the snapshots of a description.
const shownSnapshots = 10

// Describe says everything about one table.
func (b *backend) Describe(ctx context.Context, name string) (serve.TableDetail, error) {
	switch tier, bare, _ := strings.Cut(name, "."); tier {
	case "lake":
		return b.describeLake(ctx, bare)
	case "analytics":
		return b.describeAnalytics(ctx, bare)
	default:
		return serve.TableDetail{}, fmt.Errorf("%w: table %q has no tier; write lake.%s or analytics.%s", serve.ErrInvalid,
			name, name, name)
	}
}

func (b *backend) describeLake(ctx context.Context, name string) (serve.TableDetail, error) {
	names, err := b.lake.Tables(ctx)
	if err != nil {
		return serve.TableDetail{}, err
	}
	if !slices.Contains(names, name) {
		return serve.TableDetail{}, fmt.Errorf("%w: there is no table lake.%s; the lake has %s", serve.ErrNotFound, name,
			listed(names))
	}
	l, err := b.list(ctx, name)
	if err != nil {
		return serve.TableDetail{}, err
	}
	d := summarise(l)
	if l.problem != nil {
		return d, nil
	}
	t := l.table
	d.Schema, d.Leaves, d.MaxLeaves = columns("", t.Schema().Fields), tiers.Leaves(t.Schema().Fields),
		b.cfg.Ingest.MaxColumns
	d.Paths = misfits(t)
	if d.Damaged, err = b.damagedOf(ctx, l); err != nil {
		return d, err
	}
	all := t.Snapshots()
	d.Total = len(all)
	for i := len(all) - 1; i >= 0 && len(d.Snapshots) < shownSnapshots; i-- {
		d.Snapshots = append(d.Snapshots, serve.Snapshot{ID: all[i].ID, Time: all[i].Time, Operation: all[i].Operation})
	}
	for _, m := range t.Marks() {
		d.Marks = append(d.Marks, fmt.Sprintf("%s (created %s), %s: to sequence %d", m.Stream, TimeText(m.Created), m.Filter,
			m.Seq))
	}
	return d, nil
}

func (b *backend) describeAnalytics(ctx context.Context, name string) (serve.TableDetail, error) {
	infos, err := b.analytics.Tables(ctx)
	if err != nil {
		return serve.TableDetail{}, err
	}
	var names []string
	for _, i := range infos {
		if strings.EqualFold(i.Name, name) {
			return serve.TableDetail{Table: analyticsTable(i), Schema: columns("", i.Schema.Fields)}, nil
		}
		names = append(names, i.Name)
	}
	return serve.TableDetail{}, fmt.Errorf("%w: there is no table analytics.%s; the tier has %s", serve.ErrNotFound, name,
		listed(names))
}

func listed(names []string) string {
	if len(names) == 0 {
		return "no tables yet"
	}
	return strings.Join(names, ", ")
}

// columns flattens nested fields into dotted names.
func columns(prefix string, fields []tiers.Field) []serve.Column {
	var out []serve.Column
	for _, f := range fields {
		name := prefix + f.Name
		out = append(out, serve.Column{ID: f.ID, Name: name, Type: f.Type.Kind.String(), Required: f.Required,
			Doc: columnNote(prefix, f, fields)})
		switch f.Type.Kind {
		case tiers.KindStruct:
			out = append(out, columns(name+".", f.Type.Fields)...)
		case tiers.KindList:
			out[len(out)-1].Type = f.Type.String()
		}
	}
	return out
}

// columnNote returns the note of a column in a description.
func columnNote(prefix string, f tiers.Field, siblings []tiers.Field) string {
	of, _, ok := tiers.BesideOf(f)
	switch {
	case ok && prefix == "" && tiers.Reserved(of):
		return "the events' own field " + of + "; the name is of a column of Lakeward's own"
	case ok && slices.ContainsFunc(siblings, func(n tiers.Field) bool { return n.Name == of && tiers.Merged(n, f) }):
		return f.Doc + ", which SQL shows with them"
	case ok && slices.ContainsFunc(siblings, func(n tiers.Field) bool { return tiers.Merged(n, f) }):
		return f.Doc + "; SQL shows those of " + of + "_long with them"
	case f.Name == tiers.ColOwnEventID && f.Required:
		return f.Doc + "; event_id is a field of the events"
	}
	return f.Doc
}

// Status is the state of the daemon.
func (b *backend) Status(ctx context.Context) (serve.Status, error) { return b.status(ctx) }

// Do carries out a command.
func (b *backend) Do(ctx context.Context, c serve.Command) (serve.Report, error) {
	return b.commands.do(ctx, b.verbs, c)
}

// misfits returns the counts of values that did not fit, from a table's properties.
func misfits(t tiers.Table) []serve.Misfit {
	var out []serve.Misfit
	for _, m := range tiers.Misfits(t.Properties()) {
		column := cmp.Or(m.Column, tiers.ColUnmapped)
		if m.Reason == tiers.MisfitDigits {
			column = m.Path
		}
		out = append(out, serve.Misfit{Path: m.Path, Reason: string(m.Reason), Column: column, Values: m.Values,
			First: m.First, Last: m.Last, Advice: m.Advice()})
	}
	return out
}

// TimeText writes a time for people.
func TimeText(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02T15:04:05Z")
}
