package columnar

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lakeward/lakeward/tiers"
)

// The oracle flattens an event, with encoding/json, to lines "path=value", and
// a row's columns and its unmapped to the same; nothing may be lost or made up.
// Null is not a value, an object without values is "{}", a list has its length.

const sep = "\x1f"

type flat struct{ lines []string }

func (f *flat) add(path, value string) { f.lines = append(f.lines, path+"="+value) }

// walk flattens one value of a decoder. Keys with dots are paths. atKey sees
// each member and may take it over.
func (f *flat) walk(t testing.TB, d *json.Decoder, path string, unmapped bool) {
	tok, err := d.Token()
	if err != nil {
		t.Fatal(err)
	}
	switch v := tok.(type) {
	case json.Delim:
		if v == '{' {
			f.walkObject(t, d, path, unmapped)
			return
		}
		n := 0
		for ; d.More(); n++ {
			f.walk(t, d, path+sep+"["+strconv.Itoa(n)+"]", unmapped)
		}
		d.Token()
		f.add(path, "#"+strconv.Itoa(n))
	case nil:
	case string:
		f.add(path, "s:"+v)
	case json.Number:
		f.add(path, "n:"+canonical(string(v)))
	default:
		f.add(path, fmt.Sprint(v))
	}
}

func (f *flat) walkObject(t testing.TB, d *json.Decoder, path string, unmapped bool) {
	before := len(f.lines)
	for d.More() {
		tok, err := d.Token()
		if err != nil {
			t.Fatal(err)
		}
		key, ok := tok.(string)
		if !ok {
			t.Fatalf("no key at %q but %v", path, tok)
		}
		if unmapped && key == "$repeated" {
			d.Token()
			for d.More() {
				d.Token()
				again, _ := d.Token()
				from := len(f.lines)
				f.walk(t, d, path+sep+strings.ReplaceAll(again.(string), ".", sep), false)
				for i := from; i < len(f.lines); i++ {
					f.lines[i] = repetition + f.lines[i]
				}
				d.Token()
			}
			d.Token()
			continue
		}
		f.walk(t, d, path+sep+strings.ReplaceAll(key, ".", sep), unmapped)
	}
	d.Token()
	if len(f.lines) == before {
		f.add(path, "{}")
	}
}

// canonical makes the prints of one double, with 17 digits or the fewest, equal.
func canonical(num string) string {
	digits, exp, ok := decimalParts(num)
	if n := len(strings.TrimLeft(digits, "-")); ok && n > 15 && n < 18 && exp > -300 && exp < 300 {
		v, _ := strconv.ParseFloat(num, 64)
		said, _ := new(big.Rat).SetString(num)
		prints, _ := new(big.Rat).SetString(fmt.Sprintf("%.*e", n-1, v))
		if said.Cmp(prints) == 0 {
			digits, exp, _ = decimalParts(strconv.FormatFloat(v, 'e', -1, 64))
		}
	}
	switch {
	case !ok:
		return num
	case digits == "" || digits == "-":
		return digits + "0"
	}
	return digits + "e" + strconv.Itoa(exp)
}

// repetition marks a line of unmapped that is not the first of its path.
const repetition = "\x00"

func flatten(t testing.TB, js []byte, unmapped bool) []string {
	d := json.NewDecoder(bytes.NewReader(js))
	d.UseNumber()
	var f flat
	f.walk(t, d, "", unmapped)
	return f.lines
}

// member flattens a column under the name that its values had.
func (f *flat) member(n *node, slot int, path string) {
	name := n.name
	if n.of != nil {
		name = n.of.name
	}
	f.column(n, slot, path+sep+strings.ReplaceAll(name, ".", sep))
}

func (f *flat) column(n *node, slot int, path string) {
	c := n.col
	if !c.Has(slot) {
		return
	}
	switch c.Kind {
	case tiers.KindStruct:
		before := len(f.lines)
		for _, m := range n.members {
			f.member(m, slot, path)
		}
		if len(f.lines) == before {
			f.add(path, "{}")
		}
	case tiers.KindList:
		from, to := c.List(slot)
		for e := from; e < to; e++ {
			f.column(n.elem, e, path+sep+"["+strconv.Itoa(e-from)+"]")
		}
		f.add(path, "#"+strconv.Itoa(to-from))
	case tiers.KindLong:
		f.add(path, "n:"+canonical(strconv.FormatInt(c.Int(slot), 10)))
	case tiers.KindDouble:
		f.add(path, "n:"+canonical(strconv.FormatFloat(c.Double(slot), 'e', -1, 64)))
	case tiers.KindBool:
		f.add(path, fmt.Sprint(c.Bool(slot)))
	case tiers.KindString:
		f.add(path, "s:"+string(c.Bytes(slot)))
	default:
		f.add(path, "?")
	}
}

// checkRow compares a row of an inferred table with its event.
func checkRow(t testing.TB, b *Batch, row int, event []byte) {
	t.Helper()
	want := flatten(t, event, false)
	var f flat
	for _, n := range b.root.members {
		if n.of != nil || b.roleOf(n.name) == plainKey {
			f.member(n, row, "")
		}
	}
	if b.rest.Has(row) {
		defer func() {
			if t.Failed() {
				t.Logf("event %s\nunmapped %s", event, b.rest.Bytes(row))
			}
		}()
		if !json.Valid(b.rest.Bytes(row)) {
			t.Fatalf("unmapped is not JSON: %s", b.rest.Bytes(row))
		}
		for i, l := range f.lines {
			f.lines[i] = lowerPath(l)
		}
		var unmapped []string
		for _, l := range flatten(t, b.rest.Bytes(row), true) {
			unmapped = f.rest(unmapped, lowerPath(l))
		}
		f.lines = append(f.lines, unmapped...)
	}
	got := f.lines
	for i := range got {
		got[i] = lowerPath(got[i])
	}
	for i := range want {
		want[i] = lowerPath(want[i])
	}
	want = dropTime(t, b, row, want, got)
	empties := func(l string) bool { return strings.HasSuffix(l, "={}") }
	for _, l := range want {
		if empties(l) && !slices.Contains(got, l) {
			// A dotted key may have put values where the object is.
			prefix := strings.TrimSuffix(l, "={}") + sep
			if !slices.ContainsFunc(got, func(g string) bool { return strings.HasPrefix(g, prefix) }) && l != "={}" {
				t.Fatalf("lost %q\n of %s\n got %q", l, event, got)
			}
		}
	}
	got, want = slices.DeleteFunc(got, empties), slices.DeleteFunc(want, empties)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Fatalf("event %s\n has %q\n row has %q\n unmapped %s", event, want, got, b.rest.Bytes(row))
	}
}

// dropTime leaves out the key time where it became the column.
func dropTime(t testing.TB, b *Batch, row int, want, got []string) []string {
	for i, l := range want {
		if !strings.HasPrefix(l, sep+"time=") || slices.Contains(got, l) {
			continue
		}
		if text, ok := strings.CutPrefix(l, sep+"time=s:"); ok {
			at, err := time.Parse(time.RFC3339Nano, text)
			if err == nil && at.UnixMicro() != b.time.Int(row) {
				t.Fatalf("time %s became %s", text, time.UnixMicro(b.time.Int(row)).UTC())
			}
		}
		return slices.Delete(slices.Clone(want), i, i+1)
	}
	return want
}

// rest adds a line of unmapped to out, where f has those of the columns. The length of a list says nothing new where
// the
// list has a column, and the exact text of a number stands for the nearest double.
func (f *flat) rest(out []string, line string) []string {
	line, again := strings.CutPrefix(line, repetition)
	path, value, _ := strings.Cut(line, "=")
	length := func(l string) bool { return strings.HasPrefix(l, path+"=#") }
	if !again && strings.HasPrefix(value, "#") && slices.ContainsFunc(f.lines, length) {
		return out
	}
	if text, ok := strings.CutPrefix(value, "n:"); ok && !again {
		digits, neg := strings.CutPrefix(text, "-")
		v, _ := strconv.ParseFloat("0."+digits, 64)
		if neg {
			v = -v
		}
		near := path + "=n:" + canonical(strconv.FormatFloat(v, 'e', -1, 64))
		i := slices.IndexFunc(f.lines, func(l string) bool { return l == near || v == 0 && l == path+"=n:0" })
		if i >= 0 {
			f.lines = slices.Delete(f.lines, i, i+1)
		}
	}
	return append(out, line)
}

// lowerPath makes keys equal that differ only in case.
func lowerPath(line string) string {
	path, value, _ := strings.Cut(line, "=")
	return strings.ToLower(path) + "=" + value
}
