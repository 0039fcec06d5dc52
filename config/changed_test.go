package config

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestChangedNamesTheKeysThatDiffer(t *testing.T) {
	load := func(text string) Config {
		path := filepath.Join(t.TempDir(), "lakeward.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := Load(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	before := load("log: {level: info}\n")
	after := load("log: {level: debug}\nquery: {timeout: 20s}\nsources: [{name: a, stream: A, subject: a.>}]\n")
	got, err := Changed(before, after)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"log.level", "query.timeout", "sources"}; !slices.Equal(got, want) {
		t.Errorf("changed are %v, want %v", got, want)
	}
	if got, err := Changed(after, after); err != nil || len(got) > 0 {
		t.Errorf("of itself %v differs, %v", got, err)
	}
}
