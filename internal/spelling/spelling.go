// Package spelling is the one spelling in which names of people, hosts and
// addresses are compared, which is also the one that findings show: see
// docs/pipelines.md, "Who is who". It is pure: the engine's functions one_name,
// one_ip, given, said and ip_in are made of it.
package spelling

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Name is a name in its one spelling: without case, surrounding blanks and what
// has no width, in composed form. It is false for nobody.
func Name(text string) (string, bool) {
	name := caseless(text)
	return name, !isPlaceholder(name, nobody)
}

// Given reports whether a text names somebody or something, in any spelling.
func Given(text string) bool { return !isPlaceholder(caseless(text), nobody) }

// Said reports whether a text is a value at all, as it was written.
func Said(text string) bool { return !isPlaceholder(text, unsaid) }

// plain reports whether caseless leaves a text alone, which is so for most.
func plain(text string) bool {
	for i := range len(text) {
		if c := text[i]; c <= ' ' || c > '~' || 'A' <= c && c <= 'Z' {
			return false
		}
	}
	return true
}

// noWidth are characters that nobody sees.
const noWidth = "\x00\u200b\u200c\u200d\u2060\ufeff"

// caseless is a text whose case is folded as Unicode has it, in composed form,
// without surrounding blanks and what has no width: lower case maps one letter
// to one, and folding is what several are.
func caseless(text string) string {
	if plain(text) {
		return text
	}
	text = strings.Map(func(r rune) rune {
		switch {
		case '\t' <= r && r <= '\r':
			return ' '
		case strings.ContainsRune(noWidth, r):
			return -1
		}
		return r
	}, text)
	text = strings.TrimFunc(text, func(r rune) bool { return unicode.Is(unicode.Zs, r) })
	text = strings.Map(unicode.ToLower, norm.NFC.String(text))
	return folds.Replace(text)
}

// folds are what lower case does not fold. The dot after i is what is left of a
// capital with one.
var folds = strings.NewReplacer("ß", "ss", "ς", "σ", "i\u0307", "i")

// unsaid are the words, in lower case, that sources write when they have no
// value, whatever brackets and quotes they put around.
func unsaid(word string) bool {
	switch word {
	case "n/a", "n.a", "null", "nil", "undefined", "unknown", "empty", "unset":
		return true
	}
	if rest, ok := strings.CutPrefix(word, "not"); ok {
		switch second(rest) {
		case "available", "applicable", "set":
			return true
		}
	}
	return false
}

// nobody are the words that sources write when they know no name. Who bears one
// is not an entity: many people would be one.
func nobody(word string) bool {
	switch word {
	case "none", "nan", "blank", "missing", "unspecified", "unavailable", "redacted", "anonymous",
		"hidden_due_to_security_reasons",
		"s-1-0-0", "00000000-0000-0000-0000-000000000000", "0.0.0.0":
		return true
	}
	if rest, ok := strings.CutPrefix(word, "not"); ok && (second(rest) == "provided" || second(rest) == "specified") {
		return true
	}
	for _, two := range [...][2]string{{"unknown", "user"}, {"no", "user"}, {"user", "unknown"}, {"anonymous", "logon"},
		{`nt authority\anonymous`, "logon"}} {
		if rest, ok := strings.CutPrefix(word, two[0]); ok && second(rest) == two[1] {
			return true
		}
	}
	return unsaid(word)
}

// second is the second of two words, between which many sources write _ or -,
// a blank or nothing.
func second(text string) string {
	if text != "" && strings.IndexByte(" _-", text[0]) >= 0 {
		return text[1:]
	}
	return text
}

// longestWord bounds what is looked at: no word is longer.
const longestWord = 40

// isPlaceholder reports whether a text is one of the words in any brackets,
// quotes and dots, or has no letter, digit or symbol at all.
func isPlaceholder(text string, words func(string) bool) bool {
	word := text
	if n := len(word); n == 0 || !isLetter(word[0]) || !isLetter(word[n-1]) {
		word = strings.TrimFunc(text, isMark)
	}
	if word == "" {
		return true
	}
	if len(word) > longestWord || strings.IndexByte(beginnings, word[0]|0x20) < 0 && word[0] < utf8.RuneSelf {
		return false
	}
	for i := range len(word) {
		if c := word[i]; c == '@' || '2' <= c && c <= '9' {
			return false // no word has one
		}
		if c := word[i]; c >= utf8.RuneSelf || 'A' <= c && c <= 'Z' {
			return words(strings.Map(likeASCII, word))
		}
	}
	return words(word)
}

// beginnings are the first letters of all the words.
const beginnings = "nuebmrahs0"

func isMark(r rune) bool {
	if r < utf8.RuneSelf {
		return !isLetter(byte(r))
	}
	return !unicode.In(r, unicode.L, unicode.N, unicode.So)
}

// isLetter reports whether a byte is a letter or digit of ASCII.
func isLetter(c byte) bool {
	return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || 'A' <= c && c <= 'Z'
}

// likeASCII is the lower case of letters that are ASCII without their case.
func likeASCII(r rune) rune {
	switch {
	case 'A' <= r && r <= 'Z':
		return r + 'a' - 'A'
	case r == 'ſ':
		return 's'
	case r == '\u212a': // the sign of Kelvin
		return 'k'
	}
	return r
}
