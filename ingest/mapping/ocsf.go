package mapping

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Version is the release of the Open Cybersecurity Schema Framework that the
// rows of mapped events follow.
const Version = "1.8.0"

// compiled is the schema as ocsf.io compiles it, cut down to what a mapping
// and a check of its rows need: types, requirements and enumerations.
//
//go:embed ocsf/1.8.0.json.gz
var compiled []byte

// A Schema is what OCSF says of its classes and objects.
type Schema struct {
	Version string            `json:"version"`
	Classes map[string]*Class `json:"classes"`
	Objects map[string]*Node  `json:"objects"`
}

// A Class is a kind of event. Its name is that of the table of its rows.
type Class struct {
	Name        string `json:"-"`
	UID         int    `json:"uid"`
	Caption     string `json:"caption"`
	CategoryUID int    `json:"category_uid"`
	Category    string `json:"category"`
	Node
}

// A Node is a set of attributes: a class or an object.
type Node struct {
	Attributes map[string]*Attribute `json:"attributes"`
	Some       []string              `json:"some"` // at least one of them is there
	One        []string              `json:"one"`  // exactly one of them is there
}

// An Attribute is one value of a class or object.
type Attribute struct {
	Type     string            `json:"t"` // of OCSF, without the suffix _t
	Object   string            `json:"o"` // if Type is object
	Array    bool              `json:"a"`
	Required bool              `json:"r"`
	Enum     map[string]string `json:"e"` // captions of the whole numbers that are allowed
	Sibling  string            `json:"s"` // the attribute that has the caption
}

// OCSF is the schema of Version.
var OCSF = sync.OnceValues(func() (*Schema, error) {
	z, err := gzip.NewReader(bytes.NewReader(compiled))
	if err != nil {
		return nil, fmt.Errorf("open the OCSF schema: %w", err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		return nil, fmt.Errorf("read the OCSF schema: %w", err)
	}
	var s Schema
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, fmt.Errorf("decode the OCSF schema: %w", err)
	}
	for name, c := range s.Classes {
		c.Name = name
	}
	return &s, nil
})

// own are the attributes of a row that are Lakeward's, not OCSF's.
func own() map[string]*Attribute {
	text := &Attribute{Type: "string"}
	return map[string]*Attribute{ActorID: text, HostID: text, MappedBy: text}
}

// The columns of a mapped row that are Lakeward's own.
const (
	ActorID  = "actor_id"  // who acted, spelled the same by every source
	HostID   = "host_id"   // on which machine, spelled the same by every source
	MappedBy = "mapped_by" // the mapping and its rule, and what Undo needs to know
)

// find is the attribute at a path below a class; the last key without an
// index. A path through an array has one of its elements.
func (s *Schema) find(c *Class, path []part) (*Attribute, error) {
	n := &c.Node
	for i, p := range path {
		a := n.Attributes[p.key]
		if a == nil && i == 0 {
			a = own()[p.key]
		}
		if a == nil {
			return nil, fmt.Errorf("OCSF %s has no attribute %s in %s", s.Version, p.key, where(c, path[:i]))
		}
		last := i == len(path)-1
		if p.listed && !a.Array {
			return nil, fmt.Errorf("%s is one value, not a list", where(c, path[:i+1]))
		}
		if last {
			return a, nil
		}
		if a.Array && !p.listed {
			return nil, fmt.Errorf("%s is a list: name its element, %s[0]", where(c, path[:i+1]), p.key)
		}
		if a.Type != "object" {
			return nil, fmt.Errorf("%s is %s, and has no attributes", where(c, path[:i+1]), a.Type)
		}
		if n = s.Objects[a.Object]; n == nil {
			return nil, fmt.Errorf("OCSF %s has no object %s", s.Version, a.Object)
		}
	}
	return nil, fmt.Errorf("the path is empty")
}

func where(c *Class, path []part) string {
	keys := []string{c.Name}
	for _, p := range path {
		keys = append(keys, p.key)
	}
	return strings.Join(keys, ".")
}

// Check lists what is wrong with a row of a class, decoded from JSON: required
// attributes that are missing, attributes that OCSF does not have, values of
// another type, numbers beyond an enumeration. Columns of Lakeward's own are
// passed over.
func (s *Schema) Check(c *Class, row map[string]any) []string {
	k := checker{s: s}
	k.node(c.Name, &c.Node, row, true)
	slices.Sort(k.wrong)
	return k.wrong
}

type checker struct {
	s     *Schema
	wrong []string
}

func (k *checker) add(format string, args ...any) {
	k.wrong = append(k.wrong, fmt.Sprintf(format, args...))
}

func (k *checker) node(path string, n *Node, row map[string]any, top bool) {
	for name, a := range n.Attributes {
		v, ok := row[name]
		if !ok || v == nil {
			if a.Required {
				k.add("%s.%s is required", path, name)
			}
			continue
		}
		k.value(path+"."+name, a, v)
	}
	for name, v := range row {
		if _, is := own()[name]; v != nil && n.Attributes[name] == nil && !(top && is) {
			k.add("%s.%s is no attribute of OCSF", path, name)
		}
	}
	has := func(name string) bool { return row[name] != nil }
	if len(n.Some) > 0 && !slices.ContainsFunc(n.Some, has) {
		k.add("%s needs one of %s", path, strings.Join(n.Some, ", "))
	}
	if len(n.One) > 0 && len(slices.DeleteFunc(slices.Clone(n.One), func(s string) bool { return !has(s) })) != 1 {
		k.add("%s needs exactly one of %s", path, strings.Join(n.One, ", "))
	}
}

func (k *checker) value(path string, a *Attribute, v any) {
	if !a.Array {
		k.single(path, a, v)
		return
	}
	list, ok := v.([]any)
	if !ok {
		k.add("%s is not a list", path)
		return
	}
	for i, v := range list {
		k.single(path+"["+strconv.Itoa(i)+"]", a, v)
	}
}

func (k *checker) single(path string, a *Attribute, v any) {
	if path == "" || v == nil {
		return
	}
	if strings.HasSuffix(path, ".time") && strings.Count(path, ".") == 1 {
		return // the column time is a timestamp, and the batch's to read
	}
	switch a.Type {
	case "object":
		o, ok := v.(map[string]any)
		if n := k.s.Objects[a.Object]; !ok || n == nil {
			k.add("%s is not an object", path)
		} else if len(n.Attributes) > 0 {
			k.node(path, n, o, false)
		}
	case "integer", "long", "port", "timestamp":
		n, ok := whole(v)
		if !ok {
			k.add("%s is not a whole number", path)
			return
		}
		if _, ok := a.Enum[n]; len(a.Enum) > 0 && !ok {
			k.add("%s is %s, which its enumeration lacks", path, n)
		}
	case "float":
		if _, ok := v.(json.Number); !ok {
			k.add("%s is not a number", path)
		}
	case "boolean":
		if _, ok := v.(bool); !ok {
			k.add("%s is not true or false", path)
		}
	case "json":
	default:
		if _, ok := v.(string); !ok {
			k.add("%s is not text", path)
		}
	}
}

func whole(v any) (string, bool) {
	n, ok := v.(json.Number)
	if !ok {
		return "", false
	}
	_, err := strconv.ParseInt(n.String(), 10, 64)
	return n.String(), err == nil
}
