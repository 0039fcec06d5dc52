package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/lakeward/lakeward/query/duckdb"
	"github.com/lakeward/lakeward/query/quote"
)

// copyByDuckDB is the yardstick of writing: DuckDB's own way from the same
// events as a file to Parquet, with both cores.
func copyByDuckDB(ctx context.Context, file, parquet string) (o outcome, err error) {
	c, err := duckdb.Scratch(ctx)
	if err != nil {
		return o, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	if _, err := c.Exec(ctx, "SET threads = 2"); err != nil {
		return o, err
	}
	before, err := cpu()
	if err != nil {
		return o, err
	}
	began := time.Now()
	n, err := c.Exec(ctx, fmt.Sprintf("COPY (FROM read_json(%s, format = 'newline_delimited')) TO %s (FORMAT parquet, "+
		"COMPRESSION zstd)", quote.Text(file), quote.Text(parquet)))
	if err != nil {
		return o, err
	}
	o.Events, o.Seconds = int(n), time.Since(began).Seconds()
	if o.CPU, err = cpu(); err != nil {
		return o, err
	}
	o.CPU -= before
	st, err := os.Stat(parquet)
	if err != nil {
		return o, fmt.Errorf("size of DuckDB's file: %w", err)
	}
	o.Bytes = st.Size()
	return o, nil
}
