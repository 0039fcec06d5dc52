package eventfile

import (
	"fmt"
	"strings"
)

// Error says what is wrong with a file, where, and what helps.
type Error struct {
	File   string // as given to Open
	Member string // empty: the file itself
	Line   int    // from 1; 0: the file or member as a whole
	What   string
	Remedy string
	Err    error // the cause, or nil
	// Broken means that these bytes are not an event, and that reading goes on after
	// them. Otherwise what is left of the file or member cannot be read.
	Broken bool
}

func (e *Error) Error() string {
	text := e.position() + ": " + e.What
	if e.Remedy != "" {
		text += "; " + e.Remedy
	}
	return text
}

func (e *Error) position() string {
	var b strings.Builder
	if e.File == Stdin {
		b.WriteString("standard input")
	} else {
		b.WriteString(e.File)
	}
	if e.Member != "" {
		fmt.Fprintf(&b, ", member %s", e.Member)
	}
	if e.Line > 0 {
		fmt.Fprintf(&b, ", line %d", e.Line)
	}
	return b.String()
}

func (e *Error) Unwrap() error { return e.Err }

// problem is an Error whose place is filled in by Reader.at.
func problem(what, remedy string) *Error { return &Error{What: what, Remedy: remedy} }

// broken is a problem of one event, after which the next can be read.
func broken(what, remedy string) *Error { return &Error{What: what, Remedy: remedy, Broken: true} }

func damaged(err error) *Error {
	return &Error{What: "read: " + err.Error(), Remedy: "the file may be damaged or cut short: fetch it again", Err: err}
}

// at gives an error its place; line 0 is none.
func (r *Reader) at(line int, err error) error {
	e, ok := err.(*Error) //nolint:errorlint // only an error of this package's own has no place yet
	if !ok {
		e = damaged(err)
	}
	e.File, e.Member = r.path, r.member
	if e.Line == 0 {
		e.Line = line
	}
	return e
}
