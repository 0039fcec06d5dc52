package duckdb

import (
	"context"
	"fmt"
	"strings"

	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/lakeward/lakeward/query"
)

// fetch copies the wanted tables of the remote tier into the session's schema
// analytics, in place of earlier copies. It returns those that exist, in lower
// case. Without a remote it does nothing.
func (s *Session) fetch(ctx context.Context, wants []query.Want) (map[string]bool, error) {
	if s.remote == nil || len(wants) == 0 {
		return nil, nil
	}
	got := map[string]bool{}
	err := s.remote.Read(ctx, wants, func(table string, rows array.RecordReader) error {
		to := place{s.name, "analytics", table}
		if _, err := s.conn.Exec(ctx, "DROP TABLE IF EXISTS "+to.String()); err != nil {
			return err
		}
		if _, err := s.conn.load(ctx, to, rows); err != nil {
			return err
		}
		got[strings.ToLower(table)] = true
		return nil
	})
	return got, err
}

// fetchFor copies what a statement of a person reads, as it is now.
func (s *Session) fetchFor(ctx context.Context, r reads) error {
	if s.remote == nil {
		return nil
	}
	var wants []query.Want
	for _, full := range r.tables {
		if name, ok := strings.CutPrefix(full, "analytics."); ok {
			wants = append(wants, wantOf(name, r.tree))
		}
	}
	got, err := s.fetch(ctx, wants)
	if err != nil {
		return err
	}
	for _, w := range wants {
		if !got[w.Table] {
			return &query.ParseError{Message: fmt.Sprintf("there is no table analytics.%s; `lakeward tables` lists them",
				w.Table)}
		}
	}
	return nil
}
