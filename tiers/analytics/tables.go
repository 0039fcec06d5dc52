package analytics

import (
	"context"
	"fmt"
	"strings"

	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/query/quote"
	"github.com/lakeward/lakeward/tiers"
)

// block is DuckDB's unit of storage, in bytes.
const block = 256 << 10

const listTables = "SELECT table_name FROM duckdb_tables() WHERE database_name = 'analytics' AND schema_name = " +
	"'main' ORDER BY 1"

// table is what the catalog says of one table.
type table struct {
	name    string
	columns []column
}

func (t *table) column(name string) (column, bool) {
	if at := find(t.columns, name); at >= 0 {
		return t.columns[at], true
	}
	return column{}, false
}

// describe is ErrNoTable for a table that does not exist.
func describe(ctx context.Context, c tiers.Statements, name string) (*table, error) {
	names, err := texts(ctx, c, listTables)
	if err != nil {
		return nil, err
	}
	for _, n := range names {
		if strings.EqualFold(n, name) {
			return columnsOf(ctx, c, n)
		}
	}
	return nil, fmt.Errorf("%w: the tier has %s", tiers.ErrNoTable, listed(names))
}

func listed(names []string) string {
	if len(names) == 0 {
		return "no tables yet"
	}
	return strings.Join(names, ", ")
}

func columnsOf(ctx context.Context, c tiers.Statements, name string) (*table, error) {
	schema, err := schemaOf(ctx, c, qualified(name))
	if err != nil {
		return nil, err
	}
	t := &table{name: name}
	for _, f := range schema.Fields() {
		typ, err := tiers.StoredType(f.Type)
		if err != nil { // a table that another program made
			typ = tiers.Type{Kind: tiers.KindInvalid}
		}
		t.columns = append(t.columns, column{f.Name, typ})
	}
	return t, nil
}

// Tables describes every table. Bytes are the table's share of the file's
// blocks of 256 KiB, compressed; for rows not yet in the file, an estimate.
func (s *Sink) Tables(ctx context.Context) ([]tiers.TableInfo, error) {
	var out []tiers.TableInfo
	err := s.connected(ctx, func(c query.Conn) error {
		names, err := texts(ctx, c, listTables)
		if err != nil || len(names) == 0 {
			return err
		}
		bytes, err := sizes(ctx, c, names)
		if err != nil {
			return err
		}
		for _, n := range names {
			t, err := columnsOf(ctx, c, n)
			if err != nil {
				return err
			}
			rows, err := longs(ctx, c, "SELECT count(*) FROM "+qualified(n))
			if err != nil {
				return err
			}
			info := tiers.TableInfo{Name: n, Rows: rows[0], Bytes: bytes[n]}
			for _, col := range t.columns {
				info.Schema.Fields = append(info.Schema.Fields, tiers.Field{Name: col.name, Type: col.typ})
			}
			out = append(out, info)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list the analytics tables: %w", err)
	}
	return out, nil
}

// sizes shares each block among the tables with segments in it.
func sizes(ctx context.Context, c tiers.Statements, names []string) (map[string]int64, error) {
	var parts []string
	for i, n := range names {
		parts = append(parts, fmt.Sprintf("SELECT %d AS t, block_id, additional_block_ids, persistent, count FROM "+
			"pragma_storage_info(%s)", i, quote.Text(qualified(n))))
	}
	sql := fmt.Sprintf(`WITH s AS (%s),
	b AS (SELECT t, block_id AS id FROM s WHERE block_id >= 0
		UNION ALL SELECT t, unnest(additional_block_ids) FROM s),
	shares AS (SELECT t, id, count(*) / sum(count(*)) OVER (PARTITION BY id) AS share FROM b GROUP BY t, id),
	fresh AS (SELECT t, sum(count) * 8 AS n FROM s WHERE NOT persistent GROUP BY t)
	SELECT round(coalesce((SELECT sum(share) FROM shares WHERE shares.t = k.t), 0) * %d
		+ coalesce((SELECT n FROM fresh WHERE fresh.t = k.t), 0))::BIGINT FROM range(%d) k(t) ORDER BY k.t`,
		strings.Join(parts, " UNION ALL "), block, len(names))
	values, err := longs(ctx, c, sql)
	if err != nil {
		return nil, err
	}
	out := map[string]int64{}
	for i, n := range names {
		out[n] = values[i]
	}
	return out, nil
}

// texts is the first column of a query, of text.
func texts(ctx context.Context, c tiers.Statements, sql string) ([]string, error) {
	var out []string
	err := firstColumn(ctx, c, sql, func(rec array.RecordReader) {
		col := rec.RecordBatch().Column(0).(*array.String)
		for i := range col.Len() {
			out = append(out, strings.Clone(col.Value(i)))
		}
	})
	return out, err
}

func longs(ctx context.Context, c tiers.Statements, sql string) ([]int64, error) {
	var out []int64
	err := firstColumn(ctx, c, sql, func(rec array.RecordReader) {
		out = append(out, rec.RecordBatch().Column(0).(*array.Int64).Int64Values()...)
	})
	return out, err
}

func firstColumn(ctx context.Context, c tiers.Statements, sql string, each func(array.RecordReader)) error {
	r, err := c.Query(ctx, sql)
	if err != nil {
		return err
	}
	defer r.Release()
	for r.Next() {
		each(r)
	}
	return r.Err()
}
