package lake

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/apache/iceberg-go/table"

	"github.com/lakeward/lakeward/tiers"
)

// Ahead is a table of which the warehouse knows more than the catalog: the
// catalog was put back from an older copy, or is gone.
type Ahead struct {
	Table string `json:"table"`
	// location of the metadata that the catalog names; empty: it has no such table
	Catalog string `json:"catalog,omitempty"`
	Newest  string `json:"newest"` // local path of the newest metadata in the warehouse
	Reason  string `json:"reason"` // in words

	folder folder
}

// String is what is wrong, in words.
func (a Ahead) String() string { return "lake." + a.Table + ": " + a.Reason }

// wayOut ends every message about a catalog that is behind.
const wayOut = "`lakeward lake adopt --dry-run` says what is newer, and `lakeward lake adopt` registers it; or put " +
	"back a newer copy of the catalog"

// Survey compares the catalog with the metadata files in the warehouse and
// returns the tables of which the warehouse knows more, in order. It lists one
// directory for each table, and reads nothing else unless it finds something.
func (l *Lake) Survey(ctx context.Context) ([]Ahead, error) {
	// Folders first: what is committed in between, the catalog has already.
	folders, err := l.folders(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := l.catalog.Tables(ctx)
	if err != nil {
		return nil, err
	}
	var out []Ahead
	for _, name := range slices.Sorted(maps.Keys(rows)) {
		dir, err := tableDir(rows[name])
		if err != nil {
			return nil, fmt.Errorf("survey lake.%s: %w", name, err)
		}
		f, ok := folders[dir]
		delete(folders, dir)
		if !ok {
			continue // of a missing folder, fsck tells
		}
		if a, older := l.ahead(name, rows[name], f); older {
			out = append(out, a)
		}
	}
	for _, dir := range slices.Sorted(maps.Keys(folders)) {
		if a, lost := l.unnamed(folders[dir], rows); lost {
			out = append(out, a)
		}
	}
	slices.SortFunc(out, func(a, b Ahead) int { return strings.Compare(a.Table, b.Table) })
	return out, nil
}

// CheckCatalog is an error in words, which wraps tiers.ErrHalt, if the catalog
// is older than the warehouse.
func (l *Lake) CheckCatalog(ctx context.Context) error {
	found, err := l.Survey(ctx)
	if err != nil {
		return fmt.Errorf("compare the catalog with the warehouse: %w", err)
	}
	return behind(l.catalog.Name(), found)
}

// shownAhead bounds the tables that a message names.
const shownAhead = 3

func behind(catalog string, found []Ahead) error {
	if len(found) == 0 {
		return nil
	}
	var parts []string
	for i, a := range found {
		if i == shownAhead {
			parts = append(parts, fmt.Sprintf("and %d tables more", len(found)-i))
			break
		}
		parts = append(parts, a.String())
	}
	return fmt.Errorf("%w: the catalog (%s) is older than the lake: %s; nothing is read or committed, since that would "+
		"repeat or lose events; %s",
		tiers.ErrHalt, catalog, strings.Join(parts, "; "), wayOut)
}

// folders lists the tables' folders by their local path.
func (l *Lake) folders(ctx context.Context) (map[string]folder, error) {
	root := filepath.Join(l.warehouse, Namespace)
	entries, err := l.files.fs.ReadDir(root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list the tables in the warehouse: %w", err)
	}
	out := make(map[string]folder, len(entries))
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		dir := filepath.Join(root, e.Name())
		f, ok, err := l.folderAt(dir)
		if err != nil {
			return nil, err
		}
		if ok {
			out[dir] = f
		}
	}
	return out, nil
}

// tableDir is the local path of the table whose metadata is at loc.
func tableDir(loc string) (string, error) {
	p, err := tiers.LocalPath(loc)
	return filepath.Dir(filepath.Dir(p)), err
}

// ahead compares a table's row with its folder.
func (l *Lake) ahead(name, loc string, f folder) (Ahead, bool) {
	n := metadataNumber(loc)
	if !f.ahead(n) {
		return Ahead{}, false
	}
	a := Ahead{Table: name, Catalog: loc, folder: f}
	later, accepted := f.after(n), f.accepted
	if was, ok := l.peek(loc); ok { // another table may have had the folder before
		later = slices.DeleteFunc(later, func(file string) bool {
			meta, ok := l.peek(f.at(file))
			return ok && meta.TableUUID() != was.TableUUID()
		})
	}
	if metadataNumber(accepted) <= n || (slices.Contains(f.files, accepted) && !slices.Contains(later, accepted)) {
		accepted = ""
	}
	newest := accepted
	if len(later) > 0 && metadataNumber(later[0]) > metadataNumber(accepted) {
		newest = later[0]
	}
	if accepted == "" && metadataNumber(newest) <= n+1 {
		return Ahead{}, false
	}
	a.Newest = f.at(newest)
	a.Reason = fmt.Sprintf("the catalog names version %d of its metadata, and the warehouse has version %d (%s)", n,
		metadataNumber(newest), newest)
	return a, true
}

// suffixed is the name of a folder that was made because the plain one was in use.
var suffixed = regexp.MustCompile(`^(.+)-[0-9a-f]{8}$`)

// unnamed says whether a folder that no row leads to is of a table that the
// catalog has lost. Not lost is what was dropped, and what a crash left of a
// table that was being made.
func (l *Lake) unnamed(f folder, rows map[string]string) (Ahead, bool) {
	if f.dropped || f.newest < 0 || (f.newest == 0 && f.accepted == "") {
		return Ahead{}, false
	}
	newest := f.accepted
	if later := f.after(-1); newest == "" || metadataNumber(later[0]) > metadataNumber(newest) {
		newest = later[0]
	}
	a := Ahead{Table: l.nameOf(f, newest), Newest: f.at(newest), folder: f}
	a.Reason = fmt.Sprintf("the catalog has no such table, and the warehouse has its folder %s with version %d of its "+
		"metadata", f.dir, metadataNumber(newest))
	if loc, taken := rows[a.Table]; taken {
		a.Reason = fmt.Sprintf("the catalog has another table of this name (%s), and the warehouse has the folder %s with "+
			"version %d of its metadata; if it was dropped on purpose, move the folder out of the "+
			"warehouse", loc, f.dir, metadataNumber(newest))
	}
	return a, true
}

// nameOf is the table's name as its metadata has it, or as its folder does.
func (l *Lake) nameOf(f folder, file string) string {
	if meta, ok := l.peek(f.at(file)); ok && meta.Properties()[nameProp] != "" {
		return meta.Properties()[nameProp]
	}
	base := filepath.Base(f.dir)
	if m := suffixed.FindStringSubmatch(base); m != nil {
		return m[1]
	}
	return base
}

// peek reads a metadata file if that can be done.
func (l *Lake) peek(loc string) (meta table.Metadata, ok bool) {
	b, err := l.io.ReadFile(loc)
	if err != nil {
		return nil, false
	}
	reason := guarded(func() error {
		meta, err = table.ParseMetadataBytes(b)
		return err
	})
	return meta, reason == ""
}

// at is the local path of a metadata file.
func (f folder) at(file string) string { return filepath.Join(f.dir, "metadata", file) }

// after lists the metadata files with a number greater than n, newest first.
func (f folder) after(n int) []string {
	var out []string
	for _, name := range f.files {
		if metadataNumber(name) > n {
			out = append(out, name)
		}
	}
	slices.SortFunc(out, func(a, b string) int {
		if d := metadataNumber(b) - metadataNumber(a); d != 0 {
			return d
		}
		return strings.Compare(b, a)
	})
	return out
}

// believe refuses to commit to a table of which the warehouse knows more than
// the catalog: it would begin a second history. It looks once for each table.
func (l *Lake) believe(ctx context.Context, name string) error {
	if _, ok := l.believed.Load(name); ok {
		return nil
	}
	loc, err := l.catalog.Metadata(ctx, name)
	if err != nil {
		return err
	}
	dir, err := tableDir(loc)
	if err != nil {
		return err
	}
	f, ok, err := l.folderAt(dir)
	if err != nil {
		return err
	}
	// Later than the list: what it names may be newer, never older.
	if loc, err = l.catalog.Metadata(ctx, name); err != nil {
		return err
	}
	if ok {
		if a, older := l.ahead(name, loc, f); older {
			return behind(l.catalog.Name(), []Ahead{a})
		}
	}
	l.believed.Store(name, true)
	return nil
}

// unclaimed refuses to make a table whose folder the catalog has lost.
func (l *Lake) unclaimed(ctx context.Context, name string) error {
	root := filepath.Join(l.warehouse, Namespace)
	entries, err := l.files.fs.ReadDir(root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for folders of lake.%s: %w", name, err)
	}
	var lost []Ahead
	for _, e := range entries {
		if m := suffixed.FindStringSubmatch(e.Name()); e.Name() != name && (m == nil || m[1] != name) {
			continue
		}
		f, ok, err := l.folderAt(filepath.Join(root, e.Name()))
		if err != nil {
			return err
		}
		if a, is := l.unnamed(f, nil); ok && is && a.Table == name {
			lost = append(lost, a)
		}
	}
	if len(lost) == 0 {
		return nil
	}
	// The rows are read after the folders, so that a table that was made meanwhile
	// has its row.
	rows, err := l.catalog.Tables(ctx)
	if err != nil {
		return err
	}
	for _, loc := range rows {
		if dir, err := tableDir(loc); err == nil {
			lost = slices.DeleteFunc(lost, func(a Ahead) bool { return a.folder.dir == dir })
		}
	}
	return behind(l.catalog.Name(), lost[:min(len(lost), 1)])
}

// noteDropped notes that a table is dropped on purpose, durably: a folder without
// a row that does not say so is of a table that the catalog has lost.
func (l *Lake) noteDropped(loc string) error {
	p, err := tiers.LocalPath(loc)
	if err != nil {
		return err
	}
	return l.files.write(filepath.Join(filepath.Dir(p), acceptedName), []byte(dropped+"\n"))
}

// adopted reports whether the catalog names the metadata at loc, or may: a
// person may have registered it before its own commit came to that.
func (l *Lake) adopted(ctx context.Context, name, loc string) bool {
	now, err := l.catalog.Metadata(context.WithoutCancel(ctx), name)
	return err != nil || now == loc
}
