package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/lakeward/lakeward/query/duckdb"
	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/lake"
)

//go:embed sql
var texts embed.FS

// end is the logical present: what happened until then is in the lake.
var end = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

const days = 31 // 30 whole ones and the first half of the last

// month is a lake of sign-ins, and of identities with their criticality.
type month struct {
	lake   *lake.Lake
	dir    string
	users  int
	perDay int
	seq    int
}

func scalar(k tiers.Kind) tiers.Type { return tiers.Type{Kind: k} }

func text(name string) tiers.Field {
	return tiers.Field{Name: name, Type: scalar(tiers.KindString)}
}

func record(name string, fields ...tiers.Field) tiers.Field {
	return tiers.Field{Name: name, Type: tiers.Type{Kind: tiers.KindStruct, Fields: fields}}
}

func signinSchema() tiers.Schema {
	number := func(name string, k tiers.Kind) tiers.Field { return tiers.Field{Name: name, Type: scalar(k)} }
	return tiers.Schema{Fields: append(tiers.BaseFields(),
		number("class_uid", tiers.KindLong), text("status"), text("status_detail"),
		record("user", text("name"), text("uid"), text("email_addr"), text("type")),
		record("src_endpoint", text("ip"),
			record("location", text("city"), text("country"), number("lat", tiers.KindDouble), number("long", tiers.KindDouble)),
			record("autonomous_system", number("number", tiers.KindLong), text("name"))),
		record("http_request", text("user_agent")), record("service", text("name")),
		text("auth_protocol"), number("is_mfa", tiers.KindBool), record("session", text("uid")),
		record("metadata", text("uid")))}
}

func makeMonth(ctx context.Context, s settings) (*month, error) {
	l, err := lake.Open(ctx, lake.Options{Warehouse: filepath.Join(s.dir, "lake"),
		Catalog: filepath.Join(s.dir, "catalog.db")})
	if err != nil {
		return nil, err
	}
	m := &month{lake: l, dir: s.dir, users: min(max(s.events/1000, 500), 20_000), perDay: s.events*2/(2*days-1) + 1}
	began := time.Now()
	if err := m.fill(ctx); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	fmt.Printf("a lake of %d sign-ins by %d users over %d days, made in %s\n", s.events, m.users, days,
		time.Since(began).Round(time.Millisecond))
	return m, nil
}

func (m *month) fill(ctx context.Context) error {
	t, err := m.lake.Create(ctx, "signin", signinSchema(), tiers.Options{})
	if err != nil {
		return err
	}
	first := end.Truncate(24*time.Hour).AddDate(0, 0, 1-days)
	var files []tiers.DataFile
	for d := range days {
		day := first.AddDate(0, 0, d)
		from, to := time.Duration(0), 24*time.Hour
		if d == days-1 {
			to = end.Sub(day)
		}
		f, err := m.day(ctx, t, day, from, to)
		if err != nil {
			return err
		}
		files = append(files, f)
	}
	if _, err := t.Commit(ctx, tiers.Commit{ID: "month", Add: files}); err != nil {
		return err
	}
	return m.identities(ctx)
}

// hour adds the n-th hour after the end, as ingest would by then.
func (m *month) hour(ctx context.Context, n int) error {
	t, err := m.lake.Open(ctx, "signin")
	if err != nil {
		return err
	}
	day := end.Truncate(24 * time.Hour)
	from := end.Sub(day) + time.Duration(n)*time.Hour
	f, err := m.day(ctx, t, day, from, from+time.Hour)
	if err != nil {
		return err
	}
	_, err = t.Commit(ctx, tiers.Commit{ID: fmt.Sprint("hour", n), Add: []tiers.DataFile{f}})
	return err
}

// day writes the sign-ins of a part of a day as one file, sorted by time.
func (m *month) day(ctx context.Context, t tiers.Table, day time.Time, from, to time.Duration) (tiers.DataFile, error) {
	fill := strings.NewReplacer("$day", instant(day), "$from", fmt.Sprint(m.seq), "$seq", fmt.Sprint(m.seq), "$rows",
		fmt.Sprint(m.perDay), "$users", fmt.Sprint(m.users),
		"$lo", fmt.Sprint(from.Microseconds()), "$hi", fmt.Sprint(to.Microseconds()))
	attack := strings.NewReplacer("$end", instant(end), "$users", fmt.Sprint(m.users), "$lo", instant(day.Add(from)),
		"$hi", instant(day.Add(to)))
	m.seq += m.perDay
	sql := "(" + fill.Replace(query("day")) + ") UNION ALL BY NAME (" + attack.Replace(query("attacks")) + ")"
	f := tiers.DataFile{Day: int32(day.Unix() / 86400), TimeMin: day.Add(from), TimeMax: day.Add(to - 1)}
	return m.write(ctx, f, t, sql+` ORDER BY "time"`)
}

func (m *month) identities(ctx context.Context) error {
	t, err := m.lake.Create(ctx, "identity",
		tiers.Schema{Fields: append(tiers.BaseFields(), record("user", text("name")), text("criticality"))}, tiers.Options{})
	if err != nil {
		return err
	}
	day := int32(end.Unix()/86400) - days
	f := tiers.DataFile{Day: day, TimeMin: end.AddDate(0, 0, -days),
		TimeMax: end.AddDate(0, 0, -days)}
	sql := fmt.Sprintf(`SELECT %s AS "time", "time" AS ingest_time, i AS stream_seq, 'i' || i AS event_id, NULL::VARCHAR AS unmapped, {'name': 'user' || i} AS "user",
		['low', 'medium', 'medium', 'high', 'extreme'][(1 + hash(i) %% 5)::BIGINT] AS criticality FROM range(%d) r(i)`, instant(f.TimeMin), m.users)
	if f, err = m.write(ctx, f, t, sql); err != nil {
		return err
	}
	_, err = t.Commit(ctx, tiers.Commit{ID: "identities", Add: []tiers.DataFile{f}})
	return err
}

// write stores the rows of a query as one file, shaped as ingest shapes its own.
func (m *month) write(ctx context.Context, f tiers.DataFile, t tiers.Table, sql string) (tiers.DataFile, error) {
	dir, err := os.MkdirTemp("", "month")
	if err != nil {
		return f, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "rows.parquet")
	c, err := duckdb.Scratch(ctx)
	if err != nil {
		return f, err
	}
	defer c.Close()
	var cols, ids []string
	for _, col := range t.Schema().Fields {
		cols = append(cols, fmt.Sprintf("%q::%s AS %[1]q", col.Name, sqlType(col.Type)))
		ids = append(ids, fieldID(col))
	}
	copySQL := fmt.Sprintf("COPY (SELECT %s FROM (%s)) TO '%s' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE "+
		"122880, FIELD_IDS {%s})",
		strings.Join(cols, ", "), sql, path, strings.Join(ids, ", "))
	if f.Rows, err = c.Exec(ctx, copySQL); err != nil {
		return f, err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return f, err
	}
	return t.WriteNew(ctx, f, data)
}

func sqlType(t tiers.Type) string {
	switch t.Kind {
	case tiers.KindStruct:
		var parts []string
		for _, f := range t.Fields {
			parts = append(parts, fmt.Sprintf("%q %s", f.Name, sqlType(f.Type)))
		}
		return "STRUCT(" + strings.Join(parts, ", ") + ")"
	case tiers.KindLong:
		return "BIGINT"
	case tiers.KindDouble:
		return "DOUBLE"
	case tiers.KindBool:
		return "BOOLEAN"
	case tiers.KindTimestamp:
		return "TIMESTAMPTZ"
	default:
		return "VARCHAR"
	}
}

func fieldID(f tiers.Field) string {
	if f.Type.Kind != tiers.KindStruct {
		return fmt.Sprintf("%q: %d", f.Name, f.ID)
	}
	ids := []string{fmt.Sprintf("__duckdb_field_id: %d", f.ID)}
	for _, m := range f.Type.Fields {
		ids = append(ids, fieldID(m))
	}
	return fmt.Sprintf("%q: {%s}", f.Name, strings.Join(ids, ", "))
}

func query(name string) string {
	b, err := texts.ReadFile("sql/" + name + ".sql")
	if err != nil {
		panic(err) // the file is part of the program
	}
	return string(b)
}

func instant(t time.Time) string {
	return "TIMESTAMPTZ '" + t.UTC().Format("2006-01-02 15:04:05.999999") + "+00'"
}
