package config

import (
	"slices"
	"strings"

	"github.com/lakeward/lakeward/config/strict"
	"github.com/lakeward/lakeward/tiers"
)

// checkTables finds declared columns that cannot be: names are compared
// without case, as SQL does.
func checkTables(tables []Table) Problems {
	var ps Problems
	for i, t := range tables {
		for _, other := range tables[:i] {
			if strings.EqualFold(other.Name.Value, t.Name.Value) {
				what := "the tables `" + other.Name.Value + "` and `" + t.Name.Value + "` differ only in case, so they are one"
				ps = append(ps, strict.Problem{Pos: t.Name.Pos, What: what, Remedy: "join them"})
			}
		}
		for i, c := range t.Columns {
			if what, remedy := columnProblem(c, t.Columns[:i]); what != "" {
				ps = append(ps, strict.Problem{Pos: c.Path.Pos, What: what, Remedy: remedy})
			}
		}
	}
	return ps
}

func columnProblem(c Column, before []Column) (what, remedy string) {
	path := strings.ToLower(c.Path.Value)
	top, _, nested := strings.Cut(path, ".")
	own := append(tiers.BaseFields(), tiers.TimeSourceField(),
		tiers.Field{Name: tiers.ColStreamSubject, Type: tiers.Type{Kind: tiers.KindString}})
	i := slices.IndexFunc(own, func(f tiers.Field) bool { return f.Name == top && f.Name != tiers.ColEventID })
	if i >= 0 && (nested || own[i].Type.Kind != c.Type.Kind) {
		return "the column `" + top + "` is Lakeward's own, of type " + own[i].Type.String(),
			"leave it out; an event's own field of that name has a column beside it, such as `" + top + "_text`"
	}
	for _, b := range before {
		other := strings.ToLower(b.Path.Value)
		switch {
		case other == path:
			return "the columns `" + b.Path.Value + "` and `" + c.Path.Value + "` differ only in case, so they are one",
				"remove one"
		case strings.HasPrefix(path, other+"."):
			return "`" + b.Path.Value + "` is a column, so that `" + c.Path.Value + "` cannot be below it", "remove one"
		case strings.HasPrefix(other, path+"."):
			return "`" + b.Path.Value + "` is below `" + c.Path.Value + "`, which cannot be a column", "remove one"
		}
	}
	return "", ""
}
