package serve

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"
)

// record writes one entry of the audit log, if there is one: who asked and
// when is filled in here.
func (s *Server) record(ctx context.Context, began time.Time, e Entry, err error) {
	if s.opts.Audit == nil {
		return
	}
	id := identityOf(ctx)
	e.Time, e.Who, e.Role, e.Remote = began.UTC(), id.Name, id.Role, id.Remote
	e.Millis = s.opts.Now().Sub(began).Milliseconds()
	e.Args = maps.Clone(e.Args)
	maps.DeleteFunc(e.Args, func(_, v string) bool { return v == "" })
	if e.SQL != "" && s.opts.TablesOf != nil {
		e.Tables = s.opts.TablesOf(e.SQL)
	}
	switch {
	case e.Outcome != "": // known already
	case err == nil:
		e.Outcome = OutcomeOK
	case ctx.Err() != nil && !errors.Is(err, context.DeadlineExceeded):
		e.Outcome = OutcomeCanceled
	default:
		e.Outcome = OutcomeFailed
	}
	if err != nil {
		e.Error = err.Error()
	}
	s.opts.Audit.Record(e)
}

// counted counts the rows that are read.
type counted struct {
	array.RecordReader
	rows int64
}

func (c *counted) Next() bool {
	if !c.RecordReader.Next() {
		return false
	}
	c.rows += c.RecordBatch().NumRows()
	return true
}

// watched notices that whoever asked has gone.
type watched struct {
	http.ResponseWriter
	gone bool
}

func (w *watched) Write(p []byte) (int, error) {
	n, err := w.ResponseWriter.Write(p)
	w.gone = w.gone || err != nil
	return n, err
}
