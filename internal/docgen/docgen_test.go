package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lakeward/lakeward/pipeline/spec"
)

func TestReferencesAreWhatTheCodeSays(t *testing.T) {
	docs, err := documents()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range docs {
		got, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(name)))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is out of date: run `make docs`", name)
		}
	}
}

func TestTheExampleOfTheReferenceIsAPipeline(t *testing.T) {
	_, rest, _ := strings.Cut(pipelinesIntro, "An example:\n\n```yaml\n")
	text, _, ok := strings.Cut(rest, "```")
	if !ok {
		t.Fatal("no example")
	}
	if _, ps := spec.Parse("example", []byte(text)); len(ps) > 0 {
		t.Error(ps)
	}
}
