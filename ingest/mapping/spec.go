package mapping

import (
	"strings"

	"github.com/lakeward/lakeward/config/strict"
)

// Spec is a mapping as its file has it.
type Spec struct {
	Name        strict.At[string]
	Description string
	Vendor      string
	Product     string
	Paths       []Alias
	Spellings   []strict.At[string]
	Tables      []Table
	Takes       []When
	Set         []Assignment
	Rules       []Rule
}

// Alias is a name for a value that stands at other paths in other forms of the
// same event. A name that ends with .* is one for all values below the paths.
type Alias struct {
	Name  strict.At[string]
	Paths []strict.At[string]
}

// Table gives texts other texts.
type Table struct {
	Name    strict.At[string]
	Entries []Entry
}

// Entry is one text of a Table.
type Entry struct {
	From strict.At[string]
	To   string
}

// When are conditions that must all hold.
type When struct{ Conditions []Condition }

// Condition is what the value at a path has to be: one of some patterns.
type Condition struct {
	Path     strict.At[string]
	Patterns []strict.At[string]
}

// Assignment says where an attribute's value comes from: the first of its
// expressions that has one.
type Assignment struct {
	Attribute strict.At[string]
	From      []strict.At[string]
}

// Rule makes the events that it takes rows of a class.
type Rule struct {
	Name  strict.At[string]
	When  []When
	Class strict.At[string]
	Set   []Assignment
}

// Case is a test of a mapping.
type Case struct {
	Name   strict.At[string]
	Event  strict.At[string] // JSON
	Table  strict.At[string] // empty: no rule takes it
	Expect []Expect
}

// Expect is what an attribute of the row has to be.
type Expect struct {
	Attribute strict.At[string]
	Value     string // JSON
}

func text() strict.Type[strict.At[string]] { return strict.Positioned(strict.NonEmpty()) }

// specType is the whole language.
func specType() strict.Type[Spec] {
	key := func(string) (string, string) { return "", "" }
	paths := strict.Via(strict.OneOrList(strict.Named(text(), "path")),
		func(a *Alias) *[]strict.At[string] { return &a.Paths })
	entry := strict.Via(strict.Text(), func(e *Entry) *string { return &e.To })
	table := strict.Via(strict.Keyed(entry, func(e *Entry) *strict.At[string] { return &e.From }, key),
		func(t *Table) *[]Entry { return &t.Entries })
	set := strict.Via(strict.OneOrList(strict.Named(text(), "expression")),
		func(a *Assignment) *[]strict.At[string] { return &a.From })
	sets := func() strict.Type[[]Assignment] {
		return strict.Keyed(set, func(a *Assignment) *strict.At[string] { return &a.Attribute }, key)
	}
	condition := strict.Via(strict.OneOrList(strict.Named(text(), "pattern")),
		func(c *Condition) *[]strict.At[string] { return &c.Patterns })
	when := strict.OneOrList(strict.Via(strict.Keyed(condition,
		func(c *Condition) *strict.At[string] { return &c.Path }, key), func(w *When) *[]Condition { return &w.Conditions }))
	rule := strict.Object(
		strict.F("name", text(), func(r *Rule) *strict.At[string] { return &r.Name },
			"What the rule is called in the column mapped_by, unique in the file.").Needed(),
		strict.F("when", when, func(r *Rule) *[]When { return &r.When }, "Which events it takes: by path, a pattern or a "+
			"list of them. All paths must match. A list of such mappings: one of them must. The first rule that takes an "+
			"event has it. A pattern is text in which `*` stands for any text; `*` alone is any value, `!` before a "+
			"pattern is its opposite, `!*` no value. Case counts.").Needed(),
		strict.F("class", text(), func(r *Rule) *strict.At[string] { return &r.Class },
			"The class of OCSF, which is the table as well: `authentication`, `api_activity`.").Needed(),
		strict.F("set", sets(), func(r *Rule) *[]Assignment { return &r.Set },
			"Where each attribute comes from, over what the file sets for all rules."),
	)
	return strict.Object(
		strict.F("name", strict.Positioned(strict.Checked(strict.NonEmpty(), nameProblem)),
			func(s *Spec) *strict.At[string] { return &s.Name },
			"Name of the mapping, as a source names it: lower-case letters, digits, `-` and `_`.").Needed(),
		strict.F("description", strict.Text(), func(s *Spec) *string { return &s.Description }, "Whose events it maps."),
		strict.F("vendor", strict.NonEmpty(), func(s *Spec) *string { return &s.Vendor },
			"Attribute metadata.product.vendor_name.").Needed(),
		strict.F("product", strict.NonEmpty(), func(s *Spec) *string { return &s.Product },
			"Attribute metadata.product.name.").Needed(),
		strict.F("paths", strict.Keyed(paths, func(a *Alias) *strict.At[string] { return &a.Name }, key),
			func(s *Spec) *[]Alias { return &s.Paths }, "Names for values that stand at other paths in other forms of the "+
				"event, the first that has a value counts: `id: [winlog.event_id, EventID]`. `data.*: [EventData.*, \"*\"]` "+
				"names all values below."),
		strict.F("spellings", strict.List(text()), func(s *Spec) *[]strict.At[string] { return &s.Spellings },
			"How else the keys of a path may be spelled, as some collectors do: `lower` (eventname for eventName), `column` "+
				"(the first key alone, as a column is called), `capital` (the first key, with a capital letter)."),
		strict.F("tables", strict.Keyed(table, func(t *Table) *strict.At[string] { return &t.Name }, key),
			func(s *Spec) *[]Table { return &s.Tables }, "Texts by text, for the function `lookup`: "+
				"`logon: {2: Interactive, 3: Network}`."),
		strict.F("takes", when, func(s *Spec) *[]When { return &s.Takes },
			"Which events are of this product; written like `when`. Others are not looked at by any rule.").Needed(),
		strict.F("set", sets(), func(s *Spec) *[]Assignment { return &s.Set },
			"Attributes that all rules set; those that a class does not have are left out."),
		strict.F("rules", strict.List(rule), func(s *Spec) *[]Rule { return &s.Rules },
			"The rules, in order. An event that none takes stays in the source's own table, as it was sent.").Needed(),
	)
}

type caseFile struct{ Cases []Case }

func caseType() strict.Type[caseFile] {
	expect := strict.Via(strict.JSON(), func(e *Expect) *string { return &e.Value })
	one := strict.Object(
		strict.F("name", text(), func(c *Case) *strict.At[string] { return &c.Name }, "What the case shows.").Needed(),
		strict.F("event", strict.Positioned(strict.JSON()), func(c *Case) *strict.At[string] { return &c.Event },
			"The event as it is published.").Needed(),
		strict.F("table", text(), func(c *Case) *strict.At[string] { return &c.Table },
			"The table of its row. Without it: no rule takes the event."),
		strict.F("expect", strict.Keyed(expect, func(e *Expect) *strict.At[string] { return &e.Attribute },
			func(string) (string, string) { return "", "" }), func(c *Case) *[]Expect { return &c.Expect },
			"Attributes of the row by path; null: there is none."),
	)
	return strict.Object(strict.F("cases", strict.List(one), func(f *caseFile) *[]Case { return &f.Cases },
		"The cases.").Needed())
}

func nameProblem(name string) (what, remedy string) {
	for _, c := range name {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && !strings.ContainsRune("-_", c) {
			return "the name " + name + " has a character that names do not have",
				"use lower-case letters, digits, - and _"
		}
	}
	if len(name) > 63 {
		return "the name is longer than 63 characters", "shorten it"
	}
	return "", ""
}

// Parse reads a mapping and compiles it. The mapping is nil if there are
// problems.
func Parse(file string, data []byte) (*Mapping, strict.Problems) {
	doc, ps := strict.Parse(file, data)
	if len(ps) > 0 {
		return nil, ps
	}
	spec, ps := strict.Decode(doc, specType())
	if len(ps) > 0 {
		return nil, ps
	}
	return compile(spec)
}

// ParseCases reads the cases of a mapping's test file.
func ParseCases(file string, data []byte) ([]Case, strict.Problems) {
	doc, ps := strict.Parse(file, data)
	if len(ps) > 0 {
		return nil, ps
	}
	f, ps := strict.Decode(doc, caseType())
	return f.Cases, ps
}

// Reference documents the language.
func Reference() []strict.FieldDoc { return specType().Doc().Fields }
