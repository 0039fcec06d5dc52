package pgtest_test

import (
	"database/sql"
	"os"
	"testing"

	"github.com/lakeward/lakeward/internal/pgtest"
)

var postgres pgtest.Server

func TestMain(m *testing.M) { os.Exit(postgres.Run(m)) }

func TestDatabasesAreNewAndDurable(t *testing.T) {
	for range 2 {
		db, err := sql.Open("pgx", postgres.URL(t))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		})
		if _, err := db.ExecContext(t.Context(), "CREATE TABLE t (n int)"); err != nil {
			t.Fatal(err)
		}
		for _, setting := range []string{"fsync", "synchronous_commit", "full_page_writes"} {
			var value string
			if err := db.QueryRowContext(t.Context(), "SHOW "+setting).Scan(&value); err != nil || value != "on" {
				t.Errorf("%s is %q, %v", setting, value, err)
			}
		}
	}
}
