package query

import (
	"strings"
	"unicode"
)

// Verb is the first word of a statement behind comments, in upper case; empty if
// it does not begin with a word.
func Verb(sql string) string {
	at := verbAt(sql)
	return strings.ToUpper(sql[at : at+wordLen(sql[at:])])
}

// WithoutVerb is a statement with blanks in place of its first word, so that the
// rest stands where it stood.
func WithoutVerb(sql string) string {
	at := verbAt(sql)
	n := wordLen(sql[at:])
	return sql[:at] + strings.Repeat(" ", n) + sql[at+n:]
}

func wordLen(s string) int {
	n := 0
	for n < len(s) && (s[n] == '_' || 'a' <= s[n]|0x20 && s[n]|0x20 <= 'z') {
		n++
	}
	return n
}

// verbAt is where a statement begins behind blanks and comments, which nest.
func verbAt(sql string) int {
	at := 0
	for {
		rest := strings.TrimLeftFunc(sql[at:], unicode.IsSpace)
		at = len(sql) - len(rest)
		switch {
		case strings.HasPrefix(rest, "--"):
			end := strings.IndexAny(rest, "\n\r")
			if end < 0 {
				return len(sql)
			}
			at += end
		case strings.HasPrefix(rest, "/*"):
			at += commentLen(rest)
		default:
			return at
		}
	}
}

// commentLen is how long the comment is that s begins with.
func commentLen(s string) int {
	depth := 0
	for i := 0; i+1 < len(s); i++ {
		switch s[i : i+2] {
		case "/*":
			depth++
			i++
		case "*/":
			depth--
			i++
		}
		if depth == 0 {
			return i + 1
		}
	}
	return len(s)
}
