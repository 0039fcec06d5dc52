package duckdb

import (
	"maps"
	"slices"
	"strings"
)

// tablesOf are the tables with a tier that a statement names, in lower case
// and sorted.
func tablesOf(node map[string]any) []string {
	found := map[string]bool{}
	collectTables(node, found)
	return slices.Sorted(maps.Keys(found))
}

func collectTables(v any, found map[string]bool) {
	switch n := v.(type) {
	case []any:
		for _, e := range n {
			collectTables(e, found)
		}
	case map[string]any:
		if n["type"] == "BASE_TABLE" {
			tier, _ := n["schema_name"].(string)
			if catalog, _ := n["catalog_name"].(string); catalog != "" {
				tier = catalog
			}
			if name, _ := n["table_name"].(string); tier != "" {
				found[strings.ToLower(tier+"."+name)] = true
			}
		}
		for _, e := range n {
			collectTables(e, found)
		}
	}
}
