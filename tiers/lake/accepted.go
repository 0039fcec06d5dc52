package lake

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"

	"github.com/lakeward/lakeward/tiers"
)

// acceptedName is a file beside a table's metadata that names the newest
// metadata which the catalog was seen to accept. A metadata file alone does not
// tell: a crash before the swap leaves one that was never accepted. It is
// written after the swap and not synced, so it may lag behind and is never
// ahead: a catalog that lags behind it was put back from an older copy.
const acceptedName = "accepted"

// dropped is its content once the table was dropped on purpose.
const dropped = "dropped"

// nameProp holds the table's name: the catalog has it, and may get lost.
const nameProp = "lakeward.name"

// metadataFile is the name of a metadata file, by whichever writer.
var metadataFile = regexp.MustCompile(`^\d{5,9}-[^/]*\.metadata\.json$`)

// accept notes beside the metadata at loc that the catalog names it now. A note
// that cannot be written is missing later, where its lack hides nothing but the
// very last commit.
func (l *Lake) accept(loc string) {
	path, err := tiers.LocalPath(loc)
	if err == nil {
		err = l.files.replace(filepath.Join(filepath.Dir(path), acceptedName), filepath.Base(path))
	}
	if err != nil {
		l.log.Debug("the catalog's newest metadata was not noted beside it", "metadata", loc, "error", err)
	}
}

// replace puts text under a name that may be in use, without a sync.
func (d *durable) replace(name, text string) error {
	temp := filepath.Join(filepath.Dir(name), "."+filepath.Base(name)+tempSuffix)
	f, err := d.fs.Create(temp)
	if errors.Is(err, fs.ErrExist) { // left by a crash, or of another process that does the same
		if err := d.fs.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		f, err = d.fs.Create(temp)
	}
	if err != nil {
		return err
	}
	_, err = io.WriteString(f, text+"\n")
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, d.fs.Remove(temp))
	}
	return d.fs.Rename(temp, name)
}

// passedSuffix is added to the name of metadata that a person has decided to pass
// over.
const passedSuffix = ".passed"

// folder is the metadata directory of one table as it is on disk.
type folder struct {
	dir      string   // local path of the table
	files    []string // names of metadata files
	passed   []string // names of metadata files that were passed over
	newest   int      // greatest number of these; -1: there are none
	accepted string   // name of the newest metadata that is known to be accepted; empty: not known
	dropped  bool
}

// folderAt lists a table's metadata directory; ok is false if there is none.
func (l *Lake) folderAt(dir string) (f folder, ok bool, err error) {
	f = folder{dir: dir, newest: -1}
	entries, err := l.files.fs.ReadDir(filepath.Join(dir, "metadata"))
	if errors.Is(err, fs.ErrNotExist) || (err != nil && isNotDir(err)) {
		return f, false, nil
	}
	if err != nil {
		return f, false, fmt.Errorf("list metadata of %s: %w", dir, err)
	}
	for _, e := range entries {
		switch {
		case strings.HasSuffix(e.Name(), ".metadata.json") && metadataFile.MatchString(e.Name()):
			f.files = append(f.files, e.Name())
			f.newest = max(f.newest, metadataNumber(e.Name()))
		case strings.HasSuffix(e.Name(), passedSuffix):
			f.passed = append(f.passed, e.Name())
		case e.Name() == acceptedName:
			b, err := l.io.ReadFile(filepath.Join(dir, "metadata", acceptedName))
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return f, false, fmt.Errorf("read what the catalog accepted of %s: %w", dir, err)
			}
			switch text := strings.TrimSpace(string(b)); {
			case text == dropped:
				f.dropped = true
			case metadataFile.MatchString(text):
				f.accepted = text
			}
		}
	}
	return f, true, nil
}

// ahead reports whether the folder has metadata that was accepted after number
// n. One number more may be what a crash left before the catalog was asked; two
// more cannot, since the second was built on the first.
func (f folder) ahead(n int) bool {
	return f.newest > n+1 || (f.accepted != "" && metadataNumber(f.accepted) > n)
}

func isNotDir(err error) bool { return errors.Is(err, syscall.ENOTDIR) }
