package ingest

import (
	"fmt"
	"strings"

	"github.com/lakeward/lakeward/tiers/removal"
)

// The tables of ingest's own bookkeeping. They are committed before the tables
// of events of the same batch.
const (
	Quarantine = "quarantine"     // what could not be decoded, with bytes and reason
	Skipped    = "ingest_skipped" // messages that were repeats, gaps of the stream, and what was replayed from quarantine
)

// keptSubject is the subject as events keep it: nil if the source did not ask
// for it and its filter and the table's name tell it.
func (s *Source) keptSubject(subject string) []byte {
	filter, tokens := strings.Split(s.o.Filter, "."), strings.Split(subject, ".")
	kept := s.o.Metadata != nil
	for i := range tokens {
		wild := i >= len(filter) || filter[i] == "*" || filter[i] == ">"
		named := i == len(tokens)-1 && s.o.Table == ""
		kept = kept || wild && !named
	}
	if !kept {
		return nil
	}
	return []byte(subject)
}

const maxTableName = 63

// tableOf names the table of a subject by its last token, in lower case, with
// _ for - and a leading _ before a digit. The reason says why there is none.
func tableOf(subject string) (table, reason string) {
	token := subject[strings.LastIndexByte(subject, '.')+1:]
	name := make([]byte, 0, len(token)+1)
	named := false // it has a letter or digit
	for i := range len(token) {
		c := token[i]
		switch {
		case c >= 'A' && c <= 'Z':
			c += 'a' - 'A'
			named = true
		case c >= 'a' && c <= 'z':
			named = true
		case c >= '0' && c <= '9':
			if len(name) == 0 {
				name = append(name, '_')
			}
			named = true
		case c == '-' || c == '_':
			c = '_'
		default:
			return "", fmt.Sprintf("the subject's last token %.80q cannot name a table: use letters, digits, - and _", token)
		}
		name = append(name, c)
	}
	table = string(name)
	switch {
	case !named:
		return "", fmt.Sprintf("the subject's last token %.80q cannot name a table: it has no letter or digit", token)
	case len(table) > maxTableName:
		return "", fmt.Sprintf("the subject's last token %.80q is too long to name a table: at most %d characters", token,
			maxTableName)
	case table == Quarantine || table == Skipped || table == removal.Table:
		return "", fmt.Sprintf("the table %s is Lakeward's own: publish on another subject", table)
	}
	return table, ""
}
