package jetstream

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestAServerThatWasKilledWhileItStartedIsWellAgain: what it leaves in its store
// would be trouble for ever.
func TestAServerThatWasKilledWhileItStartedIsWellAgain(t *testing.T) {
	dir := t.TempDir()
	store := filepath.Join(dir, "jetstream")
	account := filepath.Join(store, "$G", "streams")
	if err := os.MkdirAll(account, 0o700); err != nil {
		t.Fatal(err)
	}
	left := filepath.Join(store, "_test_1476845010")
	leave := func() {
		t.Helper()
		if err := os.WriteFile(left, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	leave()
	s, err := StartServer(t.Context(), ServerOptions{Host: "127.0.0.1", Port: -1, StoreDir: dir,
		SyncInterval: time.Second}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if why := s.Trouble(); why != "" {
		t.Errorf("after a kill: %s", why)
	}
	leave()
	if s.Trouble() == "" {
		t.Error("NATS bears such files now: tidy is of no use any more")
	}
	if err := s.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if why := s.Trouble(); why != "" {
		t.Errorf("after a restart: %s", why)
	}
	if _, err := os.Stat(account); err != nil {
		t.Errorf("more was removed: %v", err)
	}
}
