package duckdb

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/query/duckdb/syntax"
)

// maxSQL bounds text from outside, in bytes.
const maxSQL = 1 << 20

// allowedFunctions are the scalar and aggregate functions that compute on
// their arguments alone. The list is DuckDB's own, less what tells of the
// host, the settings, the catalog or other sessions, or has an effect. A test
// names what a new version of the library adds.
//
//go:embed functions.txt
var allowedFunctions string

// Parser checks SQL by its syntax tree. It implements query.Confiner.
type Parser struct {
	mu   sync.Mutex
	conn *Conn
	once sync.Once
	fns  map[string]bool

	prepare sync.Once
	trees   *syntax.Decoder
}

// NewParser opens a parser with an instance of its own, for use without an
// engine. The caller closes it.
func NewParser(ctx context.Context) (*Parser, error) {
	c, err := Scratch(ctx)
	if err != nil {
		return nil, err
	}
	return &Parser{conn: c}, nil
}

// Close ends the parser's instance. A parser of an engine is closed by it.
func (p *Parser) Close() error { return p.conn.Close() }

// use puts c, or none, in the place of the connection, which it closes.
func (p *Parser) use(c *Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conn != nil {
		_ = p.conn.Close() // it holds nothing
	}
	p.conn = c
}

func (p *Parser) allowed(name string) bool {
	p.once.Do(func() {
		p.fns = map[string]bool{}
		for f := range strings.FieldsSeq(allowedFunctions) {
			p.fns[f] = true
		}
	})
	return p.fns[strings.ToLower(name)]
}

// serialized is the answer of json_serialize_sql.
type serialized struct {
	Error      bool   `json:"error"`
	Type       string `json:"error_type"`
	Message    string `json:"error_message"`
	Position   string `json:"position"`
	Statements []any  `json:"statements"`
}

// parse returns the tree of exactly one SELECT.
func (p *Parser) parse(sql string) (*syntax.Statement, error) {
	if len(sql) > maxSQL {
		return nil, fmt.Errorf("%w: the statement is longer than %d bytes", query.ErrRefused, maxSQL)
	}
	text, err := p.serialize(sql)
	if err != nil {
		return nil, err
	}
	var s serialized
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&s); err != nil {
		return nil, fmt.Errorf("decode syntax tree: %w", err)
	}
	switch {
	case s.Error && s.Type == "parser":
		at, err := strconv.Atoi(s.Position)
		if err != nil {
			at = -1
		}
		return nil, positioned(sql, at, s.Message)
	case s.Error:
		return nil, fmt.Errorf("%w: only one SELECT may run here", query.ErrRefused)
	case len(s.Statements) != 1:
		return nil, fmt.Errorf("%w: %d statements where one SELECT was expected", query.ErrRefused, len(s.Statements))
	}
	p.prepare.Do(func() { p.trees = syntax.NewDecoder() })
	tree, err := p.trees.Decode(s.Statements[0])
	if se := (*syntax.Error)(nil); errors.As(err, &se) {
		return nil, refusedAt(sql, 0, se.At, se.Error())
	}
	return tree, err
}

// refusedAt returns a refusal of what stands at a byte of the text. The first shift
// bytes of the text are not the caller's.
func refusedAt(sql string, shift int, at syntax.Place, msg string) error {
	if at > syntax.Place(len(sql)) {
		return fmt.Errorf("%w: %s", query.ErrRefused, msg)
	}
	return fmt.Errorf("%w: %w", query.ErrRefused, shifted(positioned(sql, int(at), msg), shift))
}

func (p *Parser) serialize(sql string) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conn == nil {
		return "", query.ErrUnavailable
	}
	r, err := p.conn.Query(context.Background(), "SELECT json_serialize_sql(?::VARCHAR)", sql)
	if err != nil {
		return "", fmt.Errorf("parse: %w", err)
	}
	defer r.Release()
	if !r.Next() {
		return "", fmt.Errorf("parse: no answer: %w", r.Err())
	}
	return r.RecordBatch().Column(0).(*array.String).Value(0), nil
}
