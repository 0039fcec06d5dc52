package lake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"

	"github.com/lakeward/lakeward/tiers"
)

// Adoption is what becomes of one table of which the warehouse knows more than
// the catalog.
type Adoption struct {
	Table   string   `json:"table"`
	Reason  string   `json:"reason"`            // what the catalog lacks
	From    string   `json:"from,omitempty"`    // metadata that the catalog names; empty: it has no such table
	To      string   `json:"to,omitempty"`      // metadata that it will name; empty: see Problem
	Version int      `json:"version"`           // of To
	Files   int      `json:"files"`             // data files of its snapshots
	Rows    int64    `json:"rows"`              // of its current snapshot
	Passed  []string `json:"passed,omitempty"`  // newer metadata that cannot be used, each with the reason
	Problem string   `json:"problem,omitempty"` // why nothing of the table can be registered
	Missing []string `json:"missing,omitempty"` // files that To names and that are missing or damaged
	Marks   []string `json:"marks,omitempty"`   // of To, in words

	aside []string // local paths of what is passed over
}

// PlanAdopt says for each table of which the warehouse knows more than the
// catalog which metadata can be registered: the newest whose chain leads back to
// what the catalog names, and all of whose files are there. With incomplete set,
// data files may be missing; fsck then tells which. It changes nothing.
func (l *Lake) PlanAdopt(ctx context.Context, incomplete bool) ([]Adoption, error) {
	found, err := l.Survey(ctx)
	if err != nil {
		return nil, err
	}
	claims := map[string]int{}
	for _, a := range found {
		claims[a.Table]++
	}
	out := []Adoption{}
	for _, a := range found {
		p := Adoption{Table: a.Table, From: a.Catalog, Reason: a.Reason}
		switch loc, err := l.catalog.Metadata(ctx, a.Table); {
		case claims[a.Table] > 1:
			p.Problem = fmt.Sprintf("several folders are of a table of this name; move those that are not wanted out of the "+
				"warehouse: %s", a.folder.dir)
		case err == nil && a.Catalog == "":
			p.Problem = fmt.Sprintf("the catalog has another table of this name (%s); move the folder %s out of the "+
				"warehouse, or drop that table", loc, a.folder.dir)
		case err != nil && !errors.Is(err, tiers.ErrNoTable):
			return nil, err
		case !validName.MatchString(a.Table):
			p.Problem = fmt.Sprintf("%q is not a name of a table", a.Table)
		default:
			if err := l.choose(ctx, a, incomplete, &p); err != nil {
				return nil, fmt.Errorf("plan lake.%s: %w", a.Table, err)
			}
		}
		out = append(out, p)
	}
	return out, nil
}

// choose finds the newest metadata that can be registered.
func (l *Lake) choose(ctx context.Context, a Ahead, incomplete bool, p *Adoption) error {
	from := -1
	var was table.Metadata
	if a.Catalog != "" {
		from = metadataNumber(a.Catalog)
		was, _ = l.peek(a.Catalog)
	}
	files := a.folder.after(from)
	// Of several with one number, a crash has left all but one; the accepted one counts.
	slices.SortStableFunc(files, func(x, y string) int {
		switch {
		case metadataNumber(x) != metadataNumber(y):
			return metadataNumber(y) - metadataNumber(x)
		case x == a.folder.accepted:
			return -1
		case y == a.folder.accepted:
			return 1
		}
		return 0
	})
	for _, file := range files {
		meta, ok := l.peek(a.folder.at(file))
		reason := "it cannot be read"
		if ok {
			reason = unrelated(meta, was, a.Catalog, a.folder.dir)
		}
		var r FsckReport
		if reason == "" {
			c := &fsckTable{l: l, name: a.Table, r: &r, seen: map[string]bool{}}
			if err := c.run(ctx, a.folder.at(file)); err != nil {
				return err
			}
			reason = p.lacks(r, incomplete)
		}
		if reason != "" {
			p.Passed, p.aside = append(p.Passed, file+": "+reason), append(p.aside, a.folder.at(file))
			continue
		}
		p.To, p.Version, p.Files = meta.Location()+"/metadata/"+file, metadataNumber(file), r.DataFiles
		return p.describe(a.Table, p.To, meta)
	}
	p.Problem = "no newer metadata is whole; restore the files that are named from a copy"
	if !incomplete {
		p.Problem += ", or go on without them: --incomplete"
	}
	return nil
}

// lacks says what a metadata file names that is not there; empty: nothing that
// matters.
func (p *Adoption) lacks(r FsckReport, incomplete bool) string {
	var missing []string
	for _, f := range r.Problems {
		text := fmt.Sprintf("%s %s %s", f.Kind, f.Path, f.Problem)
		if !incomplete || (f.Kind != kindDataFile && f.Current) {
			return text
		}
		missing = append(missing, text)
	}
	p.Missing = missing
	return ""
}

// describe says what the table will be.
func (p *Adoption) describe(name, loc string, meta table.Metadata) error {
	v, err := newVersion(name, loc, meta, nil)
	if err != nil {
		return err
	}
	for _, m := range v.marks {
		p.Marks = append(p.Marks, fmt.Sprintf("stream %s, %s: to sequence %d", m.Stream, m.Filter, m.Seq))
	}
	slices.Sort(p.Marks)
	if s := meta.CurrentSnapshot(); s != nil && s.Summary != nil {
		if _, err := fmt.Sscan(s.Summary.Properties["total-records"], &p.Rows); err != nil {
			p.Rows = 0 // another writer, which does not count
		}
	}
	return nil
}

// unrelated says why a metadata file is not a successor of the one that the catalog
// names (nil: it could not be read, or there is none); empty: it is one. Its log
// of predecessors is short, so behind its end the table's identity decides.
func unrelated(meta, was table.Metadata, catalog, dir string) string {
	if p, err := tiers.LocalPath(meta.Location()); err != nil || p != dir {
		return fmt.Sprintf("its table was made at %s: give the warehouse the path under which its tables were made",
			meta.Location())
	}
	if was != nil {
		switch {
		case meta.TableUUID() != was.TableUUID():
			return "it is of another table, which had the folder before or after"
		case meta.LastSequenceNumber() < was.LastSequenceNumber():
			return "it is older than what the catalog names"
		}
	}
	if catalog == "" {
		return ""
	}
	n, oldest := metadataNumber(catalog), -1
	for e := range meta.PreviousFiles() {
		at := metadataNumber(e.MetadataFile)
		if at == n && filepath.Base(e.MetadataFile) == filepath.Base(catalog) {
			return ""
		}
		if oldest < 0 || at < oldest {
			oldest = at
		}
	}
	if oldest >= 0 && oldest <= n {
		return fmt.Sprintf("its predecessors do not include what the catalog names (%s): the table has two histories",
			filepath.Base(catalog))
	}
	return ""
}

// Adopt registers what was planned, each table by itself, if the catalog still
// says what it said. Where it does not, the error wraps tiers.ErrConflict, and the
// tables before are registered. Metadata that is passed over gets another name
// first, under which it counts as newer no more; what it names stays.
func (l *Lake) Adopt(ctx context.Context, plan []Adoption) error {
	if l.readOnly {
		return errReadOnly
	}
	for _, p := range plan {
		if p.To == "" {
			continue
		}
		for _, file := range p.aside {
			if err := l.files.fs.Rename(file, file+passedSuffix); err != nil {
				return fmt.Errorf("pass over %s: %w", file, err)
			}
		}
		var err error
		if p.From == "" {
			err = l.catalog.Insert(ctx, p.Table, p.To)
		} else {
			err = l.catalog.Swap(ctx, p.Table, p.From, p.To)
		}
		if err != nil {
			return fmt.Errorf("register lake.%s in the catalog: %w; run the same command again", p.Table, err)
		}
		l.accept(p.To)
		l.log.Info("registered the newest metadata in the catalog", "table", "lake."+p.Table, "metadata", p.To)
	}
	return nil
}

// AdoptText is a plan for people.
func AdoptText(plan []Adoption) string {
	if len(plan) == 0 {
		return "the catalog names the newest metadata of every table in the warehouse: nothing to adopt\n"
	}
	var b strings.Builder
	for _, p := range plan {
		fmt.Fprintf(&b, "lake.%s: %s\n", p.Table, p.Reason)
		if p.To != "" {
			there := "all there"
			if n := len(p.Missing); n > 0 {
				there = fmt.Sprintf("of which %d are missing or damaged", n)
			}
			fmt.Fprintf(&b, "  registers %s: %d rows, %d data files, %s\n", filepath.Base(p.To), p.Rows, p.Files, there)
		}
		lines := func(what string, texts []string) {
			for _, t := range texts {
				fmt.Fprintf(&b, "  %s %s\n", what, t)
			}
		}
		lines("mark:", p.Marks)
		lines("passed over, and what only it names with it:", p.Passed)
		lines("lacks:", p.Missing)
		if p.Problem != "" {
			fmt.Fprintf(&b, "  NOT REGISTERED: %s\n", p.Problem)
		}
	}
	return b.String()
}

// LostMark is the last value of a source's mark that was removed from a table.
type LostMark struct {
	Table   string     `json:"table"`
	Mark    tiers.Mark `json:"mark"`
	From    string     `json:"from"` // where it was found
	Problem string     `json:"problem,omitempty"`
}

// LostMarks finds the marks that tables have lost, by older metadata of theirs.
// Tables that cannot be opened are passed over.
func (l *Lake) LostMarks(ctx context.Context) ([]LostMark, error) {
	names, err := l.Tables(ctx)
	if err != nil {
		return nil, err
	}
	out := []LostMark{}
	for _, name := range names {
		t, err := l.open(ctx, name)
		if errors.Is(err, tiers.ErrDamaged) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("open lake.%s: %w", name, err)
		}
		for _, key := range tiers.LostMarks(t) {
			out = append(out, l.lastMark(t.version(), key))
		}
	}
	return out, nil
}

// lastMark is the newest mark of a source that older metadata or a snapshot has.
// The source has committed nothing since: without its mark it halts.
func (l *Lake) lastMark(v *version, key string) LostMark {
	m := LostMark{Table: v.name}
	read := func(text string) bool { return text != "" && json.Unmarshal([]byte(text), &m.Mark) == nil }
	var older []string
	for e := range v.meta.PreviousFiles() {
		older = append(older, e.MetadataFile)
	}
	for _, loc := range slices.Backward(older) {
		if meta, ok := l.peek(loc); ok && read(meta.Properties()[markPrefix+key]) {
			m.From = filepath.Base(loc)
			return m
		}
	}
	for _, s := range slices.Backward(v.meta.Snapshots()) {
		if s.Summary != nil && read(s.Summary.Properties[markPrefix+key]) {
			m.From = fmt.Sprintf("the summary of snapshot %d", s.SnapshotID)
			return m
		}
	}
	m.Problem = fmt.Sprintf("no older metadata has the mark of %s; set the property %s by hand, or make the table anew",
		key, markPrefix+key)
	return m
}

// Remark puts lost marks back, each in a commit that is refused if the table has
// a mark of the source by then.
func (l *Lake) Remark(ctx context.Context, lost []LostMark) error {
	for _, m := range lost {
		if m.Problem != "" {
			continue
		}
		t, err := l.open(ctx, m.Table)
		if err == nil {
			_, err = t.Commit(ctx, tiers.Commit{ID: "remark-" + uuid.NewString(), To: &m.Mark})
		}
		if err != nil {
			return fmt.Errorf("put back the mark of lake.%s: %w", m.Table, err)
		}
		l.log.Info("put back a mark", "table", "lake."+m.Table, "stream", m.Mark.Stream, "sequence", m.Mark.Seq, "from",
			m.From)
	}
	return nil
}
