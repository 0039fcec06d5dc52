package duckdb

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/query/quote"
	"github.com/lakeward/lakeward/tiers"
)

// Reading by field id is right for every file, but then DuckDB reads a struct
// as a whole. By name it reads single members and skips by their statistics; it
// wants a first file that has all columns, and each of these in every file.

// mostTemplates bounds the files of templates, and so what DuckDB remembers of them.
const mostTemplates = 1000

// mostShapes bounds the number of parts into which files read by name are divided.
const mostShapes = 4

// templates makes files without rows that tell DuckDB a table's columns. Safe
// for concurrent use.
type templates struct {
	dir string // empty: there are none
	log *slog.Logger

	mu    sync.Mutex
	known map[string]string // local paths by the columns
}

// of returns the path of the template for columns, each an expression and its
// name, or an empty path if it cannot be made. It fails only when ctx ends.
func (t *templates) of(ctx context.Context, c *Conn, columns []string) (string, error) {
	if t.dir == "" {
		return "", nil
	}
	key := strings.Join(columns, ", ")
	t.mu.Lock()
	defer t.mu.Unlock()
	path, ok := t.known[key]
	switch {
	case ok:
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	case len(t.known) >= mostTemplates:
		return "", nil
	default:
		path = filepath.Join(t.dir, fmt.Sprintf("template-%d.parquet", len(t.known)))
	}
	err := os.MkdirAll(t.dir, 0o700) // who tidies up temporary files may have removed it
	if err == nil {
		_, err = c.Exec(ctx, "COPY (SELECT "+key+" WHERE false) TO "+quote.Text(path)+" (FORMAT parquet)")
	}
	if err != nil {
		_ = os.Remove(path) // a part of it would pass for the whole
		if ctx.Err() != nil {
			return "", err
		}
		t.log.Warn("large files are read by field id, which is slower: their template cannot be written", "path", path,
			"error", err)
		return "", nil
	}
	t.known[key] = path
	return path, nil
}

// shape is a set of files with the same top-level columns.
type shape struct {
	has   []bool // by the schema's fields
	files []tiers.DataFile
	rows  int64
}

// shapes divides files into those that can be read by name, the most rows
// first, and the others.
func shapes(s tiers.Schema, files []tiers.DataFile) (out []*shape, rest []tiers.DataFile) {
	known := func(f tiers.DataFile) bool { return f.Fields.Known() }
	if !s.NamesStable || !slices.ContainsFunc(files, known) {
		return nil, files
	}
	bySet, byHas := map[tiers.FieldSet]*shape{}, map[string]*shape{}
	for _, f := range files {
		if !known(f) {
			rest = append(rest, f)
			continue
		}
		sh := bySet[f.Fields]
		if sh == nil {
			has := make([]bool, len(s.Fields))
			for i, field := range s.Fields {
				has[i] = f.Fields.HasAny(field)
			}
			key := fmt.Sprint(has)
			if sh = byHas[key]; sh == nil {
				sh = &shape{has: has}
				byHas[key] = sh
			}
			bySet[f.Fields] = sh
		}
		sh.files, sh.rows = append(sh.files, f), sh.rows+f.Rows
	}
	out = slices.SortedFunc(maps.Values(byHas), func(a, b *shape) int { return cmp.Compare(b.rows, a.rows) })
	if len(out) > mostShapes {
		for _, sh := range out[mostShapes:] {
			rest = append(rest, sh.files...)
		}
		out = out[:mostShapes]
	}
	return out, rest
}

// named has the large files of whole parts read by name where that is the same.
func (s *Session) named(ctx context.Context, t query.TableView, parts []part) ([]part, error) {
	if parts == nil && len(t.Files) > 0 {
		parts = []part{{files: t.Files}}
	}
	var out []part
	for _, p := range parts {
		if len(p.want) > 0 || len(p.extracts) > 0 {
			out = append(out, p)
			continue
		}
		byName, rest := shapes(t.Schema, p.files)
		if len(byName) == 0 {
			out = append(out, p)
			continue
		}
		nulls, err := nullColumns(t)
		if err != nil {
			return nil, err
		}
		for _, sh := range byName {
			part, err := s.byName(ctx, t.Schema, nulls, sh)
			if err != nil {
				return nil, err
			}
			out = append(out, part)
		}
		if len(rest) > 0 {
			out = append(out, part{files: rest})
		}
	}
	return out, nil
}

// byName is a shape as a part, which is read by name if there is a template.
// nulls are the schema's columns without values.
func (s *Session) byName(ctx context.Context, schema tiers.Schema, nulls []string, sh *shape) (p part, err error) {
	p = part{files: sh.files, rows: sh.rows, columns: slices.Clone(nulls)}
	var has []string
	for i, f := range schema.Fields {
		if sh.has[i] {
			has = append(has, nulls[i])
			p.columns[i] = quote.Ident(f.Name)
		}
	}
	p.template, err = s.templates.of(ctx, s.conn, has)
	return p, err
}

// nullColumns returns the columns of a table's view, each as a typed NULL.
func nullColumns(t query.TableView) ([]string, error) {
	out := make([]string, len(t.Schema.Fields))
	for i, f := range t.Schema.Fields {
		typ, err := sqlType(f.Type)
		if err != nil {
			return nil, fmt.Errorf("table %s, column %s: %w", t.Name, f.Name, err)
		}
		out[i] = fmt.Sprintf("CAST(NULL AS %s) AS %s", typ, quote.Ident(f.Name))
	}
	return out, nil
}
