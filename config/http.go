package config

import (
	"encoding/hex"
	"fmt"
	"net"
	"strings"

	"github.com/lakeward/lakeward/config/strict"
)

// minToken is the least length of a token, in bytes. What guards the lake is
// made by a machine.
const minToken = 16

func httpType() strict.Type[HTTP] {
	type H = HTTP
	return strict.Object(
		strict.F("listen", hostPort(), func(h *H) *string { return &h.Listen }, "Address of the HTTP server. One that is "+
			"not loopback needs `tls` and `tokens`.").Default("127.0.0.1:8321"),
		strict.F("insecure", strict.Bool(), func(h *H) *bool { return &h.Insecure },
			"Allow an address that is not loopback without `tls` or without `tokens`: whoever reaches it, or listens on the "+
				"way, can then read the lake.").Default("false"),
		strict.F("tls", strict.Object(
			strict.F("cert", strict.NonEmpty(), func(k *KeyPair) *string { return &k.Cert }, "File with the certificate, and "+
				"those that lead to its authority, in PEM. It is read again when it changes, without a restart."),
			strict.F("key", strict.NonEmpty(), func(k *KeyPair) *string { return &k.Key },
				"File with the certificate's key, in PEM; read again like it."),
		), func(h *H) *KeyPair { return &h.TLS }, "HTTPS in place of HTTP."),
		strict.F("tokens", strict.List(tokenType()), func(h *H) *[]Token { return &h.Tokens },
			"Who may ask. With any, every request but `/healthz` needs one, on loopback too: `Authorization: Bearer TOKEN`, "+
				"or TOKEN as the password of basic authentication."),
		strict.F("max_requests", strict.Int(1, 100_000), func(h *H) *int { return &h.MaxRequests },
			"Requests that are answered at the same time, at most half of them to one token; one more gets 503.").Default("64"),
		strict.F("max_connections", strict.Int(1, 1_000_000), func(h *H) *int { return &h.MaxConns },
			"Open connections. Beyond it the one that has waited longest for a request is closed.").Default("512"),
	)
}

func tokenType() strict.Type[Token] {
	type T = Token
	return strict.Checked(strict.Object(
		strict.F("name", nameText(), func(t *T) *string { return &t.Name }, "Name, unique, for the audit log.").Needed(),
		strict.F("role", strict.Enum(RoleRead, RoleWrite, RoleAdmin), func(t *T) *Role { return &t.Role },
			"`read`: queries, tables, status, metrics, and looking at pipelines and findings. `write`: also running the "+
				"pipelines of the folder, and what others bring as a dry run. `admin`: everything, such as running a pipeline "+
				"that is not in the folder.").Needed(),
		strict.F("token", strict.Hidden(), func(t *T) *Secret { return &t.Token },
			"The token, at least 16 characters; or one of the two keys below."),
		strict.F("token_file", strict.NonEmpty(), func(t *T) *string { return &t.File },
			"File with the token; read again when it changes."),
		strict.F("sha256", strict.NonEmpty(), func(t *T) *string { return &t.SHA256 },
			"SHA-256 of the token in hexadecimal, so that the configuration holds no secret: `printf %s \"$TOKEN\" | "+
				"sha256sum`."),
	), tokenProblem)
}

// tokenProblem finds what is wrong with one token. The mask is accepted, so
// that what is printed can be read; the server refuses it as too short.
func tokenProblem(t Token) (what, remedy string) {
	ways := 0
	for _, given := range []bool{t.Token != "", t.File != "", t.SHA256 != ""} {
		if given {
			ways++
		}
	}
	digest, err := hex.DecodeString(t.SHA256)
	switch {
	case t.Name == "local":
		return "the name `local` is that of requests without a token", "choose another name"
	case ways != 1:
		return fmt.Sprintf("the token `%s` is given in %d ways", t.Name, ways),
			"give one of `token`, `token_file` and `sha256`"
	case t.Token != "" && t.Token != strict.Masked && len(t.Token) < minToken:
		return fmt.Sprintf("the token `%s` has fewer than %d characters", t.Name, minToken),
			"make one with `openssl rand -hex 32`"
	case t.SHA256 != "" && (err != nil || len(digest) != 32):
		return fmt.Sprintf("`sha256` of the token `%s` is not 64 hexadecimal digits", t.Name),
			"write the output of `printf %s \"$TOKEN\" | sha256sum`"
	}
	return "", ""
}

func auditType() strict.Type[Audit] {
	return strict.Object(
		strict.F("max_bytes", strict.Size(64<<10, 1<<40), func(a *Audit) *int64 { return &a.MaxBytes },
			"Size at which a file is put aside as `audit.log.1` and a new one begun.").Default("64MiB"),
		strict.F("keep", strict.Int(1, 1000), func(a *Audit) *int { return &a.Keep },
			"Files that were put aside and are kept.").Default("8"),
	)
}

// checkHTTP finds what no single key shows.
func checkHTTP(doc *strict.Document, h HTTP) Problems {
	var ps Problems
	report := func(what, remedy string, path ...string) {
		ps = append(ps, strict.Problem{Pos: doc.At(append([]string{"http"}, path...)...), What: what, Remedy: remedy})
	}
	if (h.TLS.Cert == "") != (h.TLS.Key == "") {
		report("`cert` and `key` belong together", "give both", "tls")
	}
	names, values := map[string]bool{}, map[string]string{}
	for _, t := range h.Tokens {
		if t.Name != "" && names[t.Name] {
			report("two tokens have the name `"+t.Name+"`", "rename one", "tokens")
		}
		names[t.Name] = true
		value := t.Token.Reveal() + t.File + strings.ToLower(t.SHA256)
		if other, again := values[value]; again && value != strict.Masked {
			report("the tokens `"+other+"` and `"+t.Name+"` are the same", "make another with `openssl rand -hex 32`", "tokens")
		}
		values[value] = t.Name
	}
	host, _, err := net.SplitHostPort(h.Listen)
	if err != nil || h.Insecure || IsLoopback(host) {
		return ps
	}
	if missing := missingGuards(h.TLS.Cert != "", len(h.Tokens) > 0, "tokens"); missing != "" {
		report("`"+h.Listen+"` is not a loopback address, and it has "+missing,
			"set `http.tls` and `http.tokens`, or use 127.0.0.1, or set `http.insecure: true` where the network itself is "+
				"trusted", "listen")
	}
	return ps
}
