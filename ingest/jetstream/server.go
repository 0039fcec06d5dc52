// Package jetstream reads and writes NATS JetStream streams, and runs a NATS
// server inside the process. It is the only importer of nats.go.
package jetstream

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	natsd "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"

	"github.com/lakeward/lakeward/internal/livefile"
)

// ServerOptions configure the server inside the process.
type ServerOptions struct {
	Host         string
	Port         int           // -1: any free one
	StoreDir     string        // of its streams
	SyncAlways   bool          // sync every write before it is acknowledged
	SyncInterval time.Duration // otherwise how often; 0: NATS's own default
	MaxPayload   int64         // bytes of a message; 0: NATS's own default
	MaxBytes     int64         // of the store; 0: as the disk allows
	// bytes of messages on their way into a stream; beyond it publishers get an error; 0: NATS's own default
	MaxBuffered int64
	Cert, Key   string // files; empty: no TLS. They are read again when they change
	Users       []User // without any, everybody may connect
}

// User may connect to the server: a name with a password or its bcrypt hash,
// or the holder of the seed of a public NKey.
type User struct {
	Name, Password string
	NKey           string
	Role           Role     // empty: RolePublish
	Subjects       []string // that RolePublish may publish on
}

// Server is a NATS server with JetStream inside the process. Its methods are
// safe for concurrent use.
type Server struct {
	opts *natsd.Options // with the port that was given out
	own  Options
	log  *slog.Logger
	turn sync.Mutex // held by who starts or ends it

	mu sync.Mutex // of ns
	ns *natsd.Server
}

const readyWithin = 30 * time.Second

// StartServer starts a server and waits until it takes connections. The caller
// closes it. Its store is recovered from o.StoreDir.
func StartServer(ctx context.Context, o ServerOptions, log *slog.Logger) (*Server, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if err := os.MkdirAll(o.StoreDir, 0o700); err != nil {
		return nil, fmt.Errorf("make NATS store directory: %w", err)
	}
	name := filepath.Base(filepath.Dir(filepath.Clean(o.StoreDir)))
	no := &natsd.Options{
		ServerName: "lakeward-" + name, Host: o.Host, Port: o.Port, NoSigs: true, DontListen: false,
		JetStream: true, StoreDir: o.StoreDir, SyncAlways: o.SyncAlways, SyncInterval: o.SyncInterval,
		MaxPayload: int32(o.MaxPayload), JetStreamMaxStore: o.MaxBytes,
		StreamMaxBufferedSize: o.MaxBuffered,
	}
	own, err := secure(no, o, log)
	if err != nil {
		return nil, err
	}
	s := &Server{opts: no, own: own, log: log}
	if err := s.start(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// start starts a server with the options, in place of one that has ended.
func (s *Server) start(ctx context.Context) error {
	if err := tidy(filepath.Join(s.opts.StoreDir, "jetstream")); err != nil {
		return err
	}
	ns, err := natsd.NewServer(s.opts.Clone())
	if err != nil {
		return fmt.Errorf("configure NATS server: %w", err)
	}
	l := &serverLog{log: s.log.With("part", "nats"), fatal: make(chan struct{})}
	ns.SetLoggerV2(l, false, false, false)
	s.mu.Lock()
	s.ns = ns
	s.mu.Unlock()
	go ns.Start() // returns once the listener runs, or at a fatal error
	if err := ready(ctx, ns, l); err != nil {
		s.shutdown()
		return err
	}
	if at, ok := ns.Addr().(*net.TCPAddr); ok {
		s.opts.Port = at.Port
	}
	return nil
}

// tidy removes the empty files by which NATS tries whether it can write. A
// process that was killed leaves them, and then NATS takes each for an account
// that it cannot find, and never says again that it is well.
func tidy(store string) error {
	entries, err := os.ReadDir(store)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look into the NATS store: %w", err)
	}
	for _, e := range entries {
		if !e.Type().IsRegular() || !strings.HasPrefix(e.Name(), "_test_") {
			continue
		}
		if err := os.Remove(filepath.Join(store, e.Name())); err != nil {
			return fmt.Errorf("tidy up the NATS store: %w", err)
		}
	}
	return nil
}

// Trouble is why a stream takes no messages, or JetStream does not run; empty if
// all is well. A server that could not write to its store takes nothing more
// until it is started again.
func (s *Server) Trouble() string {
	ns := s.server()
	if !ns.Running() {
		return "it does not run"
	}
	h := ns.Healthz(nil)
	if h.StatusCode != http.StatusOK && ns.ReadyForConnections(time.Second) {
		h = ns.Healthz(nil) // it gives itself a millisecond, which is short on a busy machine
	}
	if h.Error == "" && h.StatusCode != http.StatusOK {
		return h.Status
	}
	return h.Error
}

// Restart ends the server and starts it again from its store, on the same
// address. Connections are broken, and reconnect.
func (s *Server) Restart(ctx context.Context) error {
	s.turn.Lock()
	defer s.turn.Unlock()
	s.shutdown()
	return s.start(ctx)
}

func (s *Server) server() *natsd.Server {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ns
}

func ready(ctx context.Context, ns *natsd.Server, l *serverLog) error {
	deadline := time.NewTimer(readyWithin)
	defer deadline.Stop()
	for {
		select {
		case <-l.fatal:
			return fmt.Errorf("start NATS server: %s (another process may have the port: set nats.embedded.port)", l.reason())
		case <-ctx.Done():
			return fmt.Errorf("start NATS server: %w", ctx.Err())
		case <-deadline.C:
			return errors.New("start NATS server: it takes no connections after 30s")
		default:
			if ns.ReadyForConnections(50 * time.Millisecond) {
				return nil
			}
		}
	}
}

// secure adds certificate and users to the server's options, and returns how
// this process connects: as a user of its own that nobody else can be, and
// knowing the certificate by its file.
func secure(no *natsd.Options, o ServerOptions, log *slog.Logger) (Options, error) {
	own := Options{PinnedCert: o.Cert}
	if o.Cert != "" {
		cert, err := livefile.Certificate(o.Cert, o.Key, time.Now, log)
		if err != nil {
			return own, fmt.Errorf("read nats.embedded.tls: %w", err)
		}
		no.TLS, no.TLSConfig = true, livefile.ServerTLS(cert)
	}
	if len(o.Users) == 0 {
		return own, nil
	}
	own.User, own.Password, own.Inbox = "lakeward-"+rand.Text(), rand.Text(), ownInbox
	no.Users = []*natsd.User{{Username: own.User, Password: own.Password}}
	for _, u := range o.Users {
		if u.NKey == "" {
			no.Users = append(no.Users, &natsd.User{Username: u.Name, Password: u.Password, Permissions: u.permissions()})
			continue
		}
		if !nkeys.IsValidPublicUserKey(u.NKey) {
			return own, fmt.Errorf("read nats.embedded.users: %q is not the public NKey of a user: write the one that begins "+
				"with U, never the seed", u.NKey[:1]+"...")
		}
		no.Nkeys = append(no.Nkeys, &natsd.NkeyUser{Nkey: u.NKey, Permissions: u.permissions()})
	}
	return own, nil
}

// Own is how this process connects.
func (s *Server) Own() Options {
	o := s.own
	o.URL = s.ClientURL()
	return o
}

// ClientURL is the address for clients.
func (s *Server) ClientURL() string { return s.server().ClientURL() }

// Close stops the server and waits until its store is written and closed.
func (s *Server) Close() error {
	s.turn.Lock()
	defer s.turn.Unlock()
	s.shutdown()
	return nil
}

func (s *Server) shutdown() {
	ns := s.server()
	ns.Shutdown()
	ns.WaitForShutdown()
}

// serverLog passes on what the server says. A fatal message is kept: NATS
// itself would end the process.
type serverLog struct {
	log   *slog.Logger
	fatal chan struct{}
	once  sync.Once
	mu    sync.Mutex
	why   string
}

func (l *serverLog) Noticef(f string, v ...any) { l.log.Debug(fmt.Sprintf(f, v...)) }
func (l *serverLog) Warnf(f string, v ...any)   { l.log.Warn(fmt.Sprintf(f, v...)) }
func (l *serverLog) Errorf(f string, v ...any)  { l.log.Error(fmt.Sprintf(f, v...)) }
func (l *serverLog) Debugf(string, ...any)      {}
func (l *serverLog) Tracef(string, ...any)      {}

func (l *serverLog) Fatalf(f string, v ...any) {
	l.mu.Lock()
	if l.why == "" {
		l.why = fmt.Sprintf(f, v...)
	}
	l.mu.Unlock()
	l.once.Do(func() { close(l.fatal) })
}

func (l *serverLog) reason() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.why
}
