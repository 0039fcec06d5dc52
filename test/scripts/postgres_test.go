package scripts

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/lakeward/lakeward/internal/pgtest"
)

var server pgtest.Server

// withPostgres stops the server after the tests.
type withPostgres struct{ m *testing.M }

func (w withPostgres) Run() int { return server.Run(w.m) }

// postgresCommand is what scripts do with PostgreSQL:
//
//	postgres new          # $POSTGRES is the URL of a new database
//	postgres away         # nothing is reached at that address any more
//	postgres back
//	postgres ask SQL      # past the address: prints the rows as psql would without one
type postgresCommand struct {
	t       *testing.T
	mu      sync.Mutex
	proxies map[string]*pgtest.CutProxy // by $POSTGRES
}

func (p *postgresCommand) command(ts *testscript.TestScript, neg bool, args []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	proxy := p.proxies[ts.Getenv("POSTGRES")]
	switch {
	case neg || len(args) == 0:
		ts.Fatalf("usage: postgres new|away|back|ask")
	case args[0] == "new":
		p.open(ts)
	case proxy == nil:
		ts.Fatalf("postgres new comes first")
	case args[0] == "away":
		proxy.Away()
	case args[0] == "back":
		proxy.Back()
	case args[0] == "ask" && len(args) == 2:
		ts.Check(show(ts, args[1]))
	default:
		ts.Fatalf("usage: postgres new|away|back|ask SQL")
	}
}

func (p *postgresCommand) open(ts *testscript.TestScript) {
	direct := server.URL(p.t)
	proxy := pgtest.StartCutProxy(p.t, server.Addr())
	through := proxy.Through(p.t, direct)
	if p.proxies == nil {
		p.proxies = map[string]*pgtest.CutProxy{}
	}
	p.proxies[through] = proxy
	ts.Setenv("POSTGRES", through)
	ts.Setenv("POSTGRES_DIRECT", direct)
}

func show(ts *testscript.TestScript, sql string) error {
	ctx := context.Background()
	c, err := pgx.Connect(ctx, ts.Getenv("POSTGRES_DIRECT"))
	if err != nil {
		return err
	}
	defer c.Close(ctx) // it holds nothing
	rows, err := c.Query(ctx, sql)
	if err != nil {
		return err
	}
	for rows.Next() {
		values, err := rows.Values()
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintln(ts.Stdout(), values...); err != nil {
			return err
		}
	}
	return rows.Err()
}
