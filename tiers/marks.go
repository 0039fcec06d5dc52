package tiers

import (
	"maps"
	"slices"
	"strings"
)

// Properties of a table about marks, each followed by Mark.Key().
const (
	MarkProperty = "lakeward.mark." // the mark as JSON; in a snapshot's summary too
	// FedProperty stays when a mark is lost: it tells a table that has lost its
	// mark from one that the source never fed.
	FedProperty = "lakeward.fed."
)

// LostMarks returns, in order, the keys of the sources that have fed the table
// and whose marks it has lost. No commit of the lake removes a mark, so a person
// has removed the property.
func LostMarks(t Table) []string {
	marks, lost := t.Marks(), map[string]bool{}
	note := func(name, prefix string) {
		if key, ok := strings.CutPrefix(name, prefix); ok {
			if _, has := marks[key]; !has {
				lost[key] = true
			}
		}
	}
	for name := range t.Properties() {
		note(name, FedProperty)
	}
	for _, s := range t.Snapshots() {
		for name := range s.Summary {
			note(name, MarkProperty)
		}
	}
	return slices.Sorted(maps.Keys(lost))
}
