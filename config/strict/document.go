package strict

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"

	"gopkg.in/yaml.v3"
)

// Limits of a document, so that none can take the process's memory.
const (
	MaxBytes = 1 << 20 // size of a document
	MaxDepth = 64      // nesting, aliases followed
	MaxNodes = 100_000 // values, aliases followed
)

// Document is one parsed YAML document.
type Document struct {
	file  string
	root  *yaml.Node         // a mapping
	where map[*yaml.Node]Pos // of values that did not come from the file
}

// Parse reads one YAML document whose top level is a mapping. A document
// without content is an empty mapping. With problems the document is nil.
func Parse(file string, data []byte) (*Document, Problems) {
	at := Pos{File: file}
	if len(data) > MaxBytes {
		return nil, Problems{{at, fmt.Sprintf("the file has %d bytes, and at most %d are read", len(data), MaxBytes),
			"split it"}}
	}
	root, ps := parseNode(file, data)
	if len(ps) > 0 {
		return nil, ps
	}
	if root == nil {
		root = &yaml.Node{Kind: yaml.MappingNode, Line: 1, Column: 1}
	}
	d := &Document{file: file, root: root, where: map[*yaml.Node]Pos{}}
	if root.Kind != yaml.MappingNode {
		return nil, Problems{{d.pos(root), "the document is " + kindName(root), "write `key: value` lines"}}
	}
	return d, nil
}

// parseNode returns the content of the only document in data, nil if empty,
// once its size, depth and aliases are known to be bounded.
func parseNode(file string, data []byte) (root *yaml.Node, ps Problems) {
	defer func() { // the library panics on some malformed input
		if r := recover(); r != nil {
			root, ps = nil, Problems{{Pos{File: file}, fmt.Sprintf("the YAML cannot be read (%v)", r),
				"check quotes, brackets and indentation"}}
		}
	}()
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc yaml.Node
	if err := dec.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, nil
		}
		return nil, Problems{syntaxProblem(file, data, err)}
	}
	var next yaml.Node
	switch err := dec.Decode(&next); {
	case err == nil:
		return nil, Problems{{Pos{file, next.Line, next.Column}, "a second document begins here",
			"put it into a file of its own"}}
	case !errors.Is(err, io.EOF):
		return nil, Problems{syntaxProblem(file, data, err)}
	}
	if len(doc.Content) == 0 {
		return nil, nil
	}
	root = resolve(doc.Content[0])
	w := walker{file: file}
	w.walk(doc.Content[0], 1)
	if w.problem != nil {
		return nil, Problems{*w.problem}
	}
	if isNull(root) {
		return nil, nil
	}
	return root, nil
}

// lineOf finds the position in the library's messages.
var lineOf = regexp.MustCompile(`line (\d+): `)

func syntaxProblem(file string, data []byte, err error) Problem {
	// The library leaves the line out of its message if it is the first.
	p := Problem{Pos: Pos{file, 1, 1}, Remedy: "check quotes, brackets and indentation"}
	msg := err.Error()
	if len(msg) > 6 && msg[:6] == "yaml: " {
		msg = msg[6:]
	}
	if m := lineOf.FindStringSubmatchIndex(msg); m != nil {
		if n, err := strconv.Atoi(msg[m[2]:m[3]]); err == nil {
			p.Pos.Line = n
			msg = msg[:m[0]] + msg[m[1]:]
		}
	}
	p.What = "the YAML cannot be read (" + msg + ")"
	for line := p.Pos.Line; line <= p.Pos.Line+1; line++ { // the library may name the line before
		if column := tabIn(data, line); column > 0 {
			p.Pos.Line, p.Pos.Column = line, column
			p.What, p.Remedy = "a tab indents this line, and YAML knows only spaces", "indent with spaces, such as two a level"
			break
		}
	}
	return p
}

// tabIn is the column of a tab among the blanks that a line begins with; 0: there is none.
func tabIn(data []byte, line int) int {
	for range line - 1 {
		_, data, _ = bytes.Cut(data, []byte("\n"))
	}
	blanks := len(data) - len(bytes.TrimLeft(data, " \t"))
	return bytes.IndexByte(data[:blanks], '\t') + 1
}

// walker bounds what a document becomes when its aliases are followed.
type walker struct {
	file    string
	nodes   int
	problem *Problem
}

func (w *walker) walk(n *yaml.Node, depth int) {
	if w.problem != nil {
		return
	}
	w.nodes++
	at := Pos{w.file, n.Line, n.Column}
	switch {
	case depth > MaxDepth:
		w.problem = &Problem{at, fmt.Sprintf("values nest deeper than %d levels", MaxDepth), "flatten the document"}
		return
	case w.nodes > MaxNodes:
		w.problem = &Problem{at, fmt.Sprintf("the document has more than %d values, aliases followed", MaxNodes),
			"write fewer, or shorter lists"}
		return
	}
	if n.Kind == yaml.AliasNode && n.Alias != nil {
		w.walk(n.Alias, depth+1)
		return
	}
	for _, c := range n.Content {
		w.walk(c, depth+1)
	}
}

func resolve(n *yaml.Node) *yaml.Node {
	for range MaxDepth {
		if n.Kind != yaml.AliasNode || n.Alias == nil {
			break
		}
		n = n.Alias
	}
	return n
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

func kindName(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case isNull(n):
		return "empty"
	default:
		return "a single value"
	}
}

func (d *Document) pos(n *yaml.Node) Pos {
	if p, ok := d.where[n]; ok {
		return p
	}
	return Pos{d.file, n.Line, n.Column}
}

// Set gives the value at a path, over what the file says. Plain text is taken
// as it is; otherwise value is YAML. Problems name pos.
func (d *Document) Set(path []string, value string, plain bool, pos Pos) Problems {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: value}
	if !plain {
		parsed, ps := parseNode(pos.File, []byte(value))
		if len(ps) > 0 {
			return ps
		}
		if parsed == nil {
			parsed = &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null"}
		}
		n = parsed
	}
	d.place(n, pos)
	at := d.root
	for _, key := range path[:len(path)-1] {
		next := child(at, key)
		if next == nil || next.Kind != yaml.MappingNode {
			next = &yaml.Node{Kind: yaml.MappingNode}
			d.where[next] = pos
			d.put(at, key, next, pos)
		}
		at = next
	}
	d.put(at, path[len(path)-1], n, pos)
	return nil
}

func (d *Document) place(n *yaml.Node, pos Pos) {
	if _, seen := d.where[n]; seen {
		return
	}
	d.where[n] = pos
	for _, c := range n.Content {
		d.place(c, pos)
	}
}

func (d *Document) put(m *yaml.Node, key string, v *yaml.Node, pos Pos) {
	for i := 0; i+1 < len(m.Content); i += 2 {
		if m.Content[i].Value == key {
			m.Content[i+1] = v
			return
		}
	}
	k := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: key}
	d.where[k] = pos
	m.Content = append(m.Content, k, v)
}

func child(m *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(m.Content); i += 2 {
		if m.Content[i].Value == key {
			return resolve(m.Content[i+1])
		}
	}
	return nil
}

// At is where the value at a path stands, or the nearest mapping around it.
func (d *Document) At(path ...string) Pos {
	n := d.root
	for _, key := range path {
		next := child(n, key)
		if next == nil {
			break
		}
		n = next
	}
	return d.pos(n)
}
