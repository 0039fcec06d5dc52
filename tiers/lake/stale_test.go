package lake

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"path/filepath"
	"testing"

	"github.com/lakeward/lakeward/tiers"
)

// recovering opens connections of a file that cannot be written to at first.
type recovering struct {
	driver   driver.Driver
	path     string
	readOnly int // connections that are opened so
}

func (r *recovering) Driver() driver.Driver { return r.driver }

func (r *recovering) Connect(context.Context) (driver.Conn, error) {
	if r.readOnly > 0 {
		r.readOnly--
		return r.driver.Open("file:" + r.path + "?mode=ro")
	}
	return r.driver.Open("file:" + r.path)
}

func TestAConnectionThatWasOpenedOnAReadOnlyDiskIsNotUsedAgain(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	path := filepath.Join(dir, "catalog.db")
	l, err := Open(ctx, Options{Warehouse: dir, Catalog: path})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := l.Create(ctx, "events", tiers.Schema{Fields: []tiers.Field{{Name: tiers.ColTime,
		Type: tiers.Type{Kind: tiers.KindTimestamp}}}}, tiers.Options{}); err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(&recovering{driver: l.catalog.(*sqlCatalog).db.Driver(), path: path, readOnly: 1})
	defer db.Close()
	p := &sqlCatalog{db: db, leases: db, dialect: sqlite()}
	if err := p.Drop(ctx, "events"); err == nil {
		t.Fatal("a read-only connection dropped a table")
	}
	if err := p.Drop(ctx, "events"); err != nil {
		t.Fatalf("the disk can be written to again, and: %v", err)
	}
}
