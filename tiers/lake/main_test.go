package lake

import (
	"os"
	"testing"

	"github.com/lakeward/lakeward/internal/pgtest"
)

// Postgres is the server of this directory's tests.
var Postgres pgtest.Server

func TestMain(m *testing.M) { os.Exit(Postgres.Run(m)) }

func TestSinkConformanceOnPostgres(t *testing.T) {
	Postgres.URL(t) // skips here, not in each case
	testSink(t, func(t *testing.T) string { return Postgres.URL(t) })
}
