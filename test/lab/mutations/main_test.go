package mutations

import (
	"bytes"
	"strings"
	"testing"
)

func TestEveryMutationIsNoticed(t *testing.T) {
	var out bytes.Buffer
	err := Run(t.Context(), &out)
	t.Log(out.String())
	if err != nil || !strings.Contains(out.String(), "figure: mutations_missed 0 count\n") {
		t.Fatal(err)
	}
}
