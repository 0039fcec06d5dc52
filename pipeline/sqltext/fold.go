package sqltext

import (
	"fmt"
	"slices"
	"strings"
)

// Names of one person, host or address are compared in one spelling, which is
// also the one that findings show: see docs/pipelines.md, "Who is who". The
// engine's sessions have functions for it: see internal/spelling.

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
		return OneName(expr)
	case AsAddress:
		return "one_ip((" + expr + ")::VARCHAR)"
	default:
		return "(" + expr + ")::VARCHAR"
	}
}

// OneName is the SQL of a name in its one spelling; null for nobody.
func OneName(expr string) string { return "one_name((" + expr + ")::VARCHAR)" }

// FoldBy is fold for a type that is a column's value.
func FoldBy(kind, expr string) string {
	return fmt.Sprintf("CASE WHEN %[1]s IN (%[2]s) OR %[1]s LIKE '%%\\_user' ESCAPE '\\' THEN %[3]s WHEN %[1]s IN "+
		"(%[4]s) OR %[1]s LIKE '%%\\_ip' ESCAPE '\\' THEN %[5]s ELSE (%[6]s)::VARCHAR END",
		kind, Literals(nameTypes()), Fold("user", expr), Literals(addressTypes()), Fold("ip", expr), expr)
}

// Folded is the SQL of a column in the spelling of its type.
func Folded(column string) string { return Fold(EntityType(column), Path(column)) }

// Given is a text as it was written, or null if it is a placeholder.
func Given(expr string) string { return "given((" + expr + ")::VARCHAR)" }

// Said is a column's value in the one spelling of its type, or null if it is none.
func Said(column string) string {
	text := Folded(column)
	if SpellingOf(EntityType(column)) != AsWritten {
		return text
	}
	return "said(" + text + ")"
}

// Entity is the SQL of an entity's name from its columns; null if one of
// them names nobody. kind is the type of a single column; empty: as the
// column's name has it.
//
// A condition on it is evaluated for each row: where rows are grouped, drop
// nobody afterwards (isSomebody).
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
