package spec

import "strings"

// splitTable cuts "lake.signin" into tier and bare name.
func splitTable(t string) (tier, table string) {
	tier, table, _ = strings.Cut(t, ".")
	return tier, table
}

// isTable reports whether a reference names a table rather than a step.
func isTable(ref string) bool { return strings.Contains(ref, ".") }

func (r *Read) stepJoins() []Text {
	var out []Text
	for _, j := range r.Join {
		if !isTable(j.Table.Value) {
			out = append(out, j.Table)
		}
	}
	return out
}
