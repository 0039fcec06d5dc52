package lake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/lakeward/lakeward/tiers"
)

// ErrElsewhere is wrapped by errors of a lake that is not where it was made, or
// whose catalog and warehouse are of different lakes.
var ErrElsewhere = errors.New("the lake is not where it was made")

// recordName is the file in the warehouse that says which lake it is of.
const recordName = "lakeward.json"

// The properties of the namespace that say which lake a catalog is of, and
// below which directory its tables name their files.
const (
	idProp    = "lakeward.id"
	placeProp = "lakeward.place"
)

// Record says which lake a catalog or a warehouse is of, and where that is.
// Table metadata holds absolute paths, so a lake works in one place only.
type Record struct {
	ID      string `json:"id"`
	Place   string `json:"place"`             // the warehouse, as the tables' metadata names it
	Catalog string `json:"catalog,omitempty"` // for people, and to tell whose catalog a copy uses
	Next    string `json:"next,omitempty"`    // the id that a relocation under way gives
}

// Record is what is recorded of the lake. Its ID is empty where a lake of an
// older version is open for reading only.
func (l *Lake) Record() Record { return l.record }

// Warehouse is the directory of the tables as their metadata names it. It may
// be another name of the directory that the lake was opened by.
func (l *Lake) Warehouse() string { return l.warehouse }

// identify compares what is recorded of the lake with where it is, and records
// it where nothing is. The error wraps ErrElsewhere.
func (l *Lake) identify(ctx context.Context) error {
	s, err := l.site(ctx)
	if err != nil {
		return err
	}
	if err := s.refusal(l.warehouse); err != nil {
		return err
	}
	l.warehouse = s.place
	l.record = Record{ID: s.id(), Place: s.place, Catalog: l.catalog.Name()}
	if l.readOnly {
		return nil
	}
	if s.cat.ID == "" || s.cat.Place == "" {
		if l.record.ID == "" {
			l.record.ID = uuid.NewString()
		}
		if l.record, err = l.recordInCatalog(ctx, l.record); err != nil {
			return fmt.Errorf("record which lake this is: %w", err)
		}
	}
	if s.ware.ID != l.record.ID || s.ware.Place != l.record.Place || s.ware.Catalog == "" || s.ware.Next != "" {
		if err := l.recordInWarehouse(l.record); err != nil {
			return fmt.Errorf("record which lake this is: %w", err)
		}
	}
	return nil
}

// site is what is recorded of a lake, and what follows from it.
type site struct {
	cat, ware Record
	place     string // where the tables' files are by their metadata
	here      bool   // that is the directory which was opened
	original  bool   // the lake is still in that other place
	empty     bool   // nothing is here
}

func (s site) id() string {
	if s.cat.ID != "" {
		return s.cat.ID
	}
	return s.ware.ID
}

// unfinished reports whether a relocation has changed the catalog, and was cut
// short before the warehouse's record.
func (s site) unfinished() bool { return s.ware.Next != "" && s.ware.Next == s.cat.ID && s.here }

// refusal says why the lake cannot be used here, and what to do; nil: it can.
func (s site) refusal(here string) error {
	switch {
	case s.unfinished():
		return fmt.Errorf("%w: a relocation to %s was cut short: run `lakeward relocate` again", ErrElsewhere, here)
	case s.cat.ID != "" && s.ware.ID != "" && s.cat.ID != s.ware.ID && s.here:
		return fmt.Errorf("%w: the catalog is of lake %s (in %s) and the warehouse %s is of lake %s: correct lake.catalog "+
			"or lake.warehouse",
			ErrElsewhere, s.cat.ID, s.cat.Place, here, s.ware.ID)
	case s.here:
		return nil
	case s.empty:
		return fmt.Errorf("%w: the catalog is of the lake in %s, and %s has nothing of it: set lake.warehouse to that "+
			"place (or mount it there), or give a new lake a catalog of its own by lake.catalog", ErrElsewhere, s.place, here)
	case s.original:
		return fmt.Errorf("%w: %s is a copy of the lake in %s, which is still there, and its tables name the original's "+
			"files: run `lakeward relocate`, which makes the copy a lake of its own", ErrElsewhere, here, s.place)
	default:
		return fmt.Errorf("%w: %s was moved from %s, and its tables name files there: "+
			"run `lakeward relocate`, which rewrites them for this place, or move it back", ErrElsewhere, here, s.place)
	}
}

// site reads the records. A lake of an older version has none: its place then
// follows from where its tables are.
func (l *Lake) site(ctx context.Context) (s site, err error) {
	if s.cat, err = l.catalogRecord(ctx); err != nil {
		return s, err
	}
	if s.ware, err = l.warehouseRecord(l.warehouse); err != nil {
		return s, err
	}
	switch {
	case s.cat.Place != "":
		s.place = s.cat.Place
	case s.ware.Place != "":
		s.place = s.ware.Place
	default:
		if s.place, err = l.inferPlace(ctx); err != nil {
			return s, err
		}
	}
	s.here = s.place == l.warehouse || sameFile(s.place, l.warehouse)
	if !s.here {
		s.original = l.lakeIn(s.place, s.id())
		s.empty = s.ware.ID == "" && !l.lakeIn(l.warehouse, "")
	}
	return s, nil
}

// inferPlace returns the directory that holds the tables of the catalog, which
// is not the warehouse if the lake was moved. Tables that were put elsewhere on
// purpose do not count.
func (l *Lake) inferPlace(ctx context.Context) (string, error) {
	rows, err := l.catalog.Tables(ctx)
	if err != nil {
		return "", err
	}
	var other []string
	for _, loc := range rows {
		dir, err := tableDir(loc)
		if err != nil || filepath.Base(filepath.Dir(dir)) != Namespace {
			continue
		}
		if at := filepath.Dir(filepath.Dir(dir)); at != l.warehouse {
			other = append(other, at)
		}
	}
	if len(other) == 0 {
		return l.warehouse, nil
	}
	return slices.Min(other), nil
}

// lakeIn reports whether the lake is in a directory; without an id, whether any is.
func (l *Lake) lakeIn(dir, id string) bool {
	if id != "" {
		r, err := l.warehouseRecord(dir)
		return err == nil && r.ID == id
	}
	_, err := l.files.fs.Stat(filepath.Join(dir, Namespace))
	return err == nil
}

// sameFile reports whether two paths are one directory, by a link or a mount.
func sameFile(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}

func (l *Lake) warehouseRecord(dir string) (r Record, err error) {
	path := filepath.Join(dir, recordName)
	b, err := l.io.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return r, fmt.Errorf("read which lake the warehouse is of: %w", err)
	}
	if err := json.Unmarshal(b, &r); err != nil || r.ID == "" || r.Place == "" {
		return r, fmt.Errorf("read which lake the warehouse is of: %s is damaged (%w): put it back from a copy, or remove "+
			"it if the warehouse was neither moved nor copied", path,
			errors.Join(err, errors.New("it must have an id and a place")))
	}
	return r, nil
}

func (l *Lake) recordInWarehouse(r Record) error {
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return l.files.write(filepath.Join(l.warehouse, recordName), append(b, '\n'))
}

// catalogRecord is what the catalog says. The place is recorded last, so that
// with it there is an id.
func (l *Lake) catalogRecord(ctx context.Context) (r Record, err error) {
	if r.Place, err = l.catalog.Value(ctx, placeProp); err == nil {
		r.ID, err = l.catalog.Value(ctx, idProp)
	}
	if err != nil {
		return r, fmt.Errorf("read which lake the catalog is of: %w", err)
	}
	return r, nil
}

// recordInCatalog records r unless another process has recorded something in the
// meantime, and returns the record that is in the catalog afterwards.
func (l *Lake) recordInCatalog(ctx context.Context, r Record) (Record, error) {
	for _, v := range []Value{{Key: idProp, New: r.ID}, {Key: placeProp, New: r.Place}} {
		if _, err := l.catalog.SwapValue(ctx, v); err != nil {
			return r, err
		}
	}
	now, err := l.catalogRecord(ctx)
	if err != nil {
		return r, err
	}
	if now.Place != r.Place {
		return r, fmt.Errorf("%w: another daemon has recorded %s as the catalog's warehouse: give all daemons of a lake "+
			"the same lake.warehouse",
			ErrElsewhere, now.Place)
	}
	r.ID = now.ID
	return r, nil
}

// mover gives the paths in a lake's metadata another beginning.
type mover struct{ from, to string }

// location returns where a file is after the move. Files outside from stay.
func (m mover) location(loc string) string {
	for _, form := range []func(string) string{tiers.Location, func(p string) string {
		return p
	}, func(p string) string { return "file:" + p }} {
		if rest, ok := strings.CutPrefix(loc, form(m.from)+"/"); ok {
			return form(m.to) + "/" + rest
		}
	}
	if p, err := tiers.LocalPath(loc); err == nil {
		if rel, err := filepath.Rel(m.from, p); err == nil && filepath.IsLocal(rel) && rel != "." {
			return tiers.Location(filepath.Join(m.to, rel))
		}
	}
	return loc
}
