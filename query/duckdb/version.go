package duckdb

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/query/duckdb/syntax"
	"github.com/lakeward/lakeward/query/quote"
)

// pinned is a lake table at a version, which a statement reads as a view of its
// own: the engine itself knows no versions of views.
type pinned struct {
	table string // bare, as the session's view has it
	at    query.Version
}

// pin puts views in the place of a statement's tables with AT, and returns the
// statement with the views' names. All else stays where it was, so that errors
// have their places.
func (s *Session) pin(sql string, tables []*syntax.BaseTable) (string, []string, error) {
	var views []string
	// From the last to the first: what is before keeps its place.
	slices.SortFunc(tables, func(a, b *syntax.BaseTable) int { return int(b.At) - int(a.At) })
	for _, t := range tables {
		at, err := versionOf(t.Version)
		if err != nil {
			return "", nil, fmt.Errorf("%w: %w", query.ErrRefused, positioned(sql, int(t.At), err.Error()))
		}
		from := int(t.At)
		name, at0, end, ok := placesOf(sql, from)
		if !ok {
			return "", nil, fmt.Errorf("%w: %w", query.ErrRefused, positioned(sql, from, "AT is not understood here; write "+
				"lake.TABLE AT (VERSION => NUMBER)"))
		}
		view := s.viewOf(pinned{s.unversioned(t.Name), at})
		views = append(views, "lake."+view)
		text := "lake." + quote.Ident(view)
		if t.Alias == "" {
			text += " AS " + quote.Ident(t.Name)
		}
		grown := len(text) - (name - from)
		text += sql[name:at0] + strings.Repeat("\n", strings.Count(sql[from:name], "\n")) + blank(sql[at0:end], grown)
		sql = sql[:from] + text + sql[end:]
	}
	return sql, views, nil
}

// blank returns spaces and line ends in place of a text, so that what follows keeps
// its line and column. Up to less bytes are left out of its first line.
func blank(text string, less int) string {
	out := strings.Map(func(r rune) rune {
		if r == '\n' {
			return r
		}
		return ' '
	}, text)
	first := strings.IndexByte(out+"\n", '\n')
	return out[min(max(less, 0), first):]
}

// unversioned is the name of a lake table as the session's view has it.
func (s *Session) unversioned(name string) string {
	for _, in := range s.inputs {
		if bare, ok := strings.CutPrefix(in, "lake."); ok && strings.EqualFold(bare, name) {
			return bare
		}
	}
	return name
}

// viewOf returns the name of the view of a pinned table. Tables of the lake cannot
// have such a name.
func (s *Session) viewOf(p pinned) string {
	at := slices.Index(s.pins, p)
	if at < 0 {
		at = len(s.pins)
		s.pins = append(s.pins, p)
		name := fmt.Sprintf("@%d", at)
		s.unseen["lake."+name] = query.TableView{Name: name}
	}
	return fmt.Sprintf("@%d", at)
}

// pinOf returns the pinned table that a view shows, if it shows one.
func (s *Session) pinOf(view string) (pinned, bool) {
	var n int
	if _, err := fmt.Sscanf(view, "@%d", &n); err != nil || n >= len(s.pins) {
		return pinned{}, false
	}
	return s.pins[n], true
}

// versionOf returns the version that AT names.
func versionOf(v *syntax.Version) (query.Version, error) {
	switch strings.ToUpper(v.Unit) {
	case "VERSION":
		if c, ok := v.Expr.(*syntax.Constant); ok && !c.Value.Null {
			if number, ok := c.Value.Value.(json.Number); ok {
				if n, err := number.Int64(); err == nil && n > 0 {
					return query.Version{Snapshot: n}, nil
				}
			}
		}
		return query.Version{}, fmt.Errorf("write the number of a snapshot, as in AT (VERSION => 5)")
	case "TIMESTAMP":
		for _, c := range constants(v.Expr) {
			if t, ok := c.(time.Time); ok {
				return query.Version{Time: t}, nil
			}
		}
		return query.Version{}, fmt.Errorf("write a time (UTC if it names no zone), as in AT (TIMESTAMP => '2026-11-28 " +
			"10:00:00')")
	}
	return query.Version{}, fmt.Errorf("write AT (VERSION => NUMBER) or AT (TIMESTAMP => 'TIME')")
}

// placesOf are where the name ends, and where AT (...) begins and ends, of the
// text NAME [alias] AT (...), which begins at a byte of a statement that parses.
// Names may be quoted, and comments anywhere.
func placesOf(sql string, from int) (name, at, end int, ok bool) {
	depth, dot := 0, true
	for i := from; i < len(sql); {
		n, kind := nextToken(sql[i:])
		token := sql[i : i+n]
		switch {
		case kind == ' ':
		case at == 0 && kind == '.':
			dot = true
		case at == 0 && dot && (kind == 'a' || kind == '"'):
			name, dot = i+n, false
		case kind == '(':
			depth++
		case kind == ')':
			if depth--; depth == 0 && at > 0 {
				return name, at, i + n, true
			}
		case depth == 0 && at == 0 && strings.EqualFold(token, "AT"):
			at = i
		}
		i += n
	}
	return 0, 0, 0, false
}

// nextToken is the length of what a text begins with, and what that is: blank or
// a comment, a word (a), a quoted name or text ("), or one byte.
func nextToken(sql string) (n int, kind byte) {
	word := func(c byte) bool {
		return c == '_' || c >= 0x80 || '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
	}
	switch c := sql[0]; {
	case strings.HasPrefix(sql, "--"):
		if n := strings.IndexByte(sql, '\n'); n >= 0 {
			return n + 1, ' '
		}
		return len(sql), ' '
	case strings.HasPrefix(sql, "/*"):
		depth := 0
		for i := 0; i < len(sql); i++ {
			switch {
			case strings.HasPrefix(sql[i:], "/*"):
				depth, i = depth+1, i+1
			case strings.HasPrefix(sql[i:], "*/"):
				if depth, i = depth-1, i+1; depth == 0 {
					return i + 1, ' '
				}
			}
		}
		return len(sql), ' '
	case strings.IndexByte(" \t\r\n\f\v", c) >= 0:
		return 1, ' '
	case c == '"' || c == '\'':
		if n := strings.IndexByte(sql[1:], c); n >= 0 {
			return n + 2, '"'
		}
		return len(sql), '"'
	case word(c):
		n := 1
		for n < len(sql) && word(sql[n]) {
			n++
		}
		return n, 'a'
	default:
		return 1, c
	}
}
