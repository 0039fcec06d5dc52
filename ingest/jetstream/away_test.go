package jetstream

import (
	"errors"
	"net"
	"strings"
	"testing"
)

// TestAServerThatIsAwayIsToldFromOneThatRefuses: the daemon waits for the first
// and gives up at the second.
func TestAServerThatIsAwayIsToldFromOneThatRefuses(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // it is closed at once, to have a port that nobody listens on
	if err != nil {
		t.Fatal(err)
	}
	url := "nats://" + l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Connect(t.Context(), Options{URL: url}, nil); !errors.Is(err, ErrAway) ||
		!strings.Contains(err.Error(), url) {
		t.Errorf("nobody listens: %v", err)
	}
	s, err := StartServer(t.Context(), ServerOptions{Host: "127.0.0.1", Port: -1, StoreDir: t.TempDir(),
		Users: []User{{Name: "ada", Password: "right", Role: RoleAdmin}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := Connect(t.Context(), Options{URL: s.ClientURL(), User: "ada", Password: "wrong"}, nil); err == nil ||
		errors.Is(err, ErrAway) {
		t.Errorf("a wrong password: %v", err)
	}
}
