package realdata

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"
)

// own are the columns that every row carries besides the event's.
var own = []string{"time", "ingest_time", "stream_seq", "event_id", "unmapped", "time_source", "stream_subject"}

func decode(text []byte) (map[string]any, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var m map[string]any
	if err := d.Decode(&m); err != nil {
		return nil, fmt.Errorf("decode %.100s: %w", text, err)
	}
	return m, nil
}

// compare puts a row together again and says how it differs from its event.
func compare(row []byte, want map[string][]byte) (id, problem string, err error) {
	m, err := decode(row)
	if err != nil {
		return "", "", err
	}
	id, _ = m["event_id"].(string)
	original, ok := want[id]
	if !ok {
		return id, "it was never published", nil
	}
	event, err := decode(original)
	if err != nil {
		return id, "", err
	}
	rest, _ := m["unmapped"].(map[string]any)
	if text, ok := m["unmapped"].(string); ok {
		if rest, err = decode([]byte(text)); err != nil {
			return id, "", err
		}
	}
	for _, c := range own {
		if _, ours := event[c]; !ours {
			delete(m, c)
		}
	}
	got, _ := bare(m).(map[string]any)
	if left, ok := bare(rest).(map[string]any); ok {
		merge(got, left)
	}
	whole := bare(event)
	rejoin(whole, got)
	problem = differ("", whole, bare(got))
	if problem != "" && slices.Equal(leaves(whole), leaves(bare(got))) {
		problem = "" // the same values, of which some stand elsewhere: in a list beside a column, or at a repeated key
	}
	return id, problem, nil
}

// rejoin puts what stands in a column beside another, such as n_text, where the
// event had it.
func rejoin(event, row any) {
	switch r := row.(type) {
	case map[string]any:
		e, _ := event.(map[string]any)
		for k, v := range r {
			i := strings.LastIndexByte(k, '_')
			if _, there := e[k]; there || i < 0 ||
				!slices.Contains([]string{"bool", "long", "double", "text", "object", "list"}, k[i+1:]) {
				continue
			}
			if _, there := e[k[:i]]; there && r[k[:i]] == nil {
				r[k[:i]] = v
				delete(r, k)
			}
		}
		for k, v := range r {
			rejoin(e[k], v)
		}
	case []any:
		if e, ok := event.([]any); ok && len(e) == len(r) {
			for i := range r {
				rejoin(e[i], r[i])
			}
		}
	}
}

// leaves are the values of an event or a row, sorted, whatever their paths.
func leaves(v any) (out []string) {
	switch v := v.(type) {
	case map[string]any:
		for _, x := range v {
			out = append(out, leaves(x)...)
		}
	case []any:
		for _, x := range v {
			out = append(out, leaves(x)...)
		}
	case json.Number:
		if f, _, err := big.ParseFloat(v.String(), 10, 200, big.ToNearestEven); err == nil {
			return []string{f.Text('g', 30)}
		}
		return []string{v.String()}
	case string:
		if t, err := time.Parse(time.RFC3339Nano, v); err == nil {
			return []string{t.UTC().String()}
		}
		return []string{v}
	case nil:
	default:
		return []string{fmt.Sprint(v)}
	}
	slices.Sort(out)
	return out
}

// bare leaves out what a table does not tell apart: null and absent members,
// objects without members, and a key with dots and the path that it is.
func bare(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, x := range v {
			if x = bare(x); x != nil {
				merge(out, nested(k, x))
			}
		}
		if len(out) == 0 {
			return nil
		}
		return out
	case []any:
		for i, x := range v {
			v[i] = bare(x)
		}
		return v
	default:
		return v
	}
}

func nested(key string, v any) map[string]any {
	if first, rest, ok := strings.Cut(key, "."); ok && first != "" && rest != "" {
		return map[string]any{first: nested(rest, v)}
	}
	return map[string]any{key: v}
}

// merge adds what did not fit the columns, at its own path.
func merge(into, rest map[string]any) {
	for k, v := range rest {
		into[k] = joined(into[k], v)
	}
}

// joined is a value of which one part fitted the columns and another did not.
func joined(have, rest any) any {
	switch r := rest.(type) {
	case map[string]any:
		if h, ok := have.(map[string]any); ok {
			merge(h, r)
			return h
		}
	case []any:
		if h, ok := have.([]any); ok && len(r) <= len(h) {
			for i, v := range r {
				h[i] = joined(h[i], v)
			}
			return h
		}
	case nil:
		return have
	}
	return rest
}

// differ is empty if two values are the same.
func differ(path string, want, got any) string {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			break
		}
		for k := range union(w, g) {
			if p := differ(path+"."+k, w[k], g[k]); p != "" {
				return p
			}
		}
		return ""
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			break
		}
		for i := range w {
			if p := differ(fmt.Sprintf("%s[%d]", path, i), w[i], g[i]); p != "" {
				return p
			}
		}
		return ""
	case json.Number:
		if g, ok := got.(json.Number); ok && sameNumber(w, g) {
			return ""
		}
	case string:
		if g, ok := got.(string); ok && (g == w || sameTime(w, g)) {
			return ""
		}
	default:
		if want == got {
			return ""
		}
	}
	return fmt.Sprintf("%s is %.200v, was %.200v", path, got, want)
}

func union(a, b map[string]any) map[string]bool {
	out := map[string]bool{}
	for k := range a {
		out[k] = true
	}
	for k := range b {
		out[k] = true
	}
	return out
}

// sameNumber compares integers exactly and fractions as float64.
func sameNumber(a, b json.Number) bool {
	x, okx := new(big.Rat).SetString(a.String())
	y, oky := new(big.Rat).SetString(b.String())
	if !okx || !oky {
		return a == b
	}
	if x.IsInt() && y.IsInt() {
		return x.Cmp(y) == 0
	}
	f, _ := x.Float64()
	g, _ := y.Float64()
	return f == g
}

// sameTime compares a text that became a time, to the microsecond.
func sameTime(a, b string) bool {
	x, okx := parseTime(a)
	y, oky := parseTime(b)
	return okx && oky && x.Truncate(time.Microsecond).Equal(y.Truncate(time.Microsecond))
}

func parseTime(s string) (time.Time, bool) {
	layouts := []string{time.RFC3339Nano, "2006-01-02 15:04:05.999999999Z07:00", "2006-01-02 15:04:05.999999999",
		"2006-01-02T15:04:05.999999999"}
	i := slices.IndexFunc(layouts, func(l string) bool { _, err := time.Parse(l, s); return err == nil })
	if i < 0 {
		return time.Time{}, false
	}
	t, err := time.Parse(layouts[i], s)
	return t, err == nil
}
