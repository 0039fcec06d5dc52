package sqltext

import (
	"fmt"
	"slices"
	"strings"
)

// Names of one person, host or address are compared in one spelling, which is
// also the one that findings show: see docs/pipelines.md, "Who is who".

// nobody are the names, in lower case, that sources write when they know none,
// whatever brackets and quotes they put around. Who bears one is not an entity:
// many people would be one. So is a name without a letter or digit.
var nobody = [...]string{
	"n/a", "n[.]a[.]?", "not[ _-]?available", "not[ _-]?applicable", "not[ _-]?set", "not[ _-]?provided",
	"not[ _-]?specified",
	"null", "nil", "none", "nan", "undefined", "unknown", "unknown[ _-]?user", "no[ _-]?user", "user[ _-]?unknown",
	"empty", "blank", "missing", "unset",
	"unspecified", "unavailable", "redacted", "anonymous", `(nt authority\\)?anonymous[ _-]?logon`,
	"hidden_due_to_security_reasons",
	"s-1-0-0", "0{8}-0{4}-0{4}-0{4}-0{12}", "0[.]0[.]0[.]0",
}

// unsaid are those of them that are no value either: that somebody used it is
// not known.
var unsaid = [...]string{
	"n/a", "n[.]a[.]?", "not[ _-]?available", "not[ _-]?applicable", "not[ _-]?set", "null", "nil", "undefined", "unknown",
	"empty", "unset",
}

// placeholder is the pattern of a text that is one of the words, or none at all.
func placeholder(words []string) string {
	const mark = `[^\pL\pN\p{So}]*`
	return "(?i)" + mark + "((" + strings.Join(words, "|") + ")" + mark + ")?"
}

// Spelling is how values of an entity type are compared.
type Spelling uint8

// The spellings.
const (
	AsWritten Spelling = iota
	AsName             // without case and surrounding blanks
	AsAddress          // an IP address, however it was written
)

// SpellingOf is the spelling of an entity type.
func SpellingOf(kind string) Spelling {
	switch {
	case slices.Contains(nameTypes(), kind), strings.HasSuffix(kind, "_user"):
		return AsName
	case slices.Contains(addressTypes(), kind), strings.HasSuffix(kind, "_ip"):
		return AsAddress
	default:
		return AsWritten
	}
}

func nameTypes() []string {
	return []string{"user", "username", "user_name", "account", "actor", "principal", "identity", "login", "upn", "email",
		"email_addr", "email_address", "host", "hostname"}
}

func addressTypes() []string { return []string{"ip", "ip_address", "address"} }

// Fold is the SQL of a text in the one spelling of its type; null for nobody.
func Fold(kind, expr string) string {
	switch SpellingOf(kind) {
	case AsName:
		return Somebody(Trimmed(expr))
	case AsAddress:
		return Somebody(addressSQL(Trimmed(expr)))
	default:
		return "(" + expr + ")::VARCHAR"
	}
}

// FoldBy is fold for a type that is a column's value.
func FoldBy(kind, expr string) string {
	return fmt.Sprintf("CASE WHEN %[1]s IN (%[2]s) OR %[1]s LIKE '%%\\_user' ESCAPE '\\' THEN %[3]s WHEN %[1]s IN "+
		"(%[4]s) OR %[1]s LIKE '%%\\_ip' ESCAPE '\\' THEN %[5]s ELSE (%[6]s)::VARCHAR END",
		kind, Literals(nameTypes()), Fold("user", expr), Literals(addressTypes()), Fold("ip", expr), expr)
}

// Folded is the SQL of a column in the spelling of its type.
func Folded(column string) string { return Fold(EntityType(column), Path(column)) }

// Trimmed is a text in lower case without surrounding blanks. The engine's
// trim knows the blanks of Unicode, but not those that are control characters.
// Most texts are ASCII without blanks and capitals: one pattern is three times
// as fast as three functions.
func Trimmed(expr string) string {
	return fmt.Sprintf("CASE WHEN regexp_full_match((%[1]s)::VARCHAR, '[!-@\\[-~]*') THEN (%[1]s)::VARCHAR ELSE %s END",
		expr, caseless("("+expr+")::VARCHAR"))
}

// caseless is the SQL of a text whose case is folded as Unicode has it, in
// composed form, without surrounding blanks and what has no width: the engine's
// lower maps one letter to one, and folding is what several are.
func caseless(text string) string {
	const (
		blanks = `chr(9) || chr(10) || chr(11) || chr(12) || chr(13)`
		none   = `chr(0) || chr(8203) || chr(8204) || chr(8205) || chr(8288) || chr(65279)`
	)
	return fmt.Sprintf("replace(replace(replace(lower(nfc_normalize(trim(translate(%s, %s || %s, '     ')))), 'ß', "+
		"'ss'), 'ς', 'σ'), 'i' || chr(775), 'i')",
		text, blanks, none)
}

// IsNobody holds for a placeholder.
func IsNobody(name string) string {
	return fmt.Sprintf("regexp_full_match(%s, %s)", name, Str(placeholder(nobody[:])))
}

// Somebody is a trimmed name, or null if it is a placeholder.
func Somebody(name string) string {
	return fmt.Sprintf("CASE WHEN NOT %s THEN %s END", IsNobody(name), name)
}

// Given is a text as it was written, or null if it is a placeholder.
func Given(expr string) string {
	return fmt.Sprintf("CASE WHEN NOT %s THEN (%s)::VARCHAR END", IsNobody(Trimmed(expr)), expr)
}

// Said is a column's value in the one spelling of its type, or null if it is none.
func Said(column string) string {
	text := Folded(column)
	if SpellingOf(EntityType(column)) != AsWritten {
		return text
	}
	return fmt.Sprintf("CASE WHEN NOT regexp_full_match(%s, %s) THEN %[1]s END", text, Str(placeholder(unsaid[:])))
}

// addressSQL is the one spelling of an address in lower case: without port,
// brackets and zone, IPv6 as RFC 5952 has it, and an IPv4 address that is
// mapped into IPv6, or padded with zeros, as IPv4. What is not an address stays as it is.
func addressSQL(a string) string {
	const (
		port   = `[0-9]+([.][0-9]+){3}:[0-9]+`
		six    = `[0-9a-f]{0,4}(:[0-9a-f]{0,4}){2,7}|[0-9a-f:]*:[0-9]{1,3}([.][0-9]{1,3}){3}`
		dotted = `^(.*:)([0-9]+)[.]([0-9]+)[.]([0-9]+)[.]([0-9]+)$`
	)
	part := func(n int) string { return fmt.Sprintf("TRY_CAST(regexp_extract(b, '%s', %d) AS INTEGER)", dotted, n) }
	hex := fmt.Sprintf("CASE WHEN contains(b, '.') THEN regexp_extract(b, '%s', 1) || to_hex(%s * 256 + %s) || ':' || "+
		"to_hex(%s * 256 + %s) ELSE b END",
		dotted, part(2), part(3), part(4), part(5))
	side := func(n int) string {
		return fmt.Sprintf("list_filter(string_split(split_part(h, '::', %d), ':'), lambda p: p <> '')", n)
	}
	groups := fmt.Sprintf("CASE WHEN contains(h, '::') THEN list_concat(%[1]s, list_transform(range(0, 8 - len(%[1]s) "+
		"- len(%[2]s)), lambda z: '0'), %[2]s) ELSE string_split(h, ':') END",
		side(1), side(2))
	byteOf := func(g int, op string) string {
		return fmt.Sprintf("(TRY_CAST('0x' || g[%d] AS INTEGER) %s 256)::INTEGER::VARCHAR", g, op)
	}
	joined := "array_to_string(list_transform(g, lambda x: coalesce(nullif(ltrim(x, '0'), ''), '0')), ':')"
	short := "CASE"
	for n := 8; n >= 2; n-- {
		zeros := fmt.Sprintf("(^|:)0(:0){%d}(:|$)", n-1)
		short += fmt.Sprintf(" WHEN regexp_matches(j, '%[1]s') THEN regexp_replace(j, '%[1]s', '::')", zeros)
	}
	short += " ELSE j END"
	return fmt.Sprintf(`CASE WHEN contains(%[1]s, ':') THEN list_transform([regexp_replace(regexp_replace(%[1]s, '^[[]([^]]*)[]](:[0-9]+)?$', '\1'), '%%.*$', '')], lambda b:
  CASE WHEN regexp_full_match(b, '%[2]s') THEN split_part(b, ':', 1) WHEN NOT regexp_full_match(b, '%[3]s') OR regexp_matches(b, '::.*::|:::') THEN b
  ELSE list_transform([lower(%[4]s)], lambda h: list_transform([%[5]s], lambda g:
    CASE WHEN len(g) <> 8 THEN b WHEN g[6] = 'ffff' AND len(list_filter(g[1:5], lambda x: trim(x, '0') <> '')) = 0
      THEN %[6]s || '.' || %[7]s || '.' || %[8]s || '.' || %[9]s
    ELSE list_transform([%[10]s], lambda j: %[11]s)[1] END)[1])[1] END)[1]
  WHEN (contains(%[1]s, '.0') OR starts_with(%[1]s, '0')) AND regexp_full_match(%[1]s, '[0-9]{1,3}([.][0-9]{1,3}){3}') THEN regexp_replace(%[1]s, '\b0+([0-9])', '\1', 'g')
  ELSE %[1]s END`,
		a, port, six, hex, groups, byteOf(7, "//"), byteOf(7, "%"), byteOf(8, "//"), byteOf(8, "%"), joined, short)
}

// Entity is the SQL of an entity's name from its columns; null if one of
// them names nobody. kind is the type of a single column; empty: as the
// column's name has it.
//
// A condition on it is evaluated for each row, many times slower than the text
// itself: where rows are grouped, drop nobody afterwards (isSomebody).
func Entity(cols []string, kind string) string {
	if len(cols) == 1 && kind != "" {
		return Fold(kind, Path(cols[0]))
	}
	return Combined(cols, Folded)
}

// Combined is the SQL of several columns as one text; null if one of them is.
func Combined(cols []string, text func(column string) string) string {
	parts, known := make([]string, len(cols)), make([]string, len(cols))
	for i, c := range cols {
		parts[i] = text(c)
		known[i] = parts[i] + " IS NOT NULL"
	}
	if len(parts) == 1 {
		return parts[0]
	}
	return "CASE WHEN " + strings.Join(known, " AND ") + " THEN concat_ws(' / ', " + List(parts) + ") END"
}

// Present is the condition that the columns of an entity have values, which
// costs next to nothing: those of most rows that name nobody are null.
func Present(cols []string) string {
	parts := make([]string, len(cols))
	for i, c := range cols {
		parts[i] = Path(c) + " IS NOT NULL"
	}
	return strings.Join(parts, " AND ")
}

// IsSomebody holds, in a HAVING over groups of one name, if the name is one.
func IsSomebody(name string) string { return "count(" + name + ") > 0" }

// NotNull is the condition on rows that the entity is somebody.
func NotNull(cols []string, kind string) string {
	return Present(cols) + " AND " + Entity(cols, kind) + " IS NOT NULL"
}

// EntityType is what an entity's column says that it is: the member before a
// name or id (user.name is a user), otherwise the last member.
func EntityType(column string) string {
	parts := strings.Split(column, ".")
	last := parts[len(parts)-1]
	before := ""
	if len(parts) > 1 {
		before = parts[len(parts)-2]
	}
	switch last {
	case "name", "uid", "id", "number":
		switch before {
		case "":
			return last
		case "autonomous_system":
			return "asn"
		default:
			return before
		}
	case "hostname":
		return "host"
	case "username", "user_name":
		return "user"
	default:
		return last
	}
}
