package interop

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/lakeward/lakeward/compact"
	"github.com/lakeward/lakeward/internal/randomtable"
	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/parquetfile"
)

// TestOthersReadAnyTable has pyarrow and PyIceberg read tables of random
// columns, as they were written and as compaction wrote them again.
func TestOthersReadAnyTable(t *testing.T) {
	const tables, batches = 8, 2
	s := newSite(t)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	keeper := compact.NewMaintainer(compact.MaintainerOptions{Lake: s.lake, Now: time.Now, Rewrite: compact.Options{
		Engine: s.eng, Policy: compact.DefaultPolicy(), Bloom: func(string) []string { return nil },
		Lookup: func(string) []string { return []string{"c0", "c1.m0", "c2.m0"} }}})
	for seed := range uint64(tables) {
		r := rand.New(rand.NewPCG(seed, 2))
		name := fmt.Sprint("t", seed)
		tab, err := s.lake.Create(t.Context(), name, randomtable.Schema(r, false), tiers.Options{})
		must(err)
		var want []map[string]any
		for range batches {
			c := randomtable.Fill(r, tab.Schema(), 1+r.IntN(2000))
			cm := tiers.Commit{ID: fmt.Sprint(name, len(want))}
			o := c.Options
			o.Schema, o.Copies = tab.Schema(), nil // only compaction makes copies
			c.Table.Columns[1].Reset()
			for i, row := range c.Rows { // the numbers go on from the batch before
				row["row"] = int64(len(want) + i)
				c.Table.Columns[1].SetInt(i, int64(len(want)+i))
			}
			for _, rows := range c.Days {
				if len(rows) == 0 {
					continue
				}
				f, err := parquetfile.NewWriter().Write(c.Table, rows, o)
				must(err)
				written, err := tab.WriteNew(t.Context(), f.Info, f.Data)
				must(err)
				cm.Add = append(cm.Add, written)
			}
			_, err := tab.Commit(t.Context(), cm)
			must(err)
			want = append(want, c.Rows...)
		}
		s.rows(name, "as written", want)
		before, err := tab.Files(t.Context(), 0, time.Time{}, time.Time{})
		must(err)
		_, err = keeper.Compact(t.Context(), []string{name}, false)
		must(err)
		must(tab.Refresh(t.Context()))
		after, err := tab.Files(t.Context(), 0, time.Time{}, time.Time{})
		must(err)
		if len(after) >= len(before) && len(before) > 4 {
			t.Errorf("%s: compaction made %d files of %d", name, len(after), len(before))
		}
		s.rows(name, "as compacted", want)
	}
}

// rows compares what others read with what was written. PyIceberg makes an empty
// list of one that is null, and a struct of nulls of one that has no column.
func (s *site) rows(name, when string, want []map[string]any) {
	s.Helper()
	cmd := exec.CommandContext(s.Context(), python, "rows.py", s.catalog, filepath.Join(s.dir, "lake"), name)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		s.Fatalf("%s %s: %v", name, when, err)
	}
	files, scanned, ok := bytes.Cut(out, []byte("PyIceberg\n"))
	if !ok {
		s.Fatalf("%s %s: half an answer", name, when)
	}
	for _, reader := range []struct {
		name   string
		out    []byte
		normal func(any) any
	}{{"pyarrow", files, func(v any) any { return v }}, {"PyIceberg", scanned, withoutEmpty}} {
		d := json.NewDecoder(bytes.NewReader(reader.out))
		d.UseNumber()
		for i, w := range want {
			var got any
			if err := d.Decode(&got); err != nil {
				s.Fatalf("%s %s, read by %s: row %d: %v", name, when, reader.name, i, err)
			}
			if w := decoded(s.T, w); !reflect.DeepEqual(reader.normal(got), reader.normal(w)) {
				s.Fatalf("%s %s, read by %s: row %d is\n%v, want\n%v", name, when, reader.name, i, got, w)
			}
		}
		if d.More() {
			s.Errorf("%s %s, read by %s: more than %d rows", name, when, reader.name, len(want))
		}
	}
}

func decoded(t *testing.T, v any) (out any) {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if err := d.Decode(&out); err != nil {
		t.Fatal(err)
	}
	return out
}

// withoutEmpty takes empty lists and structs for nulls.
func withoutEmpty(v any) any {
	switch v := v.(type) {
	case []any:
		if len(v) == 0 {
			return nil
		}
		out := make([]any, len(v))
		for i := range v {
			out[i] = withoutEmpty(v[i])
		}
		return out
	case map[string]any:
		out := map[string]any{}
		for k, m := range v {
			if m = withoutEmpty(m); m != nil {
				out[k] = m
			}
		}
		if len(out) == 0 {
			return nil
		}
		return out
	}
	return v
}
