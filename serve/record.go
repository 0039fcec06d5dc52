package serve

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"
)

// record writes one entry of the audit log, if there is one: who asked and
// when is filled in here.
func (s *Server) record(ctx context.Context, began time.Time, e Entry, err error) {
	took := s.opts.Now().Sub(began)
	switch {
	case e.Outcome != "": // known already
	case err == nil:
		e.Outcome = OutcomeOK
	case ctx.Err() != nil && !errors.Is(err, context.DeadlineExceeded):
		e.Outcome = OutcomeCanceled
	default:
		e.Outcome = OutcomeFailed
	}
	if e.Action == actionQuery {
		s.metrics.queries.WithLabelValues(string(e.Outcome)).Observe(took.Seconds())
	}
	if s.opts.Audit == nil {
		return
	}
	id := identityOf(ctx)
	e.Time, e.Who, e.Role, e.Remote = began.UTC(), id.Name, id.Role, id.Remote
	e.Millis = took.Milliseconds()
	e.Args = maps.Clone(e.Args)
	maps.DeleteFunc(e.Args, func(_, v string) bool { return v == "" })
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

// paced writes an answer whose client has to take it: each part within a while,
// and all of it soon after the query's own time. A client that does not read
// would hold the query's place otherwise.
type paced struct {
	http.ResponseWriter
	rc    *http.ResponseController
	stall time.Duration // for one part
	last  time.Time     // for all; zero: no bound
	gone  bool          // whoever asked takes no more
}

func newPaced(w http.ResponseWriter, within, stall time.Duration) (*paced, error) {
	p := &paced{ResponseWriter: w, rc: http.NewResponseController(w), stall: stall}
	if within > 0 {
		p.last = time.Now().Add(within + stall)
	}
	// The query has its own time before the first part.
	if err := p.rc.SetWriteDeadline(p.last); err != nil {
		return nil, fmt.Errorf("bound the answer: %w", err)
	}
	return p, nil
}

func (p *paced) Write(b []byte) (int, error) {
	by := time.Now().Add(p.stall)
	if !p.last.IsZero() && p.last.Before(by) {
		by = p.last
	}
	if err := p.rc.SetWriteDeadline(by); err != nil {
		p.gone = true
		return 0, err
	}
	n, err := p.ResponseWriter.Write(b)
	p.gone = p.gone || err != nil
	return n, err
}
