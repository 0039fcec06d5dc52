package hostile

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestEveryFunctionOfTheAllowListIsCalled: a function that is allowed is in the
// corpus without anybody thinking of it.
func TestEveryFunctionOfTheAllowListIsCalled(t *testing.T) {
	all, err := corpus(t.Context(), "../../../")
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d statements", len(all))
	if len(all) < 300 {
		t.Errorf("%d statements", len(all))
	}
	called := map[string]bool{}
	for _, s := range all {
		for _, m := range regexp.MustCompile(`[A-Za-z_0-9]+\(`).FindAllString(s[:min(len(s), 2000)], -1) {
			called[strings.TrimSuffix(m, "(")] = true
		}
	}
	list, err := os.ReadFile("../../../" + allowList)
	if err != nil {
		t.Fatal(err)
	}
	for f := range strings.FieldsSeq(string(list)) {
		if isWord(f) && !called[f] {
			t.Errorf("%s is not called", f)
		}
	}
}

// TestAShortRunHasEveryKind: a part of the corpus is taken from all of it.
func TestAShortRunHasEveryKind(t *testing.T) {
	all := []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}
	if got := strings.Join(spread(all, 4), ""); got != "0257" {
		t.Errorf("took %s", got)
	}
	if got := spread(all, 20); len(got) != 10 {
		t.Errorf("took %d of 10", len(got))
	}
}
