package strict_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lakeward/lakeward/config/strict"
)

type item struct {
	Name strict.At[string]
	N    int
	D    time.Duration
	S    int64
	F    float64
	Q    float64
	T    time.Time
	L    []string
	J    string
	K    []item
}

func itemFields() []strict.Field[item] {
	return []strict.Field[item]{
		strict.F("n", strict.Int(0, 10), func(i *item) *int { return &i.N }, "number").Default("3"),
		strict.F("d", strict.Duration(0, 1000*time.Hour), func(i *item) *time.Duration { return &i.D },
			"duration").Default("1h"),
		strict.F("s", strict.Size(0, 1<<40), func(i *item) *int64 { return &i.S }, "size").Default("1KiB"),
		strict.F("f", strict.Float(0, 1), func(i *item) *float64 { return &i.F }, "float").Default("0.5"),
		strict.F("q", strict.Quantity("speed", "km/h", "800km/h", 0, 1000), func(i *item) *float64 { return &i.Q },
			"speed").Default("1km/h"),
		strict.F("t", strict.Time(), func(i *item) *time.Time { return &i.T }, "time"),
		strict.F("l", strict.OneOrList(strict.NonEmpty()), func(i *item) *[]string { return &i.L }, "list"),
		strict.F("j", strict.JSON(), func(i *item) *string { return &i.J }, "any"),
	}
}

func itemType() strict.Type[item] {
	inner := strict.Object(itemFields()...)
	key := func(i *item) *strict.At[string] { return &i.Name }
	return strict.Object(append(itemFields(),
		strict.F("k", strict.Keyed(inner, key, func(string) (string, string) { return "", "" }),
			func(i *item) *[]item { return &i.K }, "items"))...)
}

func decode(text string) (item, strict.Problems) {
	doc, ps := strict.Parse("f", []byte(text))
	if len(ps) > 0 {
		return item{}, ps
	}
	return strict.Decode(doc, itemType())
}

func TestValuesAreReadWithTheirUnits(t *testing.T) {
	for text, want := range map[string]string{
		"":                              "3 1h 1KiB 0.5 1",
		"d: 1h30m":                      "3 1h30m 1KiB 0.5 1",
		"d: 2w":                         "3 14d 1KiB 0.5 1",
		"{n: 1_0, d: 250ms, s: 512MiB}": "10 250ms 512MiB 0.5 1",
		"s: 1 GB":                       "3 1h 1000000000B 0.5 1",
		"q: 900 km/h":                   "3 1h 1KiB 0.5 900",
		"f: 1e-3":                       "3 1h 1KiB 0.001 1",
	} {
		v, ps := decode(text)
		if len(ps) > 0 {
			t.Errorf("%q: %v", text, ps)
		}
		if got := fmt.Sprintf("%d %s %s %v %v", v.N, strict.FormatDuration(v.D), strict.FormatSize(v.S), v.F,
			v.Q); got != want {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
}

func TestMistakesAreAllReported(t *testing.T) {
	for text, want := range map[string]string{
		"n: 11":  "f:1:4: 11 is out of range: use 0 to 10",
		"n: 1.5": "f:1:4: `1.5` is not a whole number: write digits only",
		"d: 5": "f:1:4: `5` is not a duration: write a number and its unit, such as `90s`, `1h30m` or " +
			"`28d`",
		"d: 106752d": "f:1:4: `106752d` is not a duration: write a number and its unit, such as `90s`, " +
			"`1h30m` or `28d`",
		"d: 1h1": "f:1:4: `1h1` is not a duration: write a number and its unit, such as `90s`, `1h30m` or " +
			"`28d`",
		"s: 5":          "f:1:4: `5` is not a size: write a number and its unit, such as `512MiB`",
		"f: .nan":       "f:1:4: `.nan` is not a number: write a number such as 2.5",
		"q: 5":          "f:1:4: `5` is not a speed: write it with its unit, such as `800km/h`",
		"t: 2026-11-24": "f:1:4: `2026-11-24` is not a time: write it in RFC 3339, such as 2026-11-24T10:05:00Z",
		"l: ['']":       "f:1:5: the text is empty: give it, or remove the key",
		"l: {a: 1}": "f:1:4: this is a mapping, and a list is needed: write `[a, b]`, or one item a line " +
			"with `- `",
		"k: [1]":          "f:1:4: this is a list, and a mapping is needed: write `key: value` lines below the key",
		"k: {a: 5}":       "f:1:8: this is a single value, and a mapping is needed: give n, d, s, f, q, t, l, j",
		"k: {a: {m: 1}}":  "f:1:9: unknown key `m`: did you mean `n`?",
		"zzzzz: 1":        "f:1:1: unknown key `zzzzz`: known are n, d, s, f, q, t, l, j, k",
		"<<: {n: 1}":      "f:1:1: unknown key `<<`: known are n, d, s, f, q, t, l, j, k",
		"j: {a: .inf}":    "f:1:8: `.inf` is not a number in JSON: write decimal digits, or put it in quotes",
		"j: {a: 1, a: 2}": "f:1:11: the key `a` comes twice (first on line 1): keep one of them",
		"n:":              "f:1:3: `n` has no value: give one, or remove the key",
		"? [a]\n: 1":      "f:1:3: a key is a list: write a name",
		"n: x\nd: x": "f:1:4: `x` is not a whole number: write digits only\nf:2:4: `x` is not a duration: " +
			"write a number and its unit, such as `90s`, `1h30m` or `28d`",
		"a: &x [*x]":      "f:1:8: values nest deeper than 64 levels: flatten the document",
		"just text":       "f:1:1: the document is a single value: write `key: value` lines",
		"n: 1\n---\nn: 2": "f:2:1: a second document begins here: put it into a file of its own",
		"n: 1\n...\n---\n[": "f:4:1: the YAML cannot be read (did not find expected node content): check quotes, " +
			"brackets and indentation",
		"n: '": "f:1:1: the YAML cannot be read (found unexpected end of stream): check quotes, " +
			"brackets and indentation",
		"n: \xff": "f:1:1: the YAML cannot be read (invalid leading UTF-8 octet): check quotes, brackets " +
			"and indentation",
		strings.Repeat("[", 70): "f:1:1: the YAML cannot be read (did not find expected node content): check quotes, " +
			"brackets and indentation",
		"l: " + deep(100): "f:1:67: values nest deeper than 64 levels: flatten the document",
		"l: " + deep(10_001): "f:1:1: the YAML cannot be read (exceeded max depth of 10000): check quotes, brackets " +
			"and indentation",
		strings.Repeat(" ", 2e6): "f: the file has 2000000 bytes, and at most 1048576 are read: split it",
	} {
		name := text
		if len(name) > 20 {
			name = name[:20]
		}
		t.Run(name, func(t *testing.T) {
			if _, ps := decode(text); ps.Error() != want {
				t.Errorf("got  %s\nwant %s", ps.Error(), want)
			}
		})
	}
}

func deep(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }

func TestAnAliasBombIsRefusedAndAnAliasIsNot(t *testing.T) {
	v, ps := decode("k: {a: &a {n: 7}, b: *a}\n")
	if len(ps) > 0 || v.K[1].N != 7 || v.K[1].D != time.Hour {
		t.Errorf("%v %+v", ps, v)
	}
	bomb := "a: &a [1,1,1,1,1,1,1,1,1,1]\n"
	for c := 'b'; c < 'k'; c++ {
		bomb += fmt.Sprintf("%c: &%c [%s]\n", c, c, strings.Repeat(fmt.Sprintf("*%c,", c-1), 10))
	}
	_, ps = decode(bomb)
	if len(ps) != 1 || !strings.Contains(ps[0].What, "more than 100000 values") {
		t.Errorf("got %v", ps)
	}
}

func TestPositionsOfDefaultsAreOfWhatTheyBelongTo(t *testing.T) {
	type doc struct{ In struct{ V strict.At[string] } }
	typ := strict.Object(strict.F("in", strict.Object(
		strict.F("v", strict.Positioned(strict.Text()),
			func(d *struct{ V strict.At[string] }) *strict.At[string] { return &d.V }, "v").Default("x")),
		func(d *doc) *struct{ V strict.At[string] } { return &d.In }, "in"))
	src, _ := strict.Parse("f", []byte("\n\nin: {}\n"))
	v, ps := strict.Decode(src, typ)
	if len(ps) > 0 || v.In.V.Value != "x" || v.In.V.Pos.String() != "f:3:5" {
		t.Errorf("%v %+v", ps, v)
	}
}

func TestNearestForgivesSmallMistakesOnly(t *testing.T) {
	known := []string{"schedule", "name", "steps", "write"}
	for name, want := range map[string]string{"shedule": "schedule", "scheudle": "schedule", "nmae": "name", "nothing": "",
		"x": "", "Write": "write"} {
		if got := strict.Nearest(name, known); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}
