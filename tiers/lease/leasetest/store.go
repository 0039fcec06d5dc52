// Package leasetest has a store of leases in memory, for tests.
package leasetest

import (
	"context"
	"sync"

	"github.com/lakeward/lakeward/tiers/lease"
)

// Store is a store of leases. Safe for concurrent use.
type Store struct {
	mu   sync.Mutex
	rows map[string]string
}

var _ lease.Store = (*Store)(nil)

// New makes an empty store.
func New() *Store { return &Store{rows: map[string]string{}} }

// Lease implements lease.Store.
func (s *Store) Lease(_ context.Context, name string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rows[name], nil
}

// SwapLease implements lease.Store.
func (s *Store) SwapLease(_ context.Context, name, old, new string) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rows[name] != old {
		return false, nil
	}
	s.rows[name] = new
	return true, nil
}
