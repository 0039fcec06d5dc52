package jetstream

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	natsd "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"

	"github.com/lakeward/lakeward/ingest"
	"github.com/lakeward/lakeward/internal/testcert"
)

// authority is a directory with ca.pem, and server.pem and server.key for host.
func authority(t *testing.T, host string) (*testcert.Authority, string) {
	t.Helper()
	a, err := testcert.New()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := a.WriteCA(filepath.Join(dir, "ca.pem")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := a.Write(dir, "server", host); err != nil {
		t.Fatal(err)
	}
	return a, dir
}

// nkey is a user's key: the file of its seed, and the public part.
func nkey(t *testing.T) (seedFile, public string) {
	t.Helper()
	user, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	seed, err := user.Seed()
	if err != nil {
		t.Fatal(err)
	}
	if public, err = user.PublicKey(); err != nil {
		t.Fatal(err)
	}
	seedFile = filepath.Join(t.TempDir(), "seed")
	if err := os.WriteFile(seedFile, seed, 0o600); err != nil {
		t.Fatal(err)
	}
	return seedFile, public
}

// passes publishes a message and reads it.
func passes(t *testing.T, o Options) {
	t.Helper()
	c, err := Connect(t.Context(), o, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s := events(t, c, StreamOptions{})
	if err := c.Publish(t.Context(), "events.a", "", []byte("hello")); err != nil {
		t.Fatal(err)
	}
	r, err := s.Read(t.Context(), "events.>", 1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var got []ingest.Message
	if got, err = r.Next(ctx, got, 1); err != nil || string(got[0].Data) != "hello" {
		t.Fatalf("read %v: %v", got, err)
	}
}

func TestTheEmbeddedServerAsksForTLSAndUsers(t *testing.T) {
	a, dir := authority(t, "nats.example.com")
	_, local := authority(t, "127.0.0.1")
	seed, public := nkey(t)
	cert, key, ca := filepath.Join(local, "server.pem"), filepath.Join(local, "server.key"), filepath.Join(local, "ca.pem")
	s := startServer(t, ServerOptions{Host: "0.0.0.0", Cert: cert, Key: key,
		Users: []User{{Name: "ada", Password: "secret", Role: RoleAdmin}, {NKey: public, Role: RoleAdmin}}})
	url := strings.Replace(s.ClientURL(), "0.0.0.0", "127.0.0.1", 1)
	passes(t, s.Own())
	passes(t, Options{URL: url, User: "ada", Password: "secret", CA: ca})
	passes(t, Options{URL: url, NKey: seed, CA: ca})
	for name, o := range map[string]Options{
		"nobody":            {URL: url, CA: ca},
		"a wrong password":  {URL: url, User: "ada", Password: "guess", CA: ca},
		"another authority": {URL: url, User: "ada", Password: "secret", CA: filepath.Join(dir, "ca.pem")},
		"the host's":        {URL: url, User: "ada", Password: "secret"},
		"another pinned":    {URL: url, User: "ada", Password: "secret", PinnedCert: filepath.Join(dir, "server.pem")},
		"plain":             {URL: strings.Replace(url, "tls://", "nats://", 1), User: "ada", Password: "secret"},
	} {
		c, err := Connect(t.Context(), o, nil)
		if err == nil {
			c.Close()
			t.Errorf("%s may connect", name)
		}
		if name == "nobody" && (err == nil || !strings.Contains(err.Error(), "LAKEWARD_NATS_USER")) {
			t.Errorf("%s is told: %v", name, err)
		}
	}

	// A certificate for another name: the process knows its own by the file.
	other := startServer(t, ServerOptions{Cert: filepath.Join(dir, "server.pem"), Key: filepath.Join(dir, "server.key")})
	passes(t, other.Own())
	if _, _, err := a.Write(dir, "server", "127.0.0.1"); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(30 * time.Second)
	for tick := time.Tick(50 * time.Millisecond); ; <-tick {
		c, err := Connect(t.Context(), other.Own(), nil)
		if err == nil {
			c.Close()
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("a new certificate is not served: %v", err)
		}
	}
}

func TestMistakesOfTheEmbeddedServersUsers(t *testing.T) {
	seedFile, _ := nkey(t)
	seed, err := os.ReadFile(seedFile)
	if err != nil {
		t.Fatal(err)
	}
	o := ServerOptions{Host: "127.0.0.1", Port: -1, StoreDir: t.TempDir(), Users: []User{{NKey: string(seed)}}}
	if _, err := StartServer(t.Context(), o, nil); err == nil || strings.Contains(err.Error(), string(seed)) ||
		!strings.Contains(err.Error(), "never the seed") {
		t.Errorf("a seed for a public key: %v", err)
	}
	o.Users, o.Cert, o.Key = nil, "none.pem", "none.key"
	if _, err := StartServer(t.Context(), o, nil); err == nil || !strings.Contains(err.Error(), "nats.embedded.tls") {
		t.Errorf("a certificate that is not there: %v", err)
	}
}

// TestClientCertificatesAndCredentials is the sign-in of large NATS set-ups.
func TestClientCertificatesAndCredentials(t *testing.T) {
	a, dir := authority(t, "127.0.0.1")
	clientCert, clientKey, err := a.Write(dir, "client")
	if err != nil {
		t.Fatal(err)
	}
	ca, cert, key := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "server.pem"), filepath.Join(dir, "server.key")
	conf, err := natsd.GenTLSConfig(&natsd.TLSConfigOpts{CertFile: cert, KeyFile: key, CaFile: ca, Verify: true})
	if err != nil {
		t.Fatal(err)
	}
	s := external(t, natsd.Options{TLS: true, TLSVerify: true, TLSConfig: conf})
	passes(t, Options{URL: s.ClientURL(), CA: ca, Cert: clientCert, Key: clientKey})
	if c, err := Connect(t.Context(), Options{URL: s.ClientURL(), CA: ca}, nil); err == nil {
		c.Close()
		t.Error("without a certificate it connects")
	}

	o, creds := operator(t)
	s = external(t, o)
	passes(t, Options{URL: s.ClientURL(), Creds: creds})
	if c, err := Connect(t.Context(), Options{URL: s.ClientURL()}, nil); err == nil {
		c.Close()
		t.Error("without credentials it connects")
	}
}

func external(t *testing.T, o natsd.Options) *natsd.Server {
	t.Helper()
	o.Host, o.Port, o.JetStream, o.StoreDir, o.NoSigs, o.NoLog = "127.0.0.1", -1, true, t.TempDir(), true, true
	s, err := natsd.NewServer(&o)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(30 * time.Second) {
		t.Fatal("the server takes no connections")
	}
	return s
}

// operator is a server's options with an operator and one account that has
// JetStream, and the credentials file of a user of it.
func operator(t *testing.T) (natsd.Options, string) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	pair := func(create func() (nkeys.KeyPair, error)) (nkeys.KeyPair, string) {
		k, err := create()
		must(err)
		public, err := k.PublicKey()
		must(err)
		return k, public
	}
	op, opPublic := pair(nkeys.CreateOperator)
	account, accountPublic := pair(nkeys.CreateAccount)
	_, systemPublic := pair(nkeys.CreateAccount)
	user, userPublic := pair(nkeys.CreateUser)
	resolver := &natsd.MemAccResolver{}
	for _, public := range []string{accountPublic, systemPublic} {
		c := jwt.NewAccountClaims(public)
		if public == accountPublic {
			c.Limits.JetStreamLimits = jwt.JetStreamLimits{MemoryStorage: -1, DiskStorage: -1, Streams: -1, Consumer: -1}
		}
		text, err := c.Encode(op)
		must(err)
		must(resolver.Store(public, text))
	}
	text, err := jwt.NewUserClaims(userPublic).Encode(account)
	must(err)
	seed, err := user.Seed()
	must(err)
	data, err := jwt.FormatUserConfig(text, seed)
	must(err)
	creds := filepath.Join(t.TempDir(), "user.creds")
	must(os.WriteFile(creds, data, 0o600))
	opClaims := jwt.NewOperatorClaims(opPublic)
	opClaims.SystemAccount = systemPublic
	opText, err := opClaims.Encode(op)
	must(err)
	trusted, err := jwt.DecodeOperatorClaims(opText)
	must(err)
	return natsd.Options{TrustedOperators: []*jwt.OperatorClaims{trusted}, SystemAccount: systemPublic,
		AccountResolver: resolver}, creds
}
