package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// TestWhatIsDoneAboutAFailure: only what may pass is tried again.
func TestWhatIsDoneAboutAFailure(t *testing.T) {
	code := func(c string) error { return fmt.Errorf("run: %w", &pgconn.PgError{Code: c}) }
	for _, c := range []struct {
		err  error
		want class
	}{
		{code("40001"), conflict}, {code("40P01"), conflict},
		{code("57P01"), away}, {code("57P03"), away}, {code("08006"), away}, {code("53300"), away}, {code("25006"), away},
		{code("28P01"), final}, {code("3D000"), final}, {code("42501"), final}, {code("55P03"), final},
		{code("22P02"), final}, {code("53100"), final},
		{fmt.Errorf("%w: %w", errUnknown, io.ErrUnexpectedEOF), away}, {fmt.Errorf("read: %w", io.ErrUnexpectedEOF), away},
		{errLost, away},
		{context.Canceled, final}, {&rowError{io.EOF}, final}, {errors.New("a bug"), final},
	} {
		if got := classOf(c.err); got != c.want {
			t.Errorf("%v is %d, want %d", c.err, got, c.want)
		}
	}
}

func TestRefusalsSayWhatToDo(t *testing.T) {
	for code, part := range map[string]string{"55P03": "pg_stat_activity", "42501": "grant", "2BP01": "drop the view",
		"53100": "disk is full"} {
		err := explained(&pgconn.PgError{Code: code}, "findings")
		if !strings.Contains(err.Error(), part) || classOf(err) != final {
			t.Errorf("%s: %v", code, err)
		}
	}
}
