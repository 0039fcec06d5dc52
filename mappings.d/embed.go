// Package mappings holds the shipped mappings from raw forms to OCSF, with
// their cases.
package mappings

import (
	"embed"
	"io/fs"
)

//go:embed *.yaml
var files embed.FS

// Files are the mappings and their test files.
func Files() fs.FS { return files }
