package config

import (
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/lakeward/lakeward/config/strict"
)

// maskedPart is the mask within a URL.
const maskedPart = "xxxxx"

// databaseURL is FILE with the scheme of an embedded database, or the URL of a
// PostgreSQL, whose password is masked when it is printed.
func databaseURL(embedded string) strict.Type[string] {
	form := embedded + ":FILE, or postgres URL"
	return strict.Plain(form, strict.Schema{"type": "string"}, func(s string, out *string) (string, string) {
		*out = s
		if isPostgres(s) {
			_, what, remedy := parsePostgres(s)
			return what, remedy
		}
		file, ok := strings.CutPrefix(s, embedded+":")
		if !ok || file == "" || strings.HasPrefix(file, "//") {
			return "this is not a database of a known kind",
				"write `" + embedded + ":FILE`, with a path, or `postgres://USER:PASSWORD@HOST:PORT/DATABASE`"
		}
		return "", ""
	}, func(s *string) string {
		if !isPostgres(*s) {
			return *s
		}
		p, what, _ := parsePostgres(*s)
		if what != "" {
			return strict.Masked
		}
		return p.masked()
	})
}

func isPostgres(s string) bool {
	return strings.HasPrefix(s, "postgres://") || strings.HasPrefix(s, "postgresql://")
}

// postgresURL is the URL of a PostgreSQL in its parts. It is not an url.URL, since
// it may name several hosts.
type postgresURL struct {
	scheme, hosts, path string
	user                *url.Userinfo
	query               url.Values
}

// hostList is hosts with ports, separated by commas; none is libpq's default.
var hostList = regexp.MustCompile(`^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]*)(:[0-9]{1,5})?(,(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?)*$`)

// parsePostgres is strict about what could be part of a password that is not
// escaped, because it would be printed.
func parsePostgres(s string) (p postgresURL, what, remedy string) {
	what = "this is not a URL of a PostgreSQL"
	remedy = "write `postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=verify-full`; in a user or password `@` is " +
		"`%40`, `/` is `%2F`, `?` is `%3F`, `#` is `%23` and `%` is `%25`"
	scheme, rest, _ := strings.Cut(s, "://")
	authority, tail := rest, ""
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		authority, tail = rest[:i], rest[i:]
	}
	user, hosts := "", authority
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		user, hosts = authority[:i+1], authority[i+1:]
	}
	u, err := url.Parse(scheme + "://" + user + "host" + tail)
	if err != nil || strings.ContainsAny(tail, "@#") || !hostList.MatchString(hosts) {
		return p, what, remedy
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return p, what, remedy
	}
	modes := []string{"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}
	if mode := query.Get("sslmode"); query.Has("sslmode") && !slices.Contains(modes, mode) {
		return p, "`" + mode + "` is not an sslmode", strict.Suggest(mode, modes)
	}
	return postgresURL{scheme: scheme, hosts: hosts, path: u.EscapedPath(), user: u.User, query: query}, "", ""
}

// masked is the URL to show.
func (p postgresURL) masked() string {
	var b strings.Builder
	b.WriteString(p.scheme + "://")
	if p.user != nil {
		user := p.user
		if _, has := user.Password(); has {
			user = url.UserPassword(user.Username(), maskedPart)
		}
		b.WriteString(user.String() + "@")
	}
	b.WriteString(p.hosts + p.path)
	for _, key := range []string{"password", "sslpassword"} {
		if p.query.Has(key) {
			p.query.Set(key, maskedPart)
		}
	}
	if len(p.query) > 0 {
		b.WriteString("?" + p.query.Encode())
	}
	return b.String()
}
