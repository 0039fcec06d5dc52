package lake

import (
	"context"
	"crypto/sha256"
	"encoding/hex"

	"github.com/lakeward/lakeward/tiers/lease"
)

// leasePrefix names the properties of the namespace that hold leases. They are
// rows of Iceberg's own catalog tables, so that a lease is where the commits
// are that it is about, and no table is added to a database of others.
const leasePrefix = "lakeward.lease."

// maxProperty is how long a property's name may be where another engine made
// the catalog's tables (255), less the prefix and some.
const maxProperty = 200

var _ lease.Store = (*Lake)(nil)

// Lease is what is stored under the name of a lease; empty if nothing is.
func (l *Lake) Lease(ctx context.Context, name string) (string, error) {
	return l.catalog.Value(ctx, leaseKey(name))
}

// SwapLease stores new if what is stored still is old, and reports whether it
// did. Nobody misses a lease after a power failure.
func (l *Lake) SwapLease(ctx context.Context, name, old, new string) (bool, error) {
	if l.readOnly {
		return false, errReadOnly
	}
	return l.catalog.SwapValue(ctx, Value{Key: leaseKey(name), Old: old, New: new, Fleeting: true})
}

func leaseKey(name string) string {
	if len(name) > maxProperty {
		sum := sha256.Sum256([]byte(name))
		name = hex.EncodeToString(sum[:])
	}
	return leasePrefix + name
}
