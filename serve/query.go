package serve

import (
	"context"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"

	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/query/format"
)

const (
	actionQuery = "query"

	mediaArrow    = "application/vnd.apache.arrow.stream"
	headerID      = "Lakeward-Query-Id" // chosen by the client, to ask for progress
	headerWarning = "Lakeward-Warning"  // what the answer lacks; one header for each warning
	trailerError  = "Lakeward-Error"    // an error after the first rows went out
)

// running holds the progress of queries by the id that their clients chose.
type running struct {
	mu sync.Mutex
	by map[string]query.Progress
}

func (r *running) set(id string, p query.Progress) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.by == nil {
		r.by = map[string]query.Progress{}
	}
	r.by[id] = p
}

func (r *running) get(id string) (query.Progress, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p, ok := r.by[id]
	return p, ok
}

func (r *running) drop(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.by, id)
}

func (s *Server) progress(w http.ResponseWriter, r *http.Request) {
	p, ok := s.queries.get(r.PathValue("id"))
	if !ok {
		fail(w, http.StatusNotFound, ErrNotFound)
		return
	}
	answer(w, p, nil)
}

func (s *Server) query(w http.ResponseWriter, r *http.Request) {
	var q Query
	if !decode(w, r, &q) {
		return
	}
	if id := r.Header.Get(headerID); id != "" && len(id) <= 64 {
		q.OnProgress = func(p query.Progress) { s.queries.set(id, p) }
		defer s.queries.drop(id)
	}
	q.OnWarning = func(text string) { w.Header().Add(headerWarning, strings.ReplaceAll(text, "\n", " ")) }
	form, ok := negotiate(r.Header.Values("Accept"))
	if !ok {
		var known []string
		for _, f := range answerForms() {
			known = append(known, f.media)
		}
		fail(w, http.StatusNotAcceptable, fmt.Errorf("no answer is of the form that Accept asks for: %s",
			strings.Join(known, ", ")))
		return
	}
	began := s.opts.Now()
	e := Entry{Action: actionQuery, SQL: q.SQL}
	q.OnTables = e.name
	q.Timeout = query.Least(q.Timeout, s.opts.Timeout)
	out, err := newPaced(w, q.Timeout, s.opts.Stall)
	if err != nil {
		fail(w, http.StatusInternalServerError, err)
		return
	}
	answer, end, err := s.ask(r.Context(), q)
	if err != nil {
		s.record(r.Context(), began, e, err)
		s.refuse(w, err)
		return
	}
	defer end()
	defer answer.Release()
	rows := &counted{RecordReader: answer}
	w.Header().Set("Content-Type", form.media)
	w.Header().Set("Trailer", trailerError)
	err = form.write(out, rows)
	e.Rows = rows.rows
	if out.gone {
		e.Outcome = OutcomeCanceled
	}
	s.record(r.Context(), began, e, err)
	if err != nil {
		s.countRefusal(err)
		w.Header().Set(trailerError, strings.ReplaceAll(err.Error(), "\n", " "))
	}
}

// ask runs the query in its turn. The caller calls end once it has read the
// answer.
func (s *Server) ask(ctx context.Context, q Query) (answer array.RecordReader, end func(), err error) {
	ctx, cancel, err := s.life.within(ctx)
	if err != nil {
		return nil, nil, err
	}
	began := time.Now()
	leave, err := s.admit.enter(ctx, query.Least(q.Timeout, waitMost))
	if err != nil {
		cancel()
		return nil, nil, err
	}
	if q.Timeout > 0 { // the waiting counts
		q.Timeout = max(q.Timeout-time.Since(began), time.Millisecond)
	}
	end = func() { leave(); cancel() }
	if answer, err = s.opts.Backend.Query(ctx, q); err != nil {
		end()
		return nil, nil, err
	}
	return answer, end, nil
}

type rowWriter func(http.ResponseWriter, array.RecordReader) error

const mediaJSON = "application/json"

// answerForm is a form in which rows can be answered.
type answerForm struct {
	media string
	write rowWriter
}

// answerForms are all, the first for those who do not say: for those who only
// have curl.
func answerForms() []answerForm {
	return []answerForm{
		{mediaJSON, formatted(format.JSON)}, {"text/csv", formatted(format.CSV)},
		{"application/x-ndjson", formatted(format.NDJSON)}, {mediaArrow, writeArrow},
	}
}

// negotiate picks the form that Accept wants most; ok is false if it wants none
// that there is.
func negotiate(accept []string) (best answerForm, ok bool) {
	wanted := strings.Join(accept, ",")
	if strings.TrimSpace(wanted) == "" {
		wanted = "*/*"
	}
	most := 0.0
	for part := range strings.SplitSeq(wanted, ",") {
		kind, params, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		weight := 1.0
		if q, has := params["q"]; has {
			if weight, err = strconv.ParseFloat(q, 64); err != nil {
				continue
			}
		}
		all, isRange := strings.CutSuffix(kind, "*")
		for _, f := range answerForms() {
			if weight > most && (f.media == kind || isRange && (all == "*/" || strings.HasPrefix(f.media, all))) {
				best, most = f, weight
				break
			}
		}
	}
	return best, most > 0
}

func formatted(f format.Format) rowWriter {
	return func(w http.ResponseWriter, rows array.RecordReader) error {
		return format.Write(w, f, rows)
	}
}

func writeArrow(w http.ResponseWriter, rows array.RecordReader) error {
	out := ipc.NewWriter(w, ipc.WithSchema(rows.Schema()))
	for rows.Next() {
		if err := out.Write(rows.RecordBatch()); err != nil {
			out.Close()
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return err // no end-of-stream: the client must not take this for all
	}
	return out.Close()
}
