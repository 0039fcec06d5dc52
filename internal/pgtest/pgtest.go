// Package pgtest starts a real PostgreSQL for tests: a new cluster in a
// temporary directory, on a free port of loopback, with a password, and with
// fsync as it is by default. It ends with the process that started it, however
// that ends.
//
//	var postgres pgtest.Server
//
//	func TestMain(m *testing.M) { os.Exit(postgres.Run(m)) }
//
//	func TestX(t *testing.T) { db, err := sql.Open("pgx", postgres.URL(t)) ... }
package pgtest

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"sync"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver named "pgx"
)

// Require is the variable that turns a missing PostgreSQL from a skip into a
// failure, when it is 1.
const Require = "LAKEWARD_REQUIRE_POSTGRES"

// Server is one PostgreSQL of a test binary, started by the first test that
// asks for it. The zero value is ready to use. Safe for concurrent use.
type Server struct {
	mu        sync.Mutex
	cluster   *cluster
	err       error // why there is none
	databases int
}

// Run runs the tests of a binary, then stops the server. It returns the exit
// code.
func (s *Server) Run(m *testing.M) int {
	code := m.Run()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cluster == nil {
		return code
	}
	if err := s.cluster.stop(); err != nil {
		fmt.Fprintln(os.Stderr, "pgtest:", err)
		return max(code, 1)
	}
	return code
}

// URL returns the postgres:// URL of a new, empty database of a superuser. It
// stays until the server stops. Without PostgreSQL on this machine the test is
// skipped, or fails if Require is set.
func (s *Server) URL(t testing.TB) string {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cluster == nil && s.err == nil {
		s.cluster, s.err = start()
	}
	if s.err != nil {
		if os.Getenv(Require) == "1" || !isMissing(s.err) {
			t.Fatal(s.err)
		}
		t.Skip(s.err)
	}
	s.databases++
	name := "test_" + strconv.Itoa(s.databases)
	if err := s.cluster.exec(t.Context(), "CREATE DATABASE "+name); err != nil {
		t.Fatalf("make database: %v", err)
	}
	return s.cluster.url(name)
}

// Installed reports whether URL would find a PostgreSQL, or must.
func (s *Server) Installed() bool {
	_, err := binaries()
	return !isMissing(err) || os.Getenv(Require) == "1"
}

// Addr is the host:port of the server that URL started.
func (s *Server) Addr() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cluster.addr
}

func (c *cluster) url(database string) string {
	u := url.URL{Scheme: "postgres", User: url.UserPassword(superuser, c.password), Host: c.addr, Path: database,
		RawQuery: "sslmode=disable"}
	return u.String()
}

// exec runs a statement in the server's own database.
func (c *cluster) exec(ctx context.Context, stmt string) (err error) {
	db, err := sql.Open("pgx", c.url("postgres"))
	if err != nil {
		return err
	}
	defer func() {
		if cerr := db.Close(); err == nil {
			err = cerr
		}
	}()
	_, err = db.ExecContext(ctx, stmt)
	return err
}
