package mapping

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/lakeward/lakeward/config/strict"
)

// A Mapping turns the raw events of one product into rows of OCSF. It is
// immutable; a Mapper does the work.
type Mapping struct {
	Name        string
	Description string
	takes       [][]test
	rules       []*rule
	index       index
	trie        *trie
	slots       [][]part
}

// rule is a compiled Rule.
type rule struct {
	name  string
	class *Class
	when  [][]test
	plan  *field
	moves []*field // whose values may leave the raw event, in order
	id    []byte   // of the column mapped_by, as far as it is the same for all
}

// field is a member of the row to be written: an object, or a value.
type field struct {
	key      []byte // with quotes and colon
	path     []part
	attr     *Attribute
	listed   bool // it is an element of a list
	joins    bool // the field before it is an element of the same list
	children []*field
	from     []expression
	named    map[string]choice // of an enumeration, by caption in lower case and by number
	sibling  []byte            // the key of the caption
	class    *Class            // of activity_id: type_uid is written with it
	move     int               // place in rule.moves; -1: the value stays where it is
	spread   bool              // a list of texts becomes a list of objects with this member
	filler   bool              // it is written only beside other members
	resort   bool              // one of its expressions counts only without others that the object needs
	// Of an object, by the place of its members: those that it needs, and those
	// of which it needs one.
	required, some uint64
}

// choice is one value of an enumeration.
type choice struct {
	id      string
	caption []byte // as JSON
}

// compiler turns one Spec into a Mapping.
type compiler struct {
	spec     Spec
	schema   *Schema
	out      *Mapping
	byPath   map[string]int
	problems strict.Problems
}

func compile(spec Spec) (*Mapping, strict.Problems) {
	c := &compiler{spec: spec, out: &Mapping{Name: spec.Name.Value, Description: spec.Description, trie: newTrie()},
		byPath: map[string]int{}}
	var err error
	if c.schema, err = OCSF(); err != nil {
		c.report(spec.Name.Pos, err.Error(), "")
		return nil, c.problems
	}
	for _, as := range spec.Spellings {
		if spelled([]part{{}}, as.Value) == nil {
			c.report(as.Pos, fmt.Sprintf("%q is no spelling of keys", as.Value), "use lower, column or capital")
		}
	}
	if len(c.problems) > 0 {
		return nil, c.problems
	}
	c.out.takes = c.when(spec.Takes)
	names := map[string]bool{}
	for _, r := range spec.Rules {
		if names[r.Name.Value] {
			c.report(r.Name.Pos, fmt.Sprintf("there are two rules %q", r.Name.Value), "give each a name of its own")
		}
		names[r.Name.Value] = true
		if compiled := c.rule(r); compiled != nil {
			c.out.rules = append(c.out.rules, compiled)
		}
	}
	if len(c.problems) > 0 {
		c.problems.Sort()
		return nil, c.problems
	}
	c.out.index = newIndex(c.out.rules)
	return c.out, nil
}

// report adds a problem. What the file sets is compiled for each rule, and said
// once.
func (c *compiler) report(at strict.Pos, what, remedy string) {
	if p := (strict.Problem{Pos: at, What: what, Remedy: remedy}); !slices.Contains(c.problems, p) {
		c.problems = append(c.problems, p)
	}
}

// slots are the places of a path of the mapping: of each form that its alias
// has.
func (c *compiler) slots(path string) ([]int, error) {
	var out []int
	for _, p := range c.forms(path) {
		parts, err := parsePath(p)
		if err != nil {
			return nil, err
		}
		out = append(out, c.slot(parts))
	}
	for _, as := range c.spec.Spellings {
		for _, slot := range slices.Clone(out) {
			if s := c.slot(spelled(c.out.slots[slot], as.Value)); !slices.Contains(out, s) {
				out = append(out, s)
			}
		}
	}
	return out, nil
}

// slot is the place of one raw path.
func (c *compiler) slot(parts []part) int {
	p := pathText(parts)
	slot, ok := c.byPath[p]
	if !ok {
		slot = len(c.out.slots)
		c.byPath[p] = slot
		c.out.slots = append(c.out.slots, parts)
		c.out.trie.at(parts).slot = slot
	}
	return slot
}

// forms are the raw paths that a path of the mapping stands for.
func (c *compiler) forms(path string) []string {
	for _, a := range c.spec.Paths {
		name, open := strings.CutSuffix(a.Name.Value, "*")
		rest, ok := strings.CutPrefix(path, name)
		if !ok || !open && rest != "" {
			continue
		}
		var out []string
		for _, p := range a.Paths {
			if open {
				out = append(out, strings.TrimSuffix(p.Value, "*")+rest)
			} else {
				out = append(out, p.Value)
			}
		}
		return out
	}
	return []string{path}
}

func (c *compiler) when(alternatives []When) [][]test {
	var out [][]test
	for _, w := range alternatives {
		var all []test
		for _, cond := range w.Conditions {
			slots, err := c.slots(cond.Path.Value)
			if err != nil {
				c.report(cond.Path.Pos, err.Error(), "")
				continue
			}
			var patterns []string
			for _, p := range cond.Patterns {
				patterns = append(patterns, p.Value)
			}
			all = append(all, newTest(slots, patterns))
		}
		out = append(out, all)
	}
	return out
}

func (c *compiler) rule(spec Rule) *rule {
	class := c.schema.Classes[spec.Class.Value]
	if class == nil {
		names := slices.Sorted(maps.Keys(c.schema.Classes))
		c.report(spec.Class.Pos, fmt.Sprintf("OCSF %s has no class %q", c.schema.Version, spec.Class.Value),
			strict.Suggest(spec.Class.Value, names))
		return nil
	}
	r := &rule{name: spec.Name.Value, class: class, when: c.when(spec.When), plan: &field{move: -1},
		id: bytes.TrimSuffix(quote(nil, []byte(c.out.Name+"/"+spec.Name.Value)), []byte(`"`))}
	for _, a := range c.assignments(spec, class) {
		c.assign(r, a.Assignment, a.optional)
	}
	c.complete(r, r.plan, &class.Node, spec.Name.Pos)
	r.number(r.plan)
	return r
}

// assigned is an assignment; optional: a class without the attribute leaves it
// out.
type assigned struct {
	Assignment
	optional bool
}

// assignments are those of a rule, over those of the file, over what is the
// same for every row. A rule's attribute replaces what others set below it.
func (c *compiler) assignments(spec Rule, class *Class) []assigned {
	constant := func(name, value string) assigned {
		pos := spec.Name.Pos
		return assigned{Assignment{strict.At[string]{Value: name, Pos: pos},
			[]strict.At[string]{{Value: "=" + value, Pos: pos}}}, false}
	}
	all := []assigned{constant("class_uid", strconv.Itoa(class.UID)), constant("class_name", class.Caption),
		constant("category_uid", strconv.Itoa(class.CategoryUID)), constant("category_name", class.Category),
		constant("metadata.version", c.schema.Version), constant("metadata.product.name", c.spec.Product),
		constant("metadata.product.vendor_name", c.spec.Vendor), constant("severity_id", "Informational"),
		constant("activity_id", "Other")}
	all = append(all, c.identities(spec, class)...)
	for _, a := range c.spec.Set {
		all = append(all, assigned{a, true})
	}
	for _, a := range spec.Set {
		all = append(all, assigned{a, false})
	}
	seen := map[string]int{}
	var out []assigned
	for _, a := range all {
		name := enumerated(class, a.Attribute.Value)
		a.Attribute.Value = name
		if i, ok := seen[name]; ok {
			out[i] = a
			continue
		}
		seen[name] = len(out)
		out = append(out, a)
	}
	return out
}

// identities are who and where, from the attributes that name them: the user of
// a sign-in is who acts, elsewhere the actor is.
func (c *compiler) identities(spec Rule, class *Class) []assigned {
	who := []string{"actor.user.name", "actor.user.uid"}
	if class.Name == "authentication" {
		who = []string{"user.name", "user.uid"}
	}
	set := func(name, function string, attributes []string) []assigned {
		for _, want := range attributes {
			for _, sets := range [][]Assignment{spec.Set, c.spec.Set} {
				i := slices.IndexFunc(sets, func(a Assignment) bool { return a.Attribute.Value == want })
				if i < 0 {
					continue
				}
				a := Assignment{Attribute: strict.At[string]{Value: name, Pos: sets[i].Attribute.Pos}}
				for _, e := range sets[i].From {
					if !strings.HasPrefix(e.Value, "=") && !strings.HasPrefix(e.Value, "?=") {
						a.From = append(a.From, strict.At[string]{Value: e.Value + " | " + function, Pos: e.Pos})
					}
				}
				if len(a.From) > 0 {
					return []assigned{{a, false}}
				}
			}
		}
		return nil
	}
	return append(set(ActorID, "person", who), set(HostID, "host", []string{"device.hostname", "device.name"})...)
}

// enumerated is the attribute with the number, for one with its caption: what
// is set is the pair.
func enumerated(class *Class, path string) string {
	i := strings.LastIndexByte(path, '.') + 1
	if i == 0 {
		for name, a := range class.Attributes {
			if a.Sibling == path {
				return name
			}
		}
		return path
	}
	return path
}

func (c *compiler) assign(r *rule, a Assignment, optional bool) {
	at := a.Attribute.Pos
	text, spread := strings.CutSuffix(a.Attribute.Value, "[]")
	if before, after, ok := strings.Cut(a.Attribute.Value, "[]."); ok {
		text, spread = before+"[0]."+after, true
	}
	path, err := parsePath(text)
	if err != nil {
		c.report(at, err.Error(), "")
		return
	}
	attr, err := c.schema.find(r.class, path)
	if err != nil {
		if !optional {
			c.report(at, fmt.Sprintf("rule %q: %v", r.name, err), "")
		}
		return
	}
	last := path[len(path)-1]
	if attr.Type == "object" && !attr.Array && c.schema.Objects[attr.Object] != nil &&
		len(c.schema.Objects[attr.Object].Attributes) > 0 && !last.listed {
		c.report(at, fmt.Sprintf("%s is an object: set its attributes", a.Attribute.Value), "")
		return
	}
	f := &field{key: keyOf(last.key), path: path, attr: attr, move: -1, spread: spread}
	for _, from := range a.From {
		e, err := c.parseExpression(from.Value)
		if err != nil {
			c.report(from.Pos, err.Error(), "")
			continue
		}
		if len(attr.Enum) > 0 {
			for _, text := range e.results() {
				if problem := knownCaption(attr, text); problem != "" {
					c.report(from.Pos, problem, "")
				}
			}
		}
		f.from = append(f.from, e)
		f.resort = f.resort || e.resort
	}
	if len(attr.Enum) > 0 {
		f.choices(r.class)
		if _, ok := attr.Enum["0"]; ok && attr.Required {
			f.from = append(f.from, expression{constant: []byte("0")})
		}
	}
	r.plan.put(path, f)
}

// knownCaption says what is wrong with a text that an enumeration is set to.
func knownCaption(attr *Attribute, text string) string {
	for id, caption := range attr.Enum {
		if text == id || strings.EqualFold(text, caption) {
			return ""
		}
	}
	captions := slices.Sorted(maps.Values(attr.Enum))
	return fmt.Sprintf("%q is no value of this enumeration: use one of %s", text, strings.Join(captions, ", "))
}

func (f *field) choices(class *Class) {
	f.named = map[string]choice{}
	for id, caption := range f.attr.Enum {
		c := choice{id, quote(nil, []byte(caption))}
		f.named[id], f.named[strings.ToLower(caption)] = c, c
	}
	if f.attr.Sibling != "" {
		f.sibling = keyOf(f.attr.Sibling)
	}
	if len(f.path) == 1 && f.path[0].key == "activity_id" {
		f.class = class
	}
}

func keyOf(name string) []byte { return append(quote(nil, []byte(name)), ':') }

// put hangs a field into the tree at its path.
func (f *field) put(path []part, leaf *field) {
	for i, p := range path[:len(path)-1] {
		at := slices.IndexFunc(f.children, func(g *field) bool { return g.path[i] == p })
		if at < 0 {
			f.children = append(f.children, &field{key: keyOf(p.key), path: path[:i+1], listed: p.listed, move: -1,
				spread: leaf.spread})
			at = len(f.children) - 1
		}
		f = f.children[at]
	}
	f.children = append(f.children, leaf)
}

// complete orders the members of an object by name, values before objects, so
// that the same rule writes the same columns in the same order. It adds the
// enumerations that OCSF needs in it, as unknown, and says which other
// attributes are missing.
func (c *compiler) complete(r *rule, f *field, n *Node, at strict.Pos) {
	member := func(name string) int {
		return slices.IndexFunc(f.children, func(g *field) bool { return g.path[len(g.path)-1].key == name })
	}
	for _, name := range slices.Sorted(maps.Keys(n.Attributes)) {
		a := n.Attributes[name]
		if !a.Required || member(name) >= 0 || name == "type_uid" {
			continue
		}
		if _, ok := a.Enum["0"]; !ok {
			c.report(at, fmt.Sprintf("rule %q does not set %s, which OCSF requires", r.name,
				pathText(append(slices.Clone(f.path), part{key: name}))), "")
			continue
		}
		g := &field{key: keyOf(name), path: append(slices.Clone(f.path), part{key: name}), attr: a, move: -1, filler: true,
			from: []expression{{constant: []byte("0")}}}
		g.choices(r.class)
		f.children = append(f.children, g)
	}
	slices.SortStableFunc(f.children, func(a, b *field) int {
		return cmp.Or(after(a.filler, b.filler), after(a.resort, b.resort), after(a.children != nil, b.children != nil),
			bytes.Compare(a.key, b.key), cmp.Compare(a.path[len(a.path)-1].index, b.path[len(b.path)-1].index))
	})
	if len(f.children) > 64 {
		c.report(at, fmt.Sprintf("rule %q sets more than 64 attributes in one object", r.name), "")
		return
	}
	for i, g := range f.children {
		name := g.path[len(g.path)-1].key
		a := n.Attributes[name]
		g.joins = g.listed && i > 0 && bytes.Equal(g.key, f.children[i-1].key)
		if a != nil && a.Required && !g.joins {
			f.required |= 1 << i
		}
		if slices.Contains(n.Some, name) || slices.Contains(n.One, name) {
			f.some |= 1 << i
		}
		if g.children != nil {
			c.complete(r, g, c.schema.Objects[a.Object], at)
		}
	}
	if f.some == 0 && len(n.Some)+len(n.One) > 0 {
		c.report(at, fmt.Sprintf("rule %q sets %s, which needs one of %s", r.name, cmp.Or(pathText(f.path), r.class.Name),
			strings.Join(append(slices.Clone(n.Some), n.One...), ", ")), "")
	}
}

// after orders what is true behind what is not.
func after(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// number gives each value that may leave the raw event its place.
func (r *rule) number(f *field) {
	for _, g := range f.children {
		r.number(g)
		if g.children != nil || g.named != nil || g.spread || len(g.path) == 1 && g.path[0].key == "time" {
			continue
		}
		later := slices.ContainsFunc(g.path, func(p part) bool { return p.index > 0 })
		if len(g.candidates()) > 0 && !later { // an element may be missing before a later one
			g.move = len(r.moves)
			r.moves = append(r.moves, g)
		}
	}
}

// candidates are the slots from which a field's value is taken as it is.
func (f *field) candidates() []int {
	var out []int
	for _, e := range f.from {
		if e.constant == nil && e.template == nil && len(e.steps) == 0 {
			out = append(out, e.slots...)
		}
	}
	return out[:min(len(out), len(marks)-1)]
}

// marks say in mapped_by which candidate a value came from; the last: it did
// not leave.
const marks = "0123456789abcdefghijklmnopqrstuvwxyz-"

// Classes are the classes of a mapping's rules, which are its tables, in order
// of their names.
func (m *Mapping) Classes() []string {
	var out []string
	for _, r := range m.rules {
		out = append(out, r.class.Name)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// quote appends a JSON string.
func quote(dst, text []byte) []byte {
	b, err := json.Marshal(string(text))
	if err != nil {
		return append(dst, `""`...)
	}
	return append(dst, b...)
}
