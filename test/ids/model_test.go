package ids

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lakeward/lakeward/ingest/columnar"
)

// tables, and how far back they find ids; 0: as far as the latest ids reach,
// which here is further than any run. Clocks move by whole hours, so that no
// message is published when a window ends.
func windows() map[string]time.Duration {
	return map[string]time.Duration{"short": 6*time.Hour + 30*time.Minute, "long": 30*time.Hour + 30*time.Minute,
		"latest": 0}
}

// message is one that the stream has.
type message struct {
	n         int // of all that were published
	stream    string
	table     string
	seq       uint64
	id        string
	events    []bool // in order; false: cannot be decoded
	published time.Time
}

// row is an event in a table.
type row struct {
	N     int    `json:"n"` // of its message
	I     int    `json:"i"` // in it
	Seq   uint64 `json:"seq"`
	ID    string `json:"id"`
	Taken int64  `json:"taken"` // second
	Day   int64  `json:"day"`   // of the event
	Who   string `json:"who"`
}

// model is what the lake has to hold: a map of what was seen, and nothing else.
type model struct {
	messages []message // that are not judged yet
	rows     map[string]map[string]row
	seen     map[string][]stored // by stream, table and id
	repeats  map[string]bool     // "stream seq of-seq"
	rejected map[string]bool     // "stream seq index"
}

// stored is a message that a table has, or had.
type stored struct {
	n     int
	seq   uint64
	taken int64
}

func newModel() *model {
	return &model{rows: map[string]map[string]row{}, seen: map[string][]stored{},
		repeats: map[string]bool{}, rejected: map[string]bool{}}
}

func (m *model) table(name string) map[string]row {
	if m.rows[name] == nil {
		m.rows[name] = map[string]row{}
	}
	return m.rows[name]
}

// judge says of the messages that came what has become of them. When one was
// taken is the lake's to say, and nothing else is.
func (m *model) judge(tags map[string]string, observed func(table, key string) (row, bool)) {
	slices.SortFunc(m.messages, func(a, b message) int {
		return cmp.Or(strings.Compare(a.stream, b.stream), cmp.Compare(a.seq, b.seq))
	})
	for _, x := range m.messages {
		key := x.stream + " " + x.table + " " + x.id
		if of, known := m.known(x, key); known {
			m.repeats[fmt.Sprint(x.stream, " ", x.seq, " ", of)] = true
			continue
		}
		kept := stored{n: x.n, seq: x.seq}
		for i, good := range x.events {
			if !good {
				m.rejected[fmt.Sprint(x.stream, " ", x.seq, " ", i)] = true
				continue
			}
			meta := columnar.Meta{Seq: x.seq, ID: []byte(x.id), Index: i}
			r := row{N: x.n, I: i, Seq: x.seq, ID: string(columnar.AppendEventID(nil, tags[x.stream], meta)),
				Day: x.published.Unix() / 86400, Who: who(x.n, i)}
			if o, ok := observed(x.table, r.key()); ok {
				r.Taken = o.Taken
			}
			m.table(x.table)[r.key()], kept.taken = r, r.Taken
		}
		if kept.taken > 0 && x.id != "" {
			m.seen[key] = append(m.seen[key], kept)
		}
	}
	m.messages = nil
}

// known reports whether a message is a repeat, and of which one.
func (m *model) known(x message, key string) (of uint64, known bool) {
	var last stored
	for _, s := range m.seen[key] {
		there := false
		for i := range 8 {
			_, has := m.rows[x.table][row{N: s.n, I: i}.key()]
			there = there || has
		}
		if there && s.taken >= last.taken {
			last = s
		}
	}
	window := windows()[x.table]
	return last.seq, last.n > 0 && (window == 0 || x.published.Unix()-last.taken <= int64(window/time.Second))
}

func (r row) key() string { return fmt.Sprint(r.N, " ", r.I) }

func who(n, i int) string { return fmt.Sprint("u", (n+i)%5) }

// TestIDsAreAsASimpleModelSays does random things to real sources, one after
// another, and compares the lake with the model after each. LAKEWARD_IDS_SEED
// is of the first run, LAKEWARD_IDS_RUNS their number, LAKEWARD_IDS_STEPS their
// length.
func TestIDsAreAsASimpleModelSays(t *testing.T) {
	seed := number(t, "LAKEWARD_IDS_SEED", uint64(time.Now().UnixNano()%1_000_000))
	for run := range number(t, "LAKEWARD_IDS_RUNS", 1) {
		t.Run(fmt.Sprint("seed ", seed+run), func(t *testing.T) {
			r := &random{Rand: rand.New(rand.NewPCG(seed+run, 0)), w: newWorld(t), m: newModel()}
			for step := range number(t, "LAKEWARD_IDS_STEPS", 10) {
				what := r.step()
				t.Logf("step %d: %s", step, what)
				if r.compare(); t.Failed() {
					t.Fatalf("seed %d, step %d: %s", seed+run, step, what)
				}
			}
		})
	}
}

func number(t *testing.T, name string, otherwise uint64) uint64 {
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// random does things.
type random struct {
	*rand.Rand
	w *world
	m *model
	n int // messages
}

// step publishes, disturbs the sources meanwhile, and has them catch up; then it
// does something to the lake.
func (r *random) step() (what string) {
	stops := r.IntN(4)
	for range stops {
		r.publish(r.IntN(30))
		r.w.interrupt(r.Rand)
		if r.IntN(3) == 0 {
			r.forward()
		}
	}
	r.publish(1 + r.IntN(40))
	running := r.w.start()
	if r.IntN(2) == 0 {
		r.publish(r.IntN(20)) // while they run
	}
	r.w.caughtUp()
	r.judge()
	what = fmt.Sprintf("%d stops", stops)
	if r.IntN(3) == 0 {
		running.stop()
		defer r.forward()
	} else {
		defer running.stop() // they see what happens
		what += ", running"
	}
	switch r.IntN(6) {
	case 0, 1, 2:
		what += ", erase " + r.erase()
	case 3:
		what += ", retain"
		r.w.retain()
		r.retained()
	case 4:
		what += ", compact"
		r.w.compact()
	default:
		return what
	}
	r.publish(20 + r.IntN(30)) // at once, and to sources that have run all the time
	r.w.caughtUpIfRunning()
	return what
}

// forward moves the clock by whole hours.
func (r *random) forward() {
	r.w.clock.forward(time.Duration(1+r.IntN(9)) * time.Hour)
}

func (r *random) publish(n int) {
	for range n {
		r.n++
		x := message{n: r.n, stream: []string{"A", "B"}[r.IntN(2)],
			table: []string{"short", "short", "long", "latest"}[r.IntN(4)], id: r.id()}
		for range 1 + max(0, r.IntN(7)-3) {
			x.events = append(x.events, r.IntN(5) > 0)
		}
		published, dropped := r.w.publish(&x, r.data(x))
		if x.published = published; !dropped {
			r.m.messages = append(r.m.messages, x)
		}
	}
}

// id is one of few, and like those that Lakeward makes.
func (r *random) id() string {
	id := fmt.Sprint(r.IntN(4))
	switch r.IntN(8) {
	case 0:
		return ""
	case 1:
		return id + "#" + fmt.Sprint(r.IntN(3))
	case 2:
		return id + "/1"
	case 3:
		return id + "#0#1"
	case 4:
		return r.w.tags()["A"] + "-" + fmt.Sprint(1+r.IntN(60))
	case 5:
		return "#" + id
	case 6:
		return fmt.Sprint("id", r.IntN(40))
	}
	return id
}

func (r *random) data(x message) []byte {
	var lines []string
	for i, good := range x.events {
		line := fmt.Sprintf(`{"time":%q,"n":%d,"i":%d,"who":%q}`, r.w.clock.now().Format(time.RFC3339), x.n, i, who(x.n, i))
		if !good {
			line = strings.Replace(line, `"i":`, `"i":,`, 1)
		}
		lines = append(lines, line)
	}
	return []byte(strings.Join(lines, "\n"))
}

func (r *random) judge() {
	r.m.judge(r.w.tags(), func(table, key string) (row, bool) {
		o, ok := r.w.rows(table)[key]
		return o, ok
	})
}

// erase takes the rows of a person out of a table.
func (r *random) erase() string {
	table, name := []string{"short", "long", "latest"}[r.IntN(3)], fmt.Sprint("u", r.IntN(5))
	r.w.erase(table, "who = '"+name+"'")
	for key, x := range r.m.table(table) {
		if x.Who == name {
			delete(r.m.table(table), key)
		}
	}
	return name + " from " + table
}

// retained takes the days out that retention has.
func (r *random) retained() {
	cutoff := r.w.clock.now().Add(-retention).Unix()
	for _, rows := range r.m.rows {
		for key, x := range rows {
			if (x.Day+1)*86400 <= cutoff {
				delete(rows, key)
			}
		}
	}
}

// compare compares the lake with the model.
func (r *random) compare() {
	t := r.w.T
	t.Helper()
	if len(r.m.messages) > 0 {
		running := r.w.start()
		r.w.caughtUp()
		running.stop()
		r.judge()
	}
	for table := range windows() {
		got := r.w.rows(table)
		for key, want := range r.m.table(table) {
			if have, ok := got[key]; !ok || have != want {
				t.Errorf("lake.%s: event %s is %+v, want %+v", table, key, have, want)
			}
		}
		for key, have := range got {
			if _, ok := r.m.table(table)[key]; !ok {
				t.Errorf("lake.%s: event %s is there: %+v", table, key, have)
			}
		}
	}
	differ(t, "repeats", r.w.repeats(), r.m.repeats)
	differ(t, "events in quarantine", r.w.rejected(), r.m.rejected)
	r.w.verify()
}

func differ(t *testing.T, what string, got, want map[string]bool) {
	t.Helper()
	for k := range got {
		if !want[k] {
			t.Errorf("%s: %s is there", what, k)
		}
	}
	for k := range want {
		if !got[k] {
			t.Errorf("%s: %s is not there", what, k)
		}
	}
}

// lines are the rows of an answer in NDJSON.
func lines[T any](t *testing.T, text string) (out []T) {
	t.Helper()
	for line := range strings.Lines(text) {
		var x T
		if err := json.Unmarshal([]byte(line), &x); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		out = append(out, x)
	}
	return out
}
