package tiers

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A value that does not fit its column goes to a column beside it, named after
// it and the kind of value: n_double beside the long n. Its Doc tells such a
// column from an event's own field of that name, which never goes there.

const besideDoc = "values that do not fit the type of "

var besideSuffix = [...]string{KindBool: "_bool", KindLong: "_long", KindDouble: "_double", KindString: "_text",
	KindStruct: "_object", KindList: "_list"}

// Beside is the column for values of a kind, as JSON has them, that do not fit
// the column of that name. It has no id and no members.
func Beside(name string, kind Kind) Field {
	return Field{Name: name + besideSuffix[kind], Type: Type{Kind: kind}, Doc: besideDoc + name}
}

// BesideOf is the name of the column that f stands beside, and the kind that f
// was made for.
func BesideOf(f Field) (name string, kind Kind, ok bool) {
	name, ok = strings.CutPrefix(f.Doc, besideDoc)
	if !ok {
		return "", 0, false
	}
	for k, suffix := range besideSuffix {
		if suffix != "" && f.Name == name+suffix {
			return name, Kind(k), true
		}
	}
	return "", 0, false
}

// Merged reports whether SQL shows the numbers of both fields under the name of
// n: whole ones, and those beside them that are not. Both may stand beside a
// column of another type.
func Merged(n, beside Field) bool {
	of, kind, ok := BesideOf(beside)
	if !ok || kind != KindDouble || n.Type.Kind != KindLong || beside.Type.Kind != KindDouble {
		return false
	}
	other, kind, ok := BesideOf(n)
	return of == n.Name || ok && kind == KindLong && other == of
}

// MisfitReason says why values are not, or not only, in the column of their path.
type MisfitReason string

// The reasons of misfits.
const (
	MisfitBeside MisfitReason = "type"    // of another type than the column: in a column beside it
	MisfitType   MisfitReason = "no-type" // of another type than the column, or of none, as [] and {}: in unmapped
	// more digits than a double has: the nearest is in the column, the text in unmapped
	MisfitDigits   MisfitReason = "digits"
	MisfitLimit    MisfitReason = "limit"    // beyond the limits of columns or depth: in unmapped
	MisfitRepeated MisfitReason = "repeated" // the key stood in the object before: in unmapped, as $repeated
	MisfitName     MisfitReason = "name"     // the key cannot name a column: in unmapped
	MisfitCase     MisfitReason = "case"     // spelled otherwise than the column that it is in
	MisfitOthers   MisfitReason = "others"   // of more paths than are told apart
)

// Misfit counts the values of a path that are not, or not only, in its column.
type Misfit struct {
	Path   string       `json:"path"` // keys joined by dots, [] for the elements of a list
	Reason MisfitReason `json:"reason"`
	Column string       `json:"column,omitempty"` // where the values are; empty: unmapped
	Values uint64       `json:"values"`
	First  time.Time    `json:"first"` // when such a value was decoded first, and last
	Last   time.Time    `json:"last"`
}

// Reserved reports whether a name at the top is that of a column of Lakeward's
// own, so that an event's field of that name has a column beside it.
func Reserved(name string) bool {
	switch strings.ToLower(name) {
	case ColTime, ColIngestTime, ColStreamSeq, ColEventID, ColOwnEventID, ColUnmapped, ColTimeSource, ColStreamSubject:
		return true
	}
	return false
}

// Leaves counts fields that hold values: no structs and lists, but what is in them.
func Leaves(fields []Field) int {
	n := 0
	for _, f := range fields {
		switch {
		case f.Type.Kind == KindStruct:
			n += Leaves(f.Type.Fields)
		case f.Type.Elem != nil:
			n += Leaves([]Field{*f.Type.Elem})
		default:
			n++
		}
	}
	return n
}

// mostMisfits are the paths that a source remembers for a table.
const mostMisfits = 100

// misfitsProp begins the table properties that hold the misfits of a source,
// followed by the key of its mark.
const misfitsProp = "lakeward.misfits."

// MisfitsKey is the table property of a source's misfits.
func MisfitsKey(source string) string { return misfitsProp + source }

// AddMisfits returns the property's value with more misfits counted. What
// cannot be read is begun anew.
func AddMisfits(property string, more []Misfit) string {
	var all []Misfit
	if err := json.Unmarshal([]byte(property), &all); err != nil {
		all = nil
	}
	for _, m := range more {
		if !slices.ContainsFunc(all, m.same) && len(all) >= mostMisfits {
			m.Path, m.Reason, m.Column = "", MisfitOthers, ""
		}
		all = addMisfit(all, m)
	}
	b, err := json.Marshal(all)
	if err != nil {
		panic(fmt.Sprintf("encode misfits: %v", err)) // years beyond 9999
	}
	return string(b)
}

func (m Misfit) same(o Misfit) bool {
	return o.Path == m.Path && o.Reason == m.Reason && o.Column == m.Column
}

func addMisfit(all []Misfit, m Misfit) []Misfit {
	i := slices.IndexFunc(all, m.same)
	if i < 0 {
		return append(all, m)
	}
	all[i].Values += m.Values
	if m.First.Before(all[i].First) {
		all[i].First = m.First
	}
	if m.Last.After(all[i].Last) {
		all[i].Last = m.Last
	}
	return all
}

// Misfits are those that a table's properties tell of, of all sources, the most
// values first.
func Misfits(properties map[string]string) []Misfit {
	var all []Misfit
	for key, text := range properties {
		var some []Misfit
		if !strings.HasPrefix(key, misfitsProp) || json.Unmarshal([]byte(text), &some) != nil {
			continue
		}
		for _, m := range some {
			all = addMisfit(all, m)
		}
	}
	slices.SortFunc(all, func(a, b Misfit) int {
		return cmp.Or(cmp.Compare(b.Values, a.Values), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Reason, b.Reason))
	})
	return all
}

// Advice is what a person can do about a misfit.
func (m Misfit) Advice() string {
	switch m.Reason {
	case MisfitBeside:
		if Reserved(m.Path) {
			return "the name is of a column of Lakeward's own: query " + m.Column
		}
		return "query " + m.Column + " too, or declare the type of " + m.Path + " for a new table (tables.NAME.columns)"
	case MisfitType:
		return "query unmapped; a type that all values have can be declared for a new table (tables.NAME.columns)"
	case MisfitDigits:
		return "query the column; where each digit counts, unmapped; or have the source send a text"
	case MisfitLimit:
		return "raise ingest.max_columns or ingest.max_depth, or query unmapped"
	case MisfitRepeated:
		return "have the source send each key once; query unmapped"
	case MisfitName:
		return "have the source name the key otherwise; query unmapped"
	case MisfitCase:
		return "query " + m.Column
	}
	return "see unmapped for which"
}
