package lake

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/lakeward/lakeward/tiers"
)

// RelocateOptions say what becomes of a lake in a new place.
type RelocateOptions struct {
	// Copy gives the lake an id of its own even if the original is not found
	// where it was: it is on another machine, or not mounted.
	Copy bool
	// Incomplete goes on although data files are missing or damaged.
	Incomplete bool
}

// Relocation is what was rewritten.
type Relocation struct {
	From      string        `json:"from"`
	To        string        `json:"to"`
	ID        string        `json:"id"`
	Copy      bool          `json:"copy"`
	Was       string        `json:"was,omitempty"` // the original's id, of a copy
	Tables    int           `json:"tables"`
	Snapshots int           `json:"snapshots"`
	DataFiles int           `json:"data_files"`
	Bytes     int64         `json:"bytes"`
	Missing   []FsckProblem `json:"missing,omitempty"`
}

// Nothing reports whether the lake was where it belongs.
func (r Relocation) Nothing() bool { return r.From == r.To && !r.Copy }

// String is the relocation for people.
func (r Relocation) String() string {
	if r.Nothing() {
		return fmt.Sprintf("the lake is in %s, where it was made: nothing to do\n", r.To)
	}
	text := fmt.Sprintf("rewrote %d tables with %d snapshots and %d data files from %s to %s; every file is there with "+
		"its size\n",
		r.Tables, r.Snapshots, r.DataFiles, r.From, r.To)
	if len(r.Missing) > 0 {
		text = fmt.Sprintf("rewrote %d tables from %s to %s, of which %d files are missing or damaged: `lakeward fsck` "+
			"names them\n",
			r.Tables, r.From, r.To, len(r.Missing))
	}
	if r.Copy {
		text += fmt.Sprintf("it is a lake of its own now, with the id %s\n", r.ID)
	}
	return text
}

// Relocate makes a lake that was moved or copied one that is where it is: it
// writes the metadata of every table anew, with manifest lists and manifests, and
// points the catalog at them in one transaction once every file that they name
// was found with its size. No file is changed, so a copy may share data files
// with its original by hard links. Cut short, it is carried on by the next call.
// Nobody else may have the lake open.
func Relocate(ctx context.Context, o Options, r RelocateOptions) (_ Relocation, err error) {
	o.ReadOnly = false
	l, err := openAnywhere(ctx, o)
	if err != nil {
		return Relocation{}, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	s, err := l.site(ctx)
	if err != nil {
		return Relocation{}, err
	}
	out := Relocation{From: s.place, To: l.warehouse, ID: s.id()}
	if s.unfinished() {
		out.ID = s.cat.ID
		if s.ware.ID != s.cat.ID {
			out.From, out.Was, out.Copy = s.ware.Place, s.ware.ID, true
		}
		return out, l.recordInWarehouse(Record{ID: out.ID, Place: l.warehouse, Catalog: l.catalog.Name()})
	}
	if s.here && !r.Copy {
		out.To = out.From
		return out, s.refusal(l.warehouse)
	}
	if s.empty {
		return out, s.refusal(l.warehouse)
	}
	rel, err := l.prepareRelocation(s, r, &out)
	if err != nil {
		return out, err
	}
	return out, rel.run(ctx)
}

// relocation is one that is under way.
type relocation struct {
	mover
	l   *Lake
	o   RelocateOptions
	out *Relocation
	tag string // of the files that it writes
}

// prepareRelocation decides on the id, and notes it in the warehouse.
func (l *Lake) prepareRelocation(s site, o RelocateOptions, out *Relocation) (*relocation, error) {
	isCopy := o.Copy || s.original
	next := s.id()
	switch {
	case s.ware.Next != "":
		next = s.ware.Next
		isCopy = isCopy || next != s.id()
	case isCopy || next == "":
		next = uuid.NewString()
	}
	if isCopy {
		if err := l.ownCatalog(s); err != nil {
			return nil, err
		}
		out.Copy, out.Was = true, s.id()
	}
	note := s.ware
	if note.ID == "" {
		note = Record{ID: next, Place: s.place, Catalog: s.ware.Catalog}
	}
	note.Next = next
	if err := l.recordInWarehouse(note); err != nil {
		return nil, fmt.Errorf("note the relocation: %w", err)
	}
	out.ID = next
	id := uuid.NewSHA1(uuid.NameSpaceURL, []byte(next+"\n"+l.warehouse))
	return &relocation{mover: mover{s.place, l.warehouse}, l: l, o: o, out: out, tag: id.String()[:8]}, nil
}

// ownCatalog refuses a copy whose catalog is still the original's: the original
// would lose its tables to the copy.
func (l *Lake) ownCatalog(s site) error {
	theirs := s.ware.Catalog
	if theirs == "" && s.original {
		if r, err := l.warehouseRecord(s.place); err == nil {
			theirs = r.Catalog
		}
	}
	name := l.catalog.Name()
	if theirs != name && !(filepath.IsAbs(theirs) && sameFile(theirs, name)) {
		return nil
	}
	if s.here { // an id of its own in the same place is all that is asked for
		return nil
	}
	return fmt.Errorf("%w: the copy in %s still uses the original's catalog (%s): give it one of its own by "+
		"lake.catalog, with a copy of the tables iceberg_tables and "+
		"iceberg_namespace_properties", ErrElsewhere, l.warehouse, name)
}

func (r *relocation) run(ctx context.Context) error {
	rows, err := r.l.catalog.Tables(ctx)
	if err != nil {
		return err
	}
	moves := map[string]Move{}
	for _, name := range slices.Sorted(maps.Keys(rows)) {
		if r.location(rows[name]) == rows[name] { // here already, or elsewhere on purpose
			continue
		}
		to, err := r.table(ctx, name, rows[name])
		if err != nil {
			return fmt.Errorf("relocate lake.%s: %w", name, err)
		}
		moves[name] = Move{From: rows[name], To: to, Previous: r.location(rows[name])}
	}
	catalog, err := r.l.portable()
	if err != nil {
		return err
	}
	if err := catalog.Move(ctx, moves, Record{ID: r.out.ID, Place: r.to}); err != nil {
		return fmt.Errorf("point the catalog at the new metadata: %w", err)
	}
	for _, m := range moves {
		r.l.accept(m.To)
	}
	if err := r.l.recordInWarehouse(Record{ID: r.out.ID, Place: r.to, Catalog: r.l.catalog.Name()}); err != nil {
		return fmt.Errorf("record the lake's place: %w", err)
	}
	return nil
}

// table writes the metadata of a table for its new place, and returns where it
// is once every file that it names was found.
func (r *relocation) table(ctx context.Context, name, loc string) (string, error) {
	at := r.location(loc)
	dir, err := tableDir(at)
	if err != nil {
		return "", err
	}
	f, _, err := r.l.folderAt(dir)
	if err != nil {
		return "", err
	}
	if n := metadataNumber(loc); f.accepted != "" && metadataNumber(f.accepted) > n {
		return "", fmt.Errorf("%w: the catalog names version %d of its metadata, and the folder %s has version %d: it was "+
			"copied while a daemon committed; copy it again without one, or use `lakeward backup`, which works beside a daemon",
			tiers.ErrHalt, n, dir, metadataNumber(f.accepted))
	}
	to, err := r.metadata(ctx, loc, at)
	if err != nil {
		return "", err
	}
	var rep FsckReport
	c := &fsckTable{l: r.l, name: name, r: &rep, seen: map[string]bool{}}
	if err := c.run(ctx, to); err != nil {
		return "", err
	}
	for _, p := range rep.Problems {
		if !r.o.Incomplete || p.Kind != kindDataFile {
			return "", fmt.Errorf("%w: the %s %s %s, and nothing was changed; put it back from a copy%s",
				tiers.ErrHalt, p.Kind, p.Path, p.Problem, incompleteHint(p.Kind))
		}
		r.out.Missing = append(r.out.Missing, p)
	}
	r.out.Tables++
	r.out.Snapshots += rep.Snapshots
	r.out.DataFiles += rep.DataFiles
	r.out.Bytes += rep.Bytes
	return to, nil
}

func incompleteHint(kind string) string {
	if kind != kindDataFile {
		return ""
	}
	return ", or go on without it: --incomplete"
}

// metadata writes the metadata that was named loc, and is at now, for its new
// place, and returns its location.
func (r *relocation) metadata(ctx context.Context, loc, at string) (string, error) {
	b, err := r.l.io.ReadFile(at)
	if err != nil {
		return "", broken("metadata file", at, err, err)
	}
	doc, err := r.document(b, at)
	if err != nil {
		return "", broken("metadata file", at, nil, err)
	}
	lists, err := doc.snapshots()
	if err != nil {
		return "", broken("metadata file", at, nil, err)
	}
	manifests := map[string]written{}
	for _, s := range lists {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		list, _ := s["manifest-list"].(string)
		w, err := r.list(list, manifests)
		if err != nil {
			return "", err
		}
		s["manifest-list"] = w.location
	}
	if b, err = doc.encode(); err != nil {
		return "", err
	}
	dir := at[:strings.LastIndexByte(at, '/')]
	id := uuid.NewSHA1(uuid.NameSpaceURL, []byte(r.tag+"\n"+loc))
	to := fmt.Sprintf("%s/%05d-%s.metadata.json", dir, metadataNumber(loc)+1, id)
	if err := r.l.io.WriteFile(to, b); err != nil {
		return "", fmt.Errorf("write %s: %w", to, err)
	}
	return to, nil
}

// written is a file that was rewritten.
type written struct {
	location string
	size     int64
}

// list rewrites a manifest list, and the manifests that it names unless another
// list has named them.
func (r *relocation) list(loc string, manifests map[string]written) (written, error) {
	var last written
	edit := avroEdit{
		text: func(path, value string) (_ string, err error) {
			if path != "manifest_path" {
				return value, nil
			}
			var ok bool
			if last, ok = manifests[value]; !ok {
				if last, err = r.manifest(value); err != nil {
					return "", err
				}
				manifests[value] = last
			}
			return last.location, nil
		},
		long: func(path string, value int64) (int64, error) {
			switch path {
			case "manifest_length":
				return last.size, nil
			case "content":
				if value != 0 {
					return 0, fmt.Errorf("%w: it has delete files, which the lake does not write", tiers.ErrHalt)
				}
			}
			return value, nil
		},
	}
	return r.avro("manifest list", loc, edit)
}

func (r *relocation) manifest(loc string) (written, error) {
	return r.avro("manifest", loc, avroEdit{text: func(path, value string) (string, error) {
		if path == "data_file.file_path" || path == "data_file.referenced_data_file" {
			return r.location(value), nil
		}
		return value, nil
	}})
}

// avro writes the Avro file that was named loc with changes, beside it, unless
// that was done before: what it would be follows from its name.
func (r *relocation) avro(what, loc string, e avroEdit) (written, error) {
	at := r.location(loc)
	b, err := r.l.io.ReadFile(at)
	if err != nil {
		return written{}, broken(what, at, err, err)
	}
	var out []byte
	reason := guarded(func() error {
		out, err = e.rewrite(b)
		return err
	})
	if reason != "" {
		return written{}, broken(what, at, nil, errors.Join(errors.New("it "+reason), err))
	}
	w := written{location: r.named(at), size: int64(len(out))}
	path, err := tiers.LocalPath(w.location)
	if err != nil {
		return written{}, err
	}
	switch info, err := r.l.files.fs.Stat(path); {
	case err == nil && info.Size() == w.size:
		return w, nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return written{}, fmt.Errorf("look for %s: %w", path, err)
	}
	if err := r.l.io.WriteFile(w.location, out); err != nil {
		return written{}, fmt.Errorf("write %s: %w", w.location, err)
	}
	return w, nil
}

// named is the name of a rewritten file.
func (r *relocation) named(loc string) string {
	stem, _ := strings.CutSuffix(loc, ".avro")
	if i := len(stem) - len("-moved-12345678"); i > 0 && strings.HasPrefix(stem[i:], "-moved-") {
		stem = stem[:i]
	}
	return stem + "-moved-" + r.tag + ".avro"
}
