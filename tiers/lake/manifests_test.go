package lake

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/lakeward/lakeward/tiers"
)

// TestDamageOfAKnownManifestIsFound damages a manifest that was read before, at
// many of its bytes: whoever verifies is told, or what it says is the same.
func TestDamageOfAKnownManifestIsFound(t *testing.T) {
	_, tab := pipelineTable(t)
	l := tab.lake
	want, err := tab.Files(t.Context(), 0, time.Time{}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.CheckManifests(t.Context()); err != nil {
		t.Fatal(err)
	}
	path := parts(t, tab)["manifest"]
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	found, tried := 0, 0
	check := func(b []byte, must bool) {
		t.Helper()
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		err := l.CheckManifests(t.Context())
		if damaged := (*tiers.MetadataError)(nil); errors.As(err, &damaged) {
			found++
		} else if err != nil || must {
			t.Errorf("the error is %v", err)
		}
		if files, err := tab.Files(t.Context(), 0, time.Time{}, time.Time{}); err != nil || len(files) != len(want) {
			t.Errorf("%d files instead of %d, %v", len(files), len(want), err)
		}
	}
	for at := 0; at < len(whole); at += 17 {
		tried++
		b := append([]byte{}, whole...)
		b[at] ^= 0x55
		check(b, false)
	}
	t.Logf("%d of %d damages change what the manifest says, or how it is read", found, tried)
	if found < tried/10 {
		t.Errorf("only %d of %d damages were found", found, tried)
	}
	check(whole[:len(whole)-1], true)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	var damaged *tiers.MetadataError
	if err := l.CheckManifests(t.Context()); !errors.As(err, &damaged) {
		t.Errorf("a missing manifest: %v", err)
	}
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := l.CheckManifests(t.Context()); err != nil {
		t.Error(err)
	}
}
