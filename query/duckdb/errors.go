package duckdb

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/lakeward/lakeward/query"
)

// parseError turns DuckDB's message about text that it could not parse or bind
// into a query.ParseError. The message ends with "LINE n: text" and a caret
// below the column.
func parseError(sql, msg string) error {
	head, rest, found := strings.Cut(msg, "\n\nLINE ")
	e := &query.ParseError{Message: strings.TrimSpace(head)}
	if !found {
		return e
	}
	num, tail, ok := strings.Cut(rest, ":")
	line, err := strconv.Atoi(num)
	if !ok || err != nil {
		return e
	}
	e.Line = line
	text, caret, ok := strings.Cut(tail, "\n")
	if !ok || strings.HasPrefix(strings.TrimSpace(text), "...") {
		// A long line is shown as a part of itself: find the part again.
		e.Column = shortenedColumn(sql, line, text, caret)
		return e
	}
	if at := strings.IndexByte(caret, '^'); at >= 0 {
		e.Column = 1 + bytesOf(strings.TrimPrefix(text, " "), at-len("LINE : ")-len(num))
	}
	return e
}

// bytesOf returns the number of bytes of the first characters of a text.
func bytesOf(text string, chars int) int {
	for i := range text {
		if chars <= 0 {
			return i
		}
		chars--
	}
	return len(text) + max(0, chars)
}

func shortenedColumn(sql string, line int, text, caret string) int {
	lines := strings.Split(sql, "\n")
	part := strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(text), "..."), "...")
	at := strings.IndexByte(caret, '^')
	if line > len(lines) || part == "" || at < 0 {
		return 0
	}
	from := strings.Index(lines[line-1], part)
	lead := strings.Index(text, part) + len("LINE :") + len(strconv.Itoa(line))
	if from < 0 || at < lead {
		return 0
	}
	return from + bytesOf(part, at-lead) + 1
}

// positioned gives the line and column of a byte offset.
func positioned(sql string, offset int, msg string) *query.ParseError {
	if offset < 0 || offset > len(sql) {
		return &query.ParseError{Message: msg}
	}
	before := sql[:offset]
	return &query.ParseError{
		Line:    strings.Count(before, "\n") + 1,
		Column:  offset - strings.LastIndexByte(before, '\n'),
		Message: msg,
	}
}

// runError classifies an error of execution. Binding happens at the start of
// execution when parameters are untyped, so that it may be a ParseError too.
func runError(sql, msg string) error {
	if conflict(msg) {
		return &conflictError{msg}
	}
	for _, p := range []string{"Parser Error", "Binder Error", "Catalog Error"} {
		if strings.HasPrefix(msg, p) {
			return parseError(sql, msg)
		}
	}
	msg, _, _ = strings.Cut(msg, "\n\nStack Trace:")
	msg = strings.TrimSpace(msg)
	if strings.HasPrefix(msg, "Out of Memory Error") || strings.Contains(msg, "std::bad_alloc") {
		return &memoryError{msg}
	}
	if about, _, ok := strings.Cut(msg, " Error: "); ok && strings.Contains(ofTheStatement, "|"+about+"|") {
		return &statementError{parseError(sql, msg)}
	}
	return errors.New(msg)
}

// ofTheStatement are DuckDB's kinds of errors that are about what a statement
// does with its values, not about the engine.
const ofTheStatement = "|Conversion|Invalid Input|Out of Range|Invalid Type|Mismatch Type|Not " +
	"implemented|Constraint|Sequence|Divide by Zero|Object Size|"

// statementError is DuckDB's text of such an error, with its place.
type statementError struct{ at error }

func (e *statementError) Error() string { return e.at.Error() }
func (e *statementError) Unwrap() error { return query.ErrStatement }

// conflictError is DuckDB's error about a transaction that lost to another.
type conflictError struct{ msg string }

func (e *conflictError) Error() string { return e.msg }
func (e *conflictError) Unwrap() error { return query.ErrConflict }

// memoryError is DuckDB's error about exhausted memory or disk. The session
// replaces its text by one that names the limits.
type memoryError struct{ msg string }

func (e *memoryError) Error() string { return e.msg }
func (e *memoryError) Unwrap() error { return query.ErrMemory }

// beyond words an error of what ran, so that whoever asked knows which limit
// it was and what to do.
func (l limits) beyond(err error) error {
	var m *memoryError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &m):
		// DuckDB does not say reliably which of the two was used up first.
		return fmt.Errorf("%w: what runs now may use %s of memory together (the engine's part of memory.budget) and %s of "+
			"disk (query.max_spill); read less with WHERE, sort or group less, ask when less runs, or raise "+
			"these", query.ErrMemory, size(l.memory),
			size(l.spill))
	case l.timeout > 0 && errors.Is(err, errTimeout):
		return fmt.Errorf("%w: more than %s (query.timeout, or what was asked for); read less with WHERE, or ask for a "+
			"shorter time", query.ErrTimeout, l.timeout)
	}
	return err
}

func size(n int64) string {
	if n >= 10<<30 {
		return fmt.Sprintf("%d GiB", n>>30)
	}
	return fmt.Sprintf("%d MiB", n>>20)
}

// invalidated reports whether DuckDB has taken a database, or the whole
// instance, out of use: after a checkpoint or a sync that failed it refuses
// everything until they are opened again.
func invalidated(err error) bool {
	text := err.Error()
	return strings.HasPrefix(text, "FATAL Error") || strings.Contains(text, "has been invalidated")
}

func conflict(msg string) bool {
	for _, m := range []string{"write-write conflict", "Conflict on ", "Transaction conflict",
		"has been altered by a different transaction",
		"Current transaction is aborted"} {
		if strings.Contains(msg, m) {
			return true
		}
	}
	return false
}

var pathInMessage = regexp.MustCompile(`(?:[a-z0-9]+://|/)[^\s"',:]+`)

// withoutPaths removes file names from an error shown to untrusted callers.
func withoutPaths(err error) error {
	var pe *query.ParseError
	if errors.As(err, &pe) {
		c := *pe
		c.Message = pathInMessage.ReplaceAllString(c.Message, "<file>")
		return &c
	}
	if s := err.Error(); strings.Contains(s, "/") {
		return &redactedError{text: pathInMessage.ReplaceAllString(s, "<file>"), err: err}
	}
	return err
}

type redactedError struct {
	text string
	err  error
}

func (e *redactedError) Error() string { return e.text }
func (e *redactedError) Unwrap() error { return e.err }
