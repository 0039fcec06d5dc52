package main

import (
	"os"
	"strings"
	"testing"
)

// TestTheMakefileRunsEachExperiment: a target that names another one would do
// nothing.
func TestTheMakefileRunsEachExperiment(t *testing.T) {
	makefile, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range experiments() {
		if !strings.Contains(string(makefile), "go run ./test/lab "+e.name+"\n") {
			t.Errorf("no target runs %s", e.name)
		}
	}
	if n := strings.Count(string(makefile), "go run ./test/lab "); n != len(experiments()) {
		t.Errorf("%d targets run experiments, of which there are %d", n, len(experiments()))
	}
}

func TestMistakesOfTheCommandLine(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, "say what to do"},
		{[]string{"nothing"}, `there is no command "nothing"`},
		{[]string{"chaos", "KILLS"}, `"KILLS" is not VARIABLE=VALUE`},
		{[]string{"-seed", "x", "chaos"}, "invalid value"},
	} {
		if err := run(t.Context(), c.args); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, want %s", c.args, err, c.want)
		}
	}
}
