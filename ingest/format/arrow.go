package format

import "github.com/lakeward/lakeward/ingest/columnfile"

// arrow is a stream of Arrow IPC, or its file format (Feather).
func arrow() Format { return columns{"arrow", columnfile.Arrow} }
