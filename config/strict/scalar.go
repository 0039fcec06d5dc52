package strict

import (
	"fmt"
	"log/slog"
	"math"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

func textNode(s string) *yaml.Node {
	n := &yaml.Node{}
	n.SetString(s)
	return n
}

func plainNode(s string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Value: s} }

// scalar is a type that is one plain value; parse returns what is wrong with
// the text and what to do.
func scalar[T any](name string, schema Schema, parse func(string) (v T, what, remedy string),
	show func(T) *yaml.Node) Type[T] {
	t := Plain(name, schema, func(s string, out *T) (string, string) {
		v, what, remedy := parse(s)
		if what == "" {
			*out = v
		}
		return what, remedy
	}, nil)
	t.encode = func(v *T) *yaml.Node { return show(*v) }
	return t
}

func cloneSchema(s Schema) Schema {
	out := make(Schema, len(s)+2)
	for k, v := range s {
		out[k] = v
	}
	return out
}

// Text is any text; numbers and words are taken as they are written.
func Text() Type[string] {
	return scalar("text", Schema{"type": "string"},
		func(s string) (string, string, string) { return s, "", "" }, textNode)
}

// NonEmpty is text that says something.
func NonEmpty() Type[string] {
	t := Checked(Text(), func(s string) (string, string) {
		if strings.TrimSpace(s) == "" {
			return "the text is empty", "give it, or remove the key"
		}
		return "", ""
	})
	t.encode = showText
	return t
}

// showText leaves text that was not given out.
func showText(s *string) *yaml.Node {
	if *s == "" {
		return nil
	}
	return textNode(*s)
}

// Bool is true or false.
func Bool() Type[bool] {
	return scalar("true or false", Schema{"type": "boolean"},
		func(s string) (bool, string, string) {
			if s != "true" && s != "false" {
				return false, "`" + s + "` is neither true nor false", "write `true` or `false`"
			}
			return s == "true", "", ""
		},
		func(b bool) *yaml.Node { return plainNode(strconv.FormatBool(b)) })
}

// Int is a whole number within [least, most].
func Int[T ~int | ~int64](least, most T) Type[T] {
	return scalar("number", Schema{"type": "integer", "minimum": int64(least), "maximum": int64(most)},
		func(s string) (T, string, string) {
			n, err := strconv.ParseInt(strings.ReplaceAll(s, "_", ""), 10, 64)
			if err != nil {
				return 0, "`" + s + "` is not a whole number", "write digits only"
			}
			if n < int64(least) || n > int64(most) {
				return 0, fmt.Sprintf("%d is out of range", n), fmt.Sprintf("use %d to %d", least, most)
			}
			return T(n), "", ""
		},
		func(n T) *yaml.Node { return plainNode(strconv.FormatInt(int64(n), 10)) })
}

func formatFloat(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }

func rangeProblem(f, least, most float64, unit string) (what, remedy string) {
	if math.IsNaN(f) || f < least || f > most {
		return formatFloat(f) + unit + " is out of range",
			"use " + formatFloat(least) + unit + " to " + formatFloat(most) + unit
	}
	return "", ""
}

// Float is a finite number within [least, most].
func Float(least, most float64) Type[float64] {
	return scalar("number", Schema{"type": "number", "minimum": least, "maximum": most},
		func(s string) (float64, string, string) {
			f, err := strconv.ParseFloat(strings.ReplaceAll(s, "_", ""), 64)
			if err != nil || math.IsNaN(f) {
				return 0, "`" + s + "` is not a number", "write a number such as 2.5"
			}
			what, remedy := rangeProblem(f, least, most, "")
			return f, what, remedy
		},
		func(f float64) *yaml.Node { return plainNode(formatFloat(f)) })
}

// Quantity is a number with the unit that is always written, within [least, most].
func Quantity(name, unit, example string, least, most float64) Type[float64] {
	return scalar(name, Schema{"type": "string", "pattern": `^[0-9.]+ ?` + regexp.QuoteMeta(unit) + `$`},
		func(s string) (float64, string, string) {
			digits, ok := strings.CutSuffix(s, unit)
			f, err := strconv.ParseFloat(strings.TrimSpace(digits), 64)
			if !ok || err != nil {
				return 0, "`" + s + "` is not a " + name, "write it with its unit, such as `" + example + "`"
			}
			what, remedy := rangeProblem(f, least, most, unit)
			return f, what, remedy
		},
		func(f float64) *yaml.Node { return textNode(formatFloat(f) + unit) })
}

// Enum is one of a few words.
func Enum[T ~string](words ...T) Type[T] {
	known := make([]string, len(words))
	list := make([]any, len(words))
	for i, w := range words {
		known[i], list[i] = string(w), string(w)
	}
	return scalar(strings.Join(known, ", "), Schema{"enum": list},
		func(s string) (T, string, string) {
			if !slices.Contains(known, s) {
				return "", "unknown value `" + s + "`", Suggest(s, known)
			}
			return T(s), "", ""
		},
		func(v T) *yaml.Node { s := string(v); return showText(&s) })
}

type unit struct {
	name string
	size int64
}

// The units of durations and sizes, the largest first.
func durationUnits() []unit {
	return []unit{{"d", int64(24 * time.Hour)}, {"h", int64(time.Hour)}, {"m", int64(time.Minute)},
		{"s", int64(time.Second)}, {"ms", int64(time.Millisecond)}}
}

func sizeUnits() []unit {
	return []unit{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10},
		{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"B", 1}}
}

// parseUnits adds up "1h30m" or "512MiB"; ok is false if that is not its form
// or it does not fit.
func parseUnits(s string, units []unit) (total int64, ok bool) {
	for s != "" {
		i := 0
		for i < len(s) && (s[i] >= '0' && s[i] <= '9') {
			i++
		}
		j := i
		for j < len(s) && (s[j] < '0' || s[j] > '9') {
			j++
		}
		n, err := strconv.ParseInt(s[:i], 10, 64)
		k := slices.IndexFunc(units, func(u unit) bool { return u.name == strings.TrimSpace(s[i:j]) })
		if err != nil || k < 0 || n > (math.MaxInt64-total)/units[k].size {
			return 0, false
		}
		total, s, ok = total+n*units[k].size, s[j:], true
	}
	return total, ok
}

func showUnits(n int64, units []unit, zero string) string {
	var b strings.Builder
	for _, u := range units {
		if n >= u.size {
			fmt.Fprintf(&b, "%d%s", n/u.size, u.name)
			n %= u.size
		}
	}
	if b.Len() == 0 {
		return zero
	}
	return b.String()
}

// FormatDuration writes a duration the way it is read: 1d12h.
func FormatDuration(d time.Duration) string {
	return showUnits(int64(d), durationUnits(), "0s")
}

// FormatSize writes a size in bytes the way it is read, in one unit.
func FormatSize(n int64) string {
	for _, u := range sizeUnits() {
		if n > 0 && n%u.size == 0 && (u.size%1024 == 0 || u.size == 1) {
			return fmt.Sprintf("%d%s", n/u.size, u.name)
		}
	}
	return fmt.Sprintf("%dB", n)
}

// Duration is a time span with its unit (ms, s, m, h, d), within [least, most].
func Duration(least, most time.Duration) Type[time.Duration] {
	return scalar("duration", Schema{"type": "string", "pattern": `^([0-9]+(ms|s|m|h|d))+$`},
		func(s string) (time.Duration, string, string) {
			n, ok := parseUnits(s, append([]unit{{"w", int64(7 * 24 * time.Hour)}}, durationUnits()...))
			if !ok {
				return 0, "`" + s + "` is not a duration", "write a number and its unit, such as `90s`, `1h30m` or `28d`"
			}
			if d := time.Duration(n); d < least || d > most {
				return 0, FormatDuration(d) + " is out of range", "use " + FormatDuration(least) + " to " + FormatDuration(most)
			}
			return time.Duration(n), "", ""
		},
		func(d time.Duration) *yaml.Node { return textNode(FormatDuration(d)) })
}

// Size is a number of bytes with its unit (B, KiB, MiB, GiB, TiB, or kB, MB,
// GB, TB), within [least, most].
func Size(least, most int64) Type[int64] {
	return scalar("size", Schema{"type": "string", "pattern": `^[0-9]+ ?([KMGT]iB|[kMGT]?B)$`},
		func(s string) (int64, string, string) {
			n, ok := parseUnits(s, sizeUnits())
			if !ok {
				return 0, "`" + s + "` is not a size", "write a number and its unit, such as `512MiB`"
			}
			if n < least || n > most {
				return 0, FormatSize(n) + " is out of range", "use " + FormatSize(least) + " to " + FormatSize(most)
			}
			return n, "", ""
		},
		func(n int64) *yaml.Node { return textNode(FormatSize(n)) })
}

// Time is an instant in RFC 3339.
func Time() Type[time.Time] {
	return scalar("time", Schema{"type": "string", "format": "date-time"},
		func(s string) (time.Time, string, string) {
			t, err := time.Parse(time.RFC3339Nano, s)
			if err != nil {
				return t, "`" + s + "` is not a time", "write it in RFC 3339, such as 2026-11-24T10:05:00Z"
			}
			return t.UTC(), "", ""
		},
		func(t time.Time) *yaml.Node { return textNode(t.Format(time.RFC3339Nano)) })
}

// Masked is what is shown in place of a secret.
const Masked = "********"

// Secret is text that is never shown: formatting and logging mask it.
type Secret string

// Reveal returns the secret itself.
func (s Secret) Reveal() string { return string(s) }

// String is the mask, or empty.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return Masked
}

// GoString masks in %#v too.
func (s Secret) GoString() string { return s.String() }

// LogValue masks in logs.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText masks in JSON and the like.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Hidden is a secret.
func Hidden() Type[Secret] {
	return scalar("secret", Schema{"type": "string"},
		func(s string) (Secret, string, string) { return Secret(s), "", "" },
		func(s Secret) *yaml.Node { return textNode(s.String()) })
}

// URL is an address whose password, if it has one, is masked when printed.
// Several, separated by commas, are one value; empty is allowed.
func URL(schemes ...string) Type[string] {
	check := func(s string) (string, string) {
		for part := range strings.SplitSeq(s, ",") {
			u, err := url.Parse(strings.TrimSpace(part))
			if s != "" && (err != nil || !slices.Contains(schemes, u.Scheme)) {
				return "this is not an address of a known kind", "begin it with " + strings.Join(schemes, ":// or ") + "://"
			}
		}
		return "", ""
	}
	t := Named(Checked(Text(), check), "URL")
	t.encode = func(s *string) *yaml.Node { return textNode(Redact(*s)) }
	return t
}

// maskedPart is the mask within an address, where asterisks would be escaped.
const maskedPart = "xxxxx"

// Redact masks the credentials in addresses separated by commas: a password,
// or a name alone, which may be a token.
func Redact(s string) string {
	parts := strings.Split(s, ",")
	for i, p := range parts {
		u, err := url.Parse(strings.TrimSpace(p))
		if err != nil {
			parts[i] = Masked
			continue
		}
		if u.User == nil {
			continue
		}
		if _, has := u.User.Password(); has {
			u.User = url.UserPassword(u.User.Username(), maskedPart)
		} else {
			u.User = url.User(maskedPart)
		}
		parts[i] = u.String()
	}
	return strings.Join(parts, ",")
}

// Plain is a type of one plain value that parse writes into T; it returns what
// is wrong and what to do. A value that show has no text for is not printed.
func Plain[T any](name string, schema Schema, parse func(text string, out *T) (what, remedy string),
	show func(*T) string) Type[T] {
	return Type[T]{
		doc:    Doc{Type: name, Scalar: true},
		schema: func() Schema { return cloneSchema(schema) },
		encode: func(v *T) *yaml.Node {
			if text := show(v); text != "" {
				return textNode(text)
			}
			return nil
		},
		decode: func(d *Decoder, n *yaml.Node, out *T) {
			n = resolve(n)
			if n.Kind != yaml.ScalarNode || isNull(n) {
				d.wrong(n, "this is "+kindName(n)+", and a single value is needed", "write a "+name)
				return
			}
			if what, remedy := parse(n.Value, out); what != "" {
				d.wrong(n, what, remedy)
			}
		},
	}
}
