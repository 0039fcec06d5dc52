package config

import (
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lakeward/lakeward/config/strict"
	"github.com/lakeward/lakeward/tiers"
)

func matches(s, pattern string) bool {
	ok, err := regexp.MatchString("^(?:"+pattern+")$", s)
	return err == nil && ok && len(s) <= 63
}

func nameText() strict.Type[string] {
	return strict.Named(strict.Checked(strict.NonEmpty(), func(s string) (string, string) {
		if !matches(s, `[a-z0-9][a-z0-9_-]*`) {
			return "`" + s + "` is not a name", "use lower-case letters, digits, `-` and `_`, at most 63"
		}
		return "", ""
	}), "name")
}

// metadataName is something that the stream says of a message.
func metadataName() strict.Type[string] {
	return strict.Named(strict.Checked(strict.NonEmpty(), func(s string) (string, string) {
		if s == "subject" || s == "sequence" || s == "published" || matches(s, `headers\.[A-Za-z0-9_-]+`) {
			return "", ""
		}
		return "`" + s64(s) + "` is nothing that a stream says of a message", "write `subject`, `sequence`, `published`, " +
			"or `headers.NAME`, the name of letters, digits, `-` and `_`, at most 55"
	}), "metadata")
}

// timeFormat is a name of a format, or a layout that says the time and nothing
// that depends on its reader.
func timeFormat() strict.Type[string] {
	return strict.Named(strict.Checked(strict.NonEmpty(), func(s string) (string, string) {
		switch s {
		case "rfc3339", "unix", "unix_ms", "unix_us", "unix_ns":
			return "", ""
		}
		return layoutProblem(s)
	}), "time format")
}

// layoutProblem finds out what a layout shows from how it shows times that
// differ in one thing.
func layoutProblem(layout string) (what, remedy string) {
	at := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
	shows := func(other time.Time) bool { return at.Format(layout) != other.Format(layout) }
	const example = "write it as that time would look: Monday, 2 January 2006, 15:04:05, such as `2006-01-02 15:04:05`"
	switch {
	case !shows(at.AddDate(0, 0, 1)) || !shows(at.AddDate(0, 1, 0)):
		return "the layout `" + s64(layout) + "` shows no date", example
	case strings.Contains(layout, "MST"):
		return "the layout `" + s64(layout) + "` has a zone by abbreviation, and what that means depends on who reads it",
			"write `-0700` where the time has an offset; without `format`, forms with UTC or GMT are read, and others are " +
				"counted as not read"
	case shows(at.Add(time.Hour)) && !shows(at.Add(12*time.Hour)):
		return "the layout `" + s64(layout) + "` does not tell morning from evening", "add `PM`, or write hours as `15`"
	}
	return "", ""
}

// s64 is what an error repeats of a text.
func s64(s string) string {
	if len(s) > 64 {
		return strings.ToValidUTF8(s[:64], "") + "..."
	}
	return s
}

const quarantineTable = "quarantine" // of what could not be decoded

func tableNameProblem(s string) (what, remedy string) {
	if bare, ok := strings.CutPrefix(s, "lake."); ok {
		return "`" + s + "` names its tier, which is the lake here anyway", "write `" + bare + "`"
	}
	if !matches(s, `[A-Za-z_][A-Za-z0-9_]*`) {
		return "`" + s + "` is not a table", "use letters, digits and `_`, at most 63, not beginning with a digit"
	}
	switch strings.ToLower(s) {
	case quarantineTable:
		return "the table `" + s + "` is Lakeward's own", "choose another name; how long its rows are kept is " +
			"`lake.quarantine_retention`"
	case "ingest_skipped", "ingest_removed":
		return "the table `" + s + "` is Lakeward's own", "choose another name"
	}
	return "", ""
}

func tableText() strict.Type[string] {
	return strict.Named(strict.Checked(strict.NonEmpty(), tableNameProblem), "table")
}

func filterText() strict.Type[string] {
	return strict.Named(strict.Checked(strict.NonEmpty(), func(s string) (string, string) {
		tokens := strings.Split(s, ".")
		for i, t := range tokens {
			wild := strings.ContainsAny(t, "*>")
			if t == "" || strings.ContainsAny(t, " \t\r\n") || (wild && len(t) > 1) || (t == ">" && i < len(tokens)-1) {
				return "`" + s + "` is not a subject filter", "write tokens joined by dots, such as `events.>` or `logs.*.signin`"
			}
		}
		return "", ""
	}), "subject")
}

func pathProblem(s string) (what, remedy string) {
	if slices.Contains(strings.Split(s, "."), "") {
		return "`" + s + "` has an empty part", "write a column such as `user.name`"
	}
	return "", ""
}

// columnType is a column's type by its Iceberg name.
func columnType() strict.Type[Column] {
	kinds := "boolean, long, double, string, binary, date, timestamptz, list<TYPE>"
	return strict.Plain("column type", strict.Schema{"type": "string"}, func(s string, c *Column) (string, string) {
		t, ok := parseType(s, 0)
		if !ok {
			return "unknown type `" + s + "`", strict.Suggest(s, strings.Split(kinds, ", "))
		}
		c.Type = t
		return "", ""
	}, func(c *Column) string { return c.Type.String() })
}

func parseType(s string, depth int) (tiers.Type, bool) {
	if inner, ok := strings.CutPrefix(s, "list<"); ok && depth < 8 {
		inner, ok = strings.CutSuffix(inner, ">")
		t, known := parseType(inner, depth+1)
		if !ok || !known {
			return tiers.Type{}, false
		}
		return tiers.Type{Kind: tiers.KindList, Elem: &tiers.Field{Name: "element", Type: t}}, true
	}
	k, ok := tiers.ParseKind(s)
	return tiers.Type{Kind: k}, ok
}

const (
	forever = "forever"
	latest  = "latest"
)

// retention is a duration of a day or more, or forever: zero.
func retention() strict.Type[time.Duration] { return durationOr(forever, day, 36500*day) }

// ownRetention is a retention that may be left unsaid.
func ownRetention() strict.Type[Period] { return own(retention(), forever) }

// repeatsWindow is how far back repeats are found, or latest: zero.
func repeatsWindow() strict.Type[time.Duration] { return durationOr(latest, time.Minute, 3660*day) }

// durationOr is a duration, or a word for zero.
func durationOr(word string, least, most time.Duration) strict.Type[time.Duration] {
	d := strict.Duration(least, most)
	return strict.Plain("duration, or "+word, periodSchema(word), func(s string, out *time.Duration) (string, string) {
		if s == word {
			*out = 0
			return "", ""
		}
		v, what, remedy := strict.ParseText(d, s)
		*out = v
		return what, remedy
	}, func(v *time.Duration) string { return periodText(*v, word) })
}

func periodSchema(word string) strict.Schema {
	return strict.Schema{"type": "string", "pattern": `^(` + word + `|([0-9]+(ms|s|m|h|d))+)$`}
}

func periodText(d time.Duration, word string) string {
	if d == 0 {
		return word
	}
	return strict.FormatDuration(d)
}

// own is a duration, or a word for zero, that may be left unsaid.
func own(inner strict.Type[time.Duration], word string) strict.Type[Period] {
	return strict.Plain("duration, or "+word, periodSchema(word), func(s string, out *Period) (string, string) {
		v, what, remedy := strict.ParseText(inner, s)
		*out = Period{Said: what == "", Length: v}
		return what, remedy
	}, func(p *Period) string {
		if !p.Said {
			return ""
		}
		return periodText(p.Length, word)
	})
}

// repeatsMemory is a size, or auto: zero.
func repeatsMemory() strict.Type[int64] { return sizeOrAuto(1 << 20) }

// autoSize is a size, or auto: zero until Load resolves it.
func autoSize() strict.Type[int64] { return sizeOrAuto(leastMemory) }

func sizeOrAuto(least int64) strict.Type[int64] {
	size := strict.Size(least, most)
	schema := strict.Schema{"type": "string", "pattern": `^(auto|[0-9]+ ?([KMGT]iB|[kMGT]?B))$`}
	return strict.Plain("size, or auto", schema, func(s string, out *int64) (string, string) {
		if s == "auto" {
			*out = 0
			return "", ""
		}
		v, what, remedy := strict.ParseText(size, s)
		*out = v
		return what, remedy
	}, func(v *int64) string {
		if *v == 0 {
			return "auto"
		}
		return strict.FormatSize(*v)
	})
}

func dirText() strict.Type[string] {
	return strict.Named(strict.Checked(strict.NonEmpty(), func(s string) (string, string) {
		if i := strings.Index(s, "://"); i > 0 {
			return "the warehouse `" + strict.Redact(s) + "` is not a directory",
				"object stores are not supported yet; write a path"
		}
		return "", ""
	}), "directory")
}

func hostPort() strict.Type[string] {
	return strict.Named(strict.Checked(strict.NonEmpty(), func(s string) (string, string) {
		_, port, err := net.SplitHostPort(s)
		n, perr := strconv.Atoi(port)
		if err != nil || perr != nil || n < 0 || n > 65535 {
			return "`" + s + "` is not an address to listen on",
				"write host and port, such as `127.0.0.1:8321`; port 0 is any " +
					"free one"
		}
		return "", ""
	}), "host:port")
}

// IsLoopback reports whether only this machine reaches the host.
func IsLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}
