package format

import "github.com/lakeward/lakeward/ingest/columnfile"

// parquet is a Parquet file.
func parquet() Format { return columns{"parquet", columnfile.Parquet} }
