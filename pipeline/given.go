package pipeline

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/lakeward/lakeward/pipeline/sqltext"
	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/tiers"
)

// give puts a case's rows into an analytics table through the tier's own sink.
// Columns of findings have their types; others are what their values look like.
func (b *Bench) give(ctx context.Context, table string, ndjson []byte) (err error) {
	kinds, names, err := givenColumns(ndjson)
	if err != nil || len(names) == 0 {
		return err
	}
	s, err := b.Engine.Open(ctx, query.View{}, query.Options{Trusted: true})
	if err != nil {
		return err
	}
	defer func() {
		if cerr := s.Close(); err == nil {
			err = cerr
		}
	}()
	cols := make([]string, len(names))
	for i, n := range names {
		path := sqltext.Str(`$."` + n + `"`)
		cols[i] = fmt.Sprintf("CAST(j->>%s AS %s) AS %s", path, kinds[n], sqltext.Ident(n))
	}
	lines := bytes.Split(bytes.TrimSpace(ndjson), []byte("\n"))
	list := "[" + string(bytes.Join(lines, []byte(","))) + "]"
	rows, err := s.Query(ctx, "SELECT "+strings.Join(cols, ", ")+
		` FROM (SELECT unnest(from_json(?::JSON, '["JSON"]')) AS j)`, list)
	if err != nil {
		return err
	}
	defer rows.Release()
	_, err = b.Sinks.Analytics.Write(ctx, tiers.Write{Table: table, Mode: tiers.Append, Pipeline: "given", RunID: "given",
		Rows: rows})
	return err
}

// givenColumns are the columns of the rows and their types in the engine.
func givenColumns(ndjson []byte) (kinds map[string]string, names []string, err error) {
	known := map[string]tiers.Kind{}
	for _, c := range tiers.FindingColumns() {
		known[c.Name] = c.Kind
	}
	kinds = map[string]string{}
	lines := bufio.NewScanner(bytes.NewReader(ndjson))
	lines.Buffer(nil, maxTestFile)
	for lines.Scan() {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		var row map[string]any
		if err := json.Unmarshal(lines.Bytes(), &row); err != nil {
			return nil, nil, fmt.Errorf("decode row: %w", err)
		}
		for name, v := range row {
			if k, ok := known[name]; ok {
				kinds[name] = sqltext.TypeOf(k)
			} else if kinds[name] == "" && v != nil {
				kinds[name] = looksLike(v)
			}
		}
	}
	if _, findings := kinds["finding_id"]; findings { // a finding has all of its columns
		for name, k := range known {
			kinds[name] = sqltext.TypeOf(k)
		}
	}
	return kinds, sortedKeys(kinds), lines.Err()
}

func looksLike(v any) string {
	switch x := v.(type) {
	case float64:
		return "DOUBLE"
	case bool:
		return "BOOLEAN"
	case string:
		if _, err := time.Parse(time.RFC3339, x); err == nil {
			return "TIMESTAMPTZ"
		}
	}
	return "VARCHAR"
}
