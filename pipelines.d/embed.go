// Package pipelines holds the shipped pipelines, for where their folder is not
// at hand.
package pipelines

import (
	"embed"
	"io/fs"
)

//go:embed *.yaml testdata
var files embed.FS

// Files are the pipelines, their tests and the tests' data.
func Files() fs.FS { return files }
