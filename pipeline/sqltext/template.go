package sqltext

import (
	"fmt"
	"strings"
)

// Values are what a template's names stand for: SQL, or numbers.
type Values map[string]any

// Fill replaces each {name} of a template by its value. Braces around anything
// else, such as the engine's structs and the repetitions of patterns, stay; so
// does a name without a value, which the engine then refuses.
func Fill(template string, values Values) string {
	var out strings.Builder
	out.Grow(2 * len(template))
	for {
		open := strings.IndexByte(template, '{')
		if open < 0 {
			break
		}
		end := open + 1 + nameLen(template[open+1:])
		value, known := values[template[open+1:end]]
		if end == len(template) || template[end] != '}' || !known {
			out.WriteString(template[:open+1])
			template = template[open+1:]
			continue
		}
		out.WriteString(template[:open])
		if text, ok := value.(string); ok {
			out.WriteString(text)
		} else {
			fmt.Fprint(&out, value)
		}
		template = template[end+1:]
	}
	out.WriteString(template)
	return out.String()
}

// nameLen is how many letters at the beginning of s are a name's.
func nameLen(s string) int {
	for i := range len(s) {
		if c := s[i]; c != '_' && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') {
			return i
		}
	}
	return len(s)
}
