package worker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/lakeward/lakeward/query"
)

// fill asks the daemon for a table of the lake.
func (s *server) fill(_ context.Context, table string) (query.TableView, error) {
	return s.table(question{Table: table})
}

// fillAt asks the daemon for a table of the lake at a version.
func (s *server) fillAt(_ context.Context, table string, v query.Version) (query.TableView, error) {
	return s.table(question{Table: table, At: &v})
}

func (s *server) table(q question) (query.TableView, error) {
	t := query.TableView{Name: q.Table}
	f, err := s.question(q)
	if err != nil {
		return t, err
	}
	head, files, _ := bytes.Cut(f.data, []byte("\n"))
	var a answer
	if err := json.Unmarshal(head, &a); err != nil {
		return t, fmt.Errorf("%w: %w", errFrame, err)
	}
	if a.Error != nil {
		return t, &askedError{a.Error.Text}
	}
	t.Schema, t.Snapshot = a.Schema, a.Snapshot
	t.Files, err = decodeFiles(files)
	return t, err
}

// question asks the daemon something that the current request needs.
func (s *server) question(q question) (frame, error) {
	if err := s.ch.sendJSON(kindAsk, q); err != nil {
		return frame{}, err
	}
	f, err := s.ch.next()
	if err == nil && f.kind != kindAnswer {
		err = fmt.Errorf("%w: %d where an answer was expected", errFrame, f.kind)
	}
	return f, err
}

// remote is an analytics tier that the daemon reads for the worker.
type remote struct{}

// Read implements query.Remote, within a request.
func (remote) Read(ctx context.Context, wants []query.Want, each func(string, array.RecordReader) error) error {
	s, ok := ctx.Value(serverKey{}).(*server)
	if !ok {
		return errors.New("the analytics tier is read outside of a request")
	}
	list, err := wantsOf(wants)
	if err != nil {
		return err
	}
	if err := s.ch.sendJSON(kindAsk, question{Read: list}); err != nil {
		return err
	}
	var failed error
	for {
		f, err := s.ch.next()
		if err != nil {
			return err
		}
		var r reply
		if f.kind != kindTable && f.kind != kindAnswer {
			return fmt.Errorf("%w: %d where a table was expected", errFrame, f.kind)
		}
		if err := decode(f, &r); err != nil {
			return err
		}
		if f.kind == kindAnswer {
			if failed == nil && r.Error != nil {
				failed = &askedError{r.Error.Text}
			}
			return failed
		}
		if err := s.readTable(r, failed != nil, each); err != nil && failed == nil {
			failed = err
			if err := s.ch.sendNumber(kindCancel, s.number); err != nil { // of what is still to come
				return err
			}
		}
	}
}

// readTable takes or skips the rows of one table. A stream that is cut short is not
// its error: the daemon reports that itself.
func (s *server) readTable(r reply, skip bool, each func(string, array.RecordReader) error) error {
	if len(r.Names) != 1 {
		return fmt.Errorf("%w: a table without a name", errFrame)
	}
	rows, err := s.incoming(r.Schema)
	if err != nil {
		return err
	}
	defer rows.Release()
	if !skip {
		err = each(r.Names[0], rows)
	}
	rows.drain()
	if rows.lost != nil {
		return nil
	}
	return err
}
