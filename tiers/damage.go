package tiers

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"strconv"
	"strings"
)

const (
	parquetExt   = ".parquet"
	checksumMark = "-crc32c-" // before the checksum in a file's name
	checksumLen  = 8          // hexadecimal digits
)

// AddCRC32C continues the checksum of a data file with more of its bytes.
func AddCRC32C(sum uint32, b []byte) uint32 {
	return crc32.Update(sum, crc32.MakeTable(crc32.Castagnoli), b)
}

// ChecksumPath puts the checksum of a data file into its name. The name is
// what every writer of manifests carries over, so each process finds the
// checksum again.
func ChecksumPath(path string, crc32c uint32) string {
	return fmt.Sprintf("%s%s%08x%s", strings.TrimSuffix(path, parquetExt), checksumMark, crc32c, parquetExt)
}

// PathChecksum returns the checksum that a data file's name holds. Files of
// other writers have none.
func PathChecksum(path string) (crc32c uint32, ok bool) {
	stem, isParquet := strings.CutSuffix(path, parquetExt)
	at := len(stem) - checksumLen
	if !isParquet || at < len(checksumMark) || !strings.HasSuffix(stem[:at], checksumMark) {
		return 0, false
	}
	n, err := strconv.ParseUint(stem[at:], 16, 32)
	return uint32(n), err == nil
}

// ErrDamaged marks files of the lake that are missing or are not what was
// committed.
var ErrDamaged = errors.New("damaged data")

// Damage is a data file that cannot be trusted, and what is lost with it.
type Damage struct {
	Table  string `json:"table"` // bare name
	Path   string `json:"path"`
	Rows   int64  `json:"rows"`   // as the manifest counts them
	Reason string `json:"reason"` // in words
}

// FileName is the file's name without its directory.
func (d Damage) FileName() string { return d.Path[strings.LastIndexByte(d.Path, '/')+1:] }

// String says what is lost, by the file's name alone: people who may query the
// lake need not know its directories.
func (d Damage) String() string {
	return fmt.Sprintf("lake.%s lacks %d rows: file %s %s", d.Table, d.Rows, d.FileName(), d.Reason)
}

// DamageError refuses to read a table with damaged files. It wraps ErrDamaged.
type DamageError struct {
	Files []Damage // at least one
}

// Error names the first files, and says what to do.
func (e *DamageError) Error() string {
	const shown = 3
	var parts []string
	for i, d := range e.Files {
		if i == shown {
			parts = append(parts, fmt.Sprintf("and %d files more", len(e.Files)-shown))
			break
		}
		parts = append(parts, d.String())
	}
	return fmt.Sprintf("%v: %s; `lakeward fsck` lists every file to restore from a copy", ErrDamaged,
		strings.Join(parts, "; "))
}

// Unwrap makes the error an ErrDamaged.
func (e *DamageError) Unwrap() error { return ErrDamaged }

const restore = "`lakeward fsck` says what to restore from a copy"

// MetadataError is a file of a table's metadata that is missing or cannot be
// decoded. It wraps ErrDamaged.
type MetadataError struct {
	What string // "metadata file", "manifest list" or "manifest"
	Path string
	Err  error
}

// Error names the file with its directory.
func (e *MetadataError) Error() string {
	return fmt.Sprintf("%v: read %s %s: %v; %s", ErrDamaged, e.What, e.Path, e.Err, restore)
}

// Unwrap makes the error an ErrDamaged.
func (e *MetadataError) Unwrap() []error { return []error{ErrDamaged, e.Err} }

// reason is the damage in words, by the file's name alone.
func (e *MetadataError) reason() string {
	file := e.What + " " + e.Path[strings.LastIndexByte(e.Path, '/')+1:]
	if errors.Is(e.Err, fs.ErrNotExist) {
		return file + " is missing"
	}
	cause := e.Err
	if at := (*fs.PathError)(nil); errors.As(cause, &at) {
		cause = at.Err
	}
	return fmt.Sprintf("%s cannot be read: %v", file, cause)
}

// UnreadableError is a table of which nothing can be read, because its files
// cannot be listed. Other tables are not concerned.
type UnreadableError struct {
	Table string // bare name
	Err   error
}

// Error says why. Of damaged metadata it gives the file's name alone, for the
// same readers as Damage.
func (e *UnreadableError) Error() string {
	if m := (*MetadataError)(nil); errors.As(e.Err, &m) {
		return fmt.Sprintf("%v: lake.%s cannot be read: its %s; %s", ErrDamaged, e.Table, m.reason(), restore)
	}
	return fmt.Sprintf("lake.%s cannot be read: %v", e.Table, e.Err)
}

// Unwrap gives the reason.
func (e *UnreadableError) Unwrap() error { return e.Err }
