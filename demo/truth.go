package demo

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"
)

// The kinds of planted attacks.
const (
	KindBurst       = "burst"
	KindSpray       = "spray"
	KindDistributed = "distributed_spray"
	KindTravel      = "impossible_travel"
	KindTakeover    = "takeover"
)

// Keys are the entities by which a finding may name an attack. Users holds
// only those whose account was the point: not everybody who was sprayed.
type Keys struct {
	Users      []string `json:"users,omitempty"`
	IPs        []string `json:"ips,omitempty"`
	ASNs       []int    `json:"asns,omitempty"`
	UserAgents []string `json:"user_agents,omitempty"`
}

// Attack is one planted attack. Start and End are the times of its first and
// last event.
type Attack struct {
	ID        string    `json:"id"`
	Kind      string    `json:"kind"`
	Technique string    `json:"technique"` // MITRE ATT&CK
	Intensity string    `json:"intensity"` // loud, plain, subtle
	Story     string    `json:"story"`
	Start     time.Time `json:"start"`
	End       time.Time `json:"end"`
	Events    int       `json:"events"`
	Keys      Keys      `json:"keys"`
}

func (a *Attack) from(s *source) {
	if ip := s.address(); !slices.Contains(a.Keys.IPs, ip) {
		a.Keys.IPs = append(a.Keys.IPs, ip)
	}
}

// saw notes that one of its events was emitted.
func (a *Attack) saw(at time.Time) {
	if a.Events == 0 {
		a.Start = at
	}
	a.End = at
	a.Events++
}

// KnownNetwork is a network that the company could name without looking at
// any event.
type KnownNetwork struct {
	ASN  int    `json:"asn"`
	Name string `json:"name"`
	What string `json:"what"`
}

// Truth is what was planted.
type Truth struct {
	Seed    uint64         `json:"seed"`
	Start   time.Time      `json:"start"`
	End     time.Time      `json:"end"` // exclusive
	Users   int            `json:"users"`
	Events  int            `json:"events"`
	Known   []KnownNetwork `json:"known_networks"`
	Attacks []*Attack      `json:"attacks"`
}

// WriteTo writes the truth as indented JSON.
func (t Truth) WriteTo(w io.Writer) (int64, error) {
	text, err := json.MarshalIndent(t, "", "  ")
	if err != nil {
		return 0, fmt.Errorf("encode truth: %w", err)
	}
	n, err := w.Write(append(text, '\n'))
	return int64(n), err
}
