package spec_test

import (
	"strings"
	"testing"

	"github.com/lakeward/lakeward/pipeline/spec"
)

// hostile are documents that cost far more than they weigh, if read naively.
func hostile() map[string]string {
	bomb := "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
	for i := 1; i < 10; i++ {
		n, p := string(rune('0'+i)), string(rune('0'+i-1))
		bomb += "a" + n + ": &a" + n + " [" + strings.TrimSuffix(strings.Repeat("*a"+p+", ", 10), ", ") + "]\n"
	}
	return map[string]string{
		"alias bomb":      bomb,
		"alias to itself": "name: &a [*a]\n",
		"deep sequences":  "steps: " + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000) + "\n",
		"deep mappings":   strings.Repeat("{steps: ", 10_000) + "1" + strings.Repeat("}", 10_000) + "\n",
		"deep blocks":     deepBlocks(2_000),
		"more than 1 MiB": "name: x # " + strings.Repeat("x", 1<<20) + "\n",
		"invalid UTF-8":   "name: \xff\xfe\n",
		"two documents":   "name: a\n---\nname: b\n",
	}
}

func deepBlocks(n int) string {
	var b strings.Builder
	for i := 0; i < n && b.Len() < 1<<20-n; i++ {
		b.WriteString(strings.Repeat(" ", i%700) + "- \n")
	}
	return b.String()
}

func TestHostileDocumentsAreErrors(t *testing.T) {
	good, ps := spec.Parse("good.yaml", []byte("name: good\nschedule: \"5 * * * *\"\nsteps: {rows: {read: "+
		"lake.x}}\nwrite: [{from: rows, to: analytics.x}]\n"))
	if len(ps) > 0 {
		t.Fatal(ps)
	}
	for name, text := range hostile() {
		t.Run(name, func(t *testing.T) {
			p, ps := spec.Parse("p.yaml", []byte(text))
			if p != nil || len(ps) == 0 {
				t.Fatal("no error")
			}
			if len(ps) > 1000 || ps[0].Remedy == "" {
				t.Errorf("%d problems, the first: %v", len(ps), ps[0])
			}
			if _, ps := spec.ParseTests("p_test.yaml", []byte(text), good); len(ps) == 0 {
				t.Error("no error in tests")
			}
		})
	}
}

func FuzzParseTests(f *testing.F) {
	good, ps := spec.Parse("good.yaml", []byte("name: good\nschedule: \"5 * * * *\"\nsteps: {rows: {read: "+
		"lake.x}}\nwrite: [{from: rows, to: analytics.x}]\n"))
	if len(ps) > 0 {
		f.Fatal(ps)
	}
	f.Add([]byte("cases:\n  - name: a\n    at: 2026-11-24T10:05:00Z\n    given: {lake.x: {rows: [{a: 1}]}}\n    " +
		"expect: {rows: [{a: 1}]}\n"))
	for _, text := range hostile() {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		_, ps := spec.ParseTests("f", data, good)
		for _, p := range ps {
			if p.What == "" {
				t.Fatalf("%v says nothing", p)
			}
		}
	})
}
