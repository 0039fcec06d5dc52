package worker

import (
	"context"
	"errors"

	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/tiers"
)

// classes lists the errors that callers branch on, with their names in the
// protocol.
var classes = []struct {
	name string
	err  error
}{
	{"rows", query.ErrTooManyRows}, {"copy", query.ErrTooMuch}, {"unavailable", query.ErrUnavailable},
	{"bytes", query.ErrTooManyBytes}, {"timeout", query.ErrTimeout}, {"memory", query.ErrMemory},
	{"busy", query.ErrBusy}, {"refused", query.ErrRefused}, {"conflict", query.ErrConflict},
	{"statement", query.ErrStatement},
	{"away", tiers.ErrAway}, {"damaged", tiers.ErrDamaged}, {"no table", tiers.ErrNoTable},
	{"canceled", context.Canceled}, {"deadline", context.DeadlineExceeded},
}

// wireError is the form of an error in the protocol.
type wireError struct {
	Text    string            `json:"text"`
	Classes []string          `json:"classes,omitempty"`
	Parse   *query.ParseError `json:"parse,omitempty"`
	Column  string            `json:"column,omitempty"` // of a *query.NoColumnError
	Asked   bool              `json:"asked,omitempty"`  // it is about what the worker asked the daemon for
}

// askedError is an error that the daemon gave as the answer to a question.
type askedError struct{ text string }

func (e *askedError) Error() string { return e.text }

func toWire(err error) *wireError {
	if err == nil {
		return nil
	}
	w := &wireError{Text: err.Error(), Asked: errors.As(err, new(*askedError))}
	for _, c := range classes {
		if errors.Is(err, c.err) {
			w.Classes = append(w.Classes, c.name)
		}
	}
	errors.As(err, &w.Parse)
	if none := (*query.NoColumnError)(nil); errors.As(err, &none) {
		w.Column = none.Column
	}
	return w
}

// remoteError is an error of the other process. It wraps the errors that the original wrapped.
type remoteError struct {
	text string
	errs []error
}

func (e *remoteError) Error() string   { return e.text }
func (e *remoteError) Unwrap() []error { return e.errs }

// mostText bounds the text of an error from the other process.
const mostText = 64 << 10 // bytes

// fromWire returns the error that w describes. asked is the error that this side gave
// as an answer, if any.
func fromWire(w *wireError, asked error) error {
	if w == nil {
		return nil
	}
	w.Text, w.Classes = w.Text[:min(len(w.Text), mostText)], w.Classes[:min(len(w.Classes), len(classes))]
	if w.Parse != nil {
		w.Parse.Message = w.Parse.Message[:min(len(w.Parse.Message), mostText)]
	}
	if w.Parse != nil && len(w.Classes) == 0 && w.Parse.Error() == w.Text {
		return w.Parse
	}
	e := &remoteError{text: w.Text}
	for _, name := range w.Classes {
		for _, c := range classes {
			if c.name == name {
				e.errs = append(e.errs, c.err)
			}
		}
	}
	if w.Parse != nil {
		e.errs = append(e.errs, w.Parse)
	}
	if w.Asked && asked != nil {
		e.errs = append(e.errs, asked)
	}
	if w.Column != "" {
		return &query.NoColumnError{Column: w.Column[:min(len(w.Column), mostText)], Refused: e}
	}
	return e
}

// EndedError is a statement whose worker has ended. It wraps query.ErrCrashed
// and, if a limit was the reason, the error of that limit.
type EndedError struct {
	Reason string
	limit  error // nil: none
}

// Error says that nothing else was harmed.
func (e *EndedError) Error() string {
	return query.ErrCrashed.Error() + ": " + e.Reason + "; nothing else was touched"
}

// Unwrap gives the classes.
func (e *EndedError) Unwrap() []error {
	if e.limit != nil {
		return []error{query.ErrCrashed, e.limit}
	}
	return []error{query.ErrCrashed}
}
