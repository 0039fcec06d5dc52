package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/lakeward/lakeward/config"
	"github.com/lakeward/lakeward/daemon"
	"github.com/lakeward/lakeward/query/worker"
	"github.com/lakeward/lakeward/serve"
)

func TestMain(m *testing.M) {
	worker.Divert()
	os.Exit(m.Run())
}

func TestEveryCommandSaysWhatItIs(t *testing.T) {
	paths := map[string]bool{}
	for _, e := range table() {
		c, role := e.describe()
		if paths[c.path] {
			t.Errorf("%s is twice in the table", c.path)
		}
		paths[c.path] = true
		if c.short == "" {
			t.Errorf("%s has no short description", c.path)
		}
		_, isGroup := e.(group)
		if isGroup != (c.run == nil) {
			t.Errorf("%s is a group and runs, or neither", c.path)
		}
		if asks := c.do != nil || len(c.routes) > 0; asks != (role != "") {
			t.Errorf("%s has the role %q; it asks a daemon: %t", c.path, role, asks)
		}
		if noun, verb, ok := strings.Cut(c.asked(), " "); c.do != nil && (!ok || noun == "" || strings.Contains(verb, " ")) {
			t.Errorf("%s is asked for as %q, which is not a noun and a verb", c.path, c.asked())
		}
		if parent, _, ok := cutLast(c.path); ok &&
			!slices.ContainsFunc(table(), func(e entry) bool { d, _ := e.describe(); return d.path == parent }) {
			t.Errorf("%s has no parent in the table", c.path)
		}
	}
}

// notTyped are the routes that no command asks, but programs and browsers.
func notTyped() []string { return []string{"GET /metrics", "GET /{$}", "GET /api/v1/status"} }

// TestRoutesNeedWhatTheTableSays: a route has the role of the commands that ask
// it, so that neither is stricter than the other.
func TestRoutesNeedWhatTheTableSays(t *testing.T) {
	routes := map[string]serve.Role{}
	for _, r := range serve.Routes() {
		routes[r.Pattern] = r.Role
	}
	asked := map[string]bool{}
	for _, e := range table() {
		c, role := e.describe()
		for _, r := range c.routes {
			needed, ok := routes[r]
			if !ok {
				t.Errorf("%s asks %s, which the server does not have", c.path, r)
			}
			if needed != role && r != "GET /healthz" { // which tells nothing but that the daemon lives
				t.Errorf("%s needs the role %s, and %s the role %s", c.path, role, r, needed)
			}
			asked[r] = true
		}
		if c.do != nil {
			asked[serve.DoRoute] = true
		}
	}
	for r := range routes {
		if asked[r] == slices.Contains(notTyped(), r) {
			t.Errorf("%s is asked by a command, and notTyped says that it is not, or neither", r)
		}
	}
	if routes[serve.DoRoute] != serve.RoleRead {
		t.Errorf("%s needs the role %s; what a command needs beyond it is checked there", serve.DoRoute,
			routes[serve.DoRoute])
	}
}

const (
	readToken  = "0123456789abcdef-read"
	writeToken = "0123456789abcdef-write"
	adminToken = "0123456789abcdef-admin"
)

func startDaemon(t *testing.T) *daemon.Daemon {
	t.Helper()
	dir := t.TempDir()
	cfg, err := config.Load("", []string{"LAKEWARD_DATA_DIR=" + dir, "LAKEWARD_PIPELINES_DIR=" + t.TempDir(),
		"LAKEWARD_NATS_EMBEDDED_PORT=-1", "LAKEWARD_HTTP_LISTEN=127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	for name, secret := range map[string]string{"read": readToken, "write": writeToken, "admin": adminToken} {
		file := t.TempDir() + "/token"
		if err := os.WriteFile(file, []byte(secret), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg.HTTP.Tokens = append(cfg.HTTP.Tokens, config.Token{Name: name, Role: config.Role(name), File: file})
	}
	d, err := daemon.Start(t.Context(), cfg, slog.New(slog.DiscardHandler), served(table()))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx, daemon.RunOptions{Unscheduled: true}) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return d
}

// TestADaemonAsksForTheRolesOfTheTable gives every command that a daemon does to
// a real one with each token. Those that are let in may fail for other reasons.
func TestADaemonAsksForTheRolesOfTheTable(t *testing.T) {
	d := startDaemon(t)
	rank := map[serve.Role]int{serve.RoleRead: 1, serve.RoleWrite: 2, serve.RoleAdmin: 3}
	tokens := map[string]serve.Role{readToken: serve.RoleRead, writeToken: serve.RoleWrite, adminToken: serve.RoleAdmin}
	type asked struct {
		serve.Command
		role serve.Role
	}
	bring := func(verb, dry string, role serve.Role) asked {
		return asked{serve.Command{Noun: "pipeline", Verb: verb, Name: "x.yaml",
			Args: map[string]string{daemon.ArgPipeline: "name: x", daemon.ArgDryRun: dry}}, role}
	}
	all := []asked{
		{serve.Command{Noun: "something", Verb: "new"}, serve.RoleAdmin},
		bring("plan", "", serve.RoleRead), bring("explain", "", serve.RoleRead),
		bring("run", "", serve.RoleAdmin), bring("run", "false", serve.RoleAdmin), bring("run", "perhaps", serve.RoleAdmin),
		bring("run", "true", serve.RoleWrite),
		bring("backfill", "true", serve.RoleAdmin), bring("list", "true", serve.RoleAdmin),
		bring("history", "", serve.RoleAdmin),
	}
	for _, e := range table() {
		if c, role := e.describe(); c.do != nil {
			noun, verb, _ := strings.Cut(c.asked(), " ")
			all = append(all, asked{serve.Command{Noun: noun, Verb: verb, Args: map[string]string{daemon.ArgDryRun: "true"}},
				role})
		}
	}
	for _, c := range all {
		for token, has := range tokens {
			status, body := post(t, d.HTTPURL()+"/api/v1/do", token, c.Command)
			if allowed := status != http.StatusForbidden; allowed != (rank[has] >= rank[c.role]) ||
				status == http.StatusUnauthorized {
				t.Errorf("%s %s %v needs %s: the role %s gets %d: %s", c.Noun, c.Verb, c.Args, c.role, has, status, body)
			}
		}
	}
}

func post(t *testing.T, url, token string, c serve.Command) (int, string) {
	t.Helper()
	data, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var body bytes.Buffer
	if _, err := body.ReadFrom(resp.Body); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, body.String()
}

// TestATypoIsAnErrorBelowEveryParent asks each command that has others below it
// for one that it does not have.
func TestATypoIsAnErrorBelowEveryParent(t *testing.T) {
	var parents [][]string
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		if cmd.HasSubCommands() {
			parents = append(parents, strings.Fields(pathOf(cmd)))
		}
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	walk(NewCommand())
	if len(parents) < 8 {
		t.Errorf("only %d commands have others below them", len(parents))
	}
	for _, p := range parents {
		cmd, _, err := NewCommand().Find(p)
		if err != nil {
			t.Fatal(err)
		}
		first := cmd.Commands()[0].Name()
		typo := first[:len(first)-1] + "x"
		for _, args := range [][]string{append(slices.Clone(p), typo),
			append([]string{"help"}, append(slices.Clone(p), typo)...)} {
			var out, errs bytes.Buffer
			code := Main(args, Streams{In: strings.NewReader(""), Out: &out, Err: &errs}, nil)
			want := fmt.Sprintf("has no command %q; did you mean", typo)
			if code != exitUsage || !strings.Contains(errs.String(), want) || out.Len() > 0 {
				t.Errorf("%q: exit code %d, want %d and %q: %s%s", args, code, exitUsage, want, errs.String(), out.String())
			}
		}
	}
}
