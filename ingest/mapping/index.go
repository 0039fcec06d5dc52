package mapping

import (
	"fmt"
	"maps"
	"slices"
)

// index finds the rules that an event can be of by the text of one value.
type index struct {
	slots  []int
	byText map[string][]*rule
	others []*rule // of all other texts
}

// newIndex chooses the value that most rules ask one text of.
func newIndex(rules []*rule) index {
	votes := map[string]int{}
	for _, r := range rules {
		for _, t := range r.first() {
			votes[fmt.Sprint(t.slots)]++
		}
	}
	best := ""
	for _, key := range slices.Sorted(maps.Keys(votes)) {
		if votes[key] > votes[best] {
			best = key
		}
	}
	var x index
	texts := map[string]bool{}
	keyed := func(r *rule) *test {
		for _, t := range r.first() {
			if fmt.Sprint(t.slots) == best {
				return &t
			}
		}
		return nil
	}
	for _, r := range rules {
		if t := keyed(r); t != nil {
			x.slots = t.slots
			for s := range t.exact {
				texts[s] = true
			}
		}
	}
	x.byText = map[string][]*rule{}
	for _, r := range rules {
		t := keyed(r)
		for s := range texts {
			if t == nil || t.exact[s] {
				x.byText[s] = append(x.byText[s], r)
			}
		}
		if t == nil {
			x.others = append(x.others, r)
		}
	}
	return x
}

// first are the tests of a rule that ask for one of some texts; none if the
// rule has alternatives.
func (r *rule) first() []test {
	if len(r.when) != 1 {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(r.when[0]), func(t test) bool {
		return len(t.exact) == 0 || len(t.patterns) > 0 || t.absent || t.present
	})
}
