package lake

import "github.com/lakeward/lakeward/tiers"

// NewFilePath is where a file of the table might be, for commits of files that
// nobody reads.
func NewFilePath(t tiers.Table, day int32) string { return t.(*Table).newFilePath(day) }
