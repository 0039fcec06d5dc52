package lake_test

import (
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/lake"
	"github.com/lakeward/lakeward/tiers/tierstest"
)

// onPostgres is a new lake whose catalog is a new database.
func onPostgres(t *testing.T, dir string) lake.Options {
	t.Helper()
	return lake.Options{Warehouse: filepath.Join(dir, "lake"), Catalog: lake.Postgres.URL(t)}
}

func TestConformanceOnPostgres(t *testing.T) {
	lake.Postgres.URL(t) // skips here, not in each case
	tierstest.TestLake(t, func(t *testing.T) tiers.Lake { return open(t, onPostgres(t, t.TempDir())) })
}

// TestEveryFailureOnPostgres: the failures are those of TestEveryFailure, of
// which most are the file system's and the same.
func TestEveryFailureOnPostgres(t *testing.T) {
	lake.Postgres.URL(t)
	everyFailure(t, 3*stride, func(dir string) lake.Options { return onPostgres(t, dir) })
}

func TestLostReplyOnPostgres(t *testing.T)      { lostReply(t, onPostgres(t, t.TempDir())) }
func TestReadOnlyBesideOnPostgres(t *testing.T) { readOnlyBeside(t, onPostgres(t, t.TempDir())) }

// TestTwoProcessesOnPostgres: also where the database, by its own setting,
// refuses the later of two changes rather than letting it see the earlier.
func TestTwoProcessesOnPostgres(t *testing.T) {
	for _, level := range []string{"read committed", "repeatable read", "serializable"} {
		t.Run(level, func(t *testing.T) {
			o := onPostgres(t, t.TempDir())
			exec(t, o.Catalog, fmt.Sprintf("DO $$ BEGIN EXECUTE format('ALTER DATABASE %%I SET default_transaction_isolation "+
				"= %%L', current_database(), '%s'); END $$", level))
			twoProcesses(t, o)
		})
	}
}

// TestOpenedAtOnce: the tables of the catalog are made once.
func TestOpenedAtOnce(t *testing.T) {
	o := onPostgres(t, t.TempDir())
	errs := make([]error, 8)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			l, err := lake.Open(t.Context(), o)
			if err == nil {
				err = l.Close()
			}
			errs[i] = err
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// TestCatalogOfAnother: tables of the layout that other engines make, which
// has no type, are used once they have got one, also by a role that may not
// make tables.
func TestCatalogOfAnother(t *testing.T) {
	o := onPostgres(t, t.TempDir())
	for _, stmt := range []string{
		`CREATE TABLE iceberg_tables (catalog_name VARCHAR(255) NOT NULL, table_namespace VARCHAR(255) NOT NULL, table_name VARCHAR(255) NOT NULL,
			metadata_location VARCHAR(1000), previous_metadata_location VARCHAR(1000), PRIMARY KEY (catalog_name, table_namespace, table_name))`,
		`CREATE TABLE iceberg_namespace_properties (catalog_name VARCHAR(255) NOT NULL, namespace VARCHAR(255) NOT NULL,
			property_key VARCHAR(255) NOT NULL, property_value VARCHAR(1000) NOT NULL, PRIMARY KEY (catalog_name, namespace, property_key))`,
		`INSERT INTO iceberg_tables VALUES ('other', 'lake', 'theirs', 'file:///nowhere', NULL)`,
	} {
		exec(t, o.Catalog, stmt)
	}
	l := open(t, o)
	if _, err := l.Create(t.Context(), "events", tierstest.Schema(), tiers.Options{}); err != nil {
		t.Fatal(err)
	}
	if names, err := l.Tables(t.Context()); err != nil || len(names) != 1 || names[0] != "events" {
		t.Fatalf("the tables are %v, %v", names, err)
	}
	exec(t, o.Catalog, `DO $$ BEGIN CREATE ROLE modest; EXCEPTION WHEN duplicate_object THEN NULL; END $$`)
	exec(t, o.Catalog, `GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO modest`)
	modest := o
	modest.Catalog += "&options=-c%20role%3Dmodest"
	tab, err := open(t, modest).Open(t.Context(), "events")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tab.Commit(t.Context(), tiers.Commit{ID: "one",
		Add: []tiers.DataFile{{Path: lake.NewFilePath(tab, 0), Rows: 1}}}); err != nil {
		t.Fatal(err)
	}
}

// TestSettingsOfAChange: a database that answers before its log is on disk is
// not taken at its word, and a client that falls silent is not waited for
// without end.
func TestSettingsOfAChange(t *testing.T) {
	o := onPostgres(t, t.TempDir())
	o.Catalog += "&options=-c%20synchronous_commit%3Doff"
	l := open(t, o)
	exec(t, o.Catalog, `CREATE TABLE seen (value text)`)
	exec(t, o.Catalog, `CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS
		$$ BEGIN INSERT INTO seen VALUES (current_setting('synchronous_commit') || ' ' || current_setting('idle_in_transaction_session_timeout')); RETURN NEW; END $$`)
	exec(t, o.Catalog, `CREATE TRIGGER see AFTER INSERT ON iceberg_tables FOR EACH ROW EXECUTE FUNCTION see()`)
	if _, err := l.Create(t.Context(), "events", tierstest.Schema(), tiers.Options{}); err != nil {
		t.Fatal(err)
	}
	exec(t, o.Catalog, `DO $$ BEGIN ASSERT (SELECT string_agg(value, ',') FROM seen) = 'on 5s'; END $$`)
}

func exec(t *testing.T, url, stmt string) {
	t.Helper()
	db, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() // it holds nothing
	if _, err := db.ExecContext(t.Context(), stmt); err != nil {
		t.Fatalf("%s: %v", stmt, err)
	}
}
