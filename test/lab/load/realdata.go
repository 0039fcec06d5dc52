package load

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/lakeward/lakeward/test/daemonproc"
)

// atOnce is how many `lakeward publish` run side by side.
const atOnce = 8

// realdata publishes every file below DIR, as it is and with the events of each
// directory shuffled across files and lines (by SEED), all at once and the
// shuffled ones twice, and finds every event in the lake once, or in quarantine,
// by the readers of others.
func realdata(ctx context.Context, dir, bin string) error {
	from := os.Getenv("DIR")
	if from == "" {
		return errors.New("DIR is not set: say where the files are")
	}
	seed, err := size("SEED", 1)
	if err != nil {
		return err
	}
	_, err = publishAll(ctx, dir, bin, from, uint64(seed))
	return err
}

// tableOfFiles is what is known of one table.
type tableOfFiles struct {
	name   string
	want   wanted
	broken int // events that are in quarantine
	lost   int
	again  int // events that are there more than once, or were never published
	found  tableFound
	misfit map[string]int64
	reason map[string]int // of what is in quarantine
}

// tableFound is what others read of a table.
type tableFound struct {
	Rows    int            `json:"rows"`
	Kinds   map[string]int `json:"kinds"`
	IDs     []string       `json:"ids"`
	Sources map[string]int `json:"sources"`
}

// lakeFound is what others read of the lake.
type lakeFound struct {
	Tables     map[string]tableFound `json:"tables"`
	Quarantine []quarantined         `json:"quarantine"`
}

type quarantined struct {
	Subject   string `json:"subject"`
	MessageID string `json:"message_id"`
	EventID   string `json:"event_id"`
	Reason    string `json:"reason"`
}

// publishAll is realdata of the directory from; everything that it makes is below dir.
func publishAll(ctx context.Context, dir, bin, from string, seed uint64) (tables []*tableOfFiles, err error) {
	if from, err = filepath.Abs(from); err != nil { // publish runs in the daemon's directory
		return nil, fmt.Errorf("find %s: %w", from, err)
	}
	groups, err := groupsOf(from)
	if err != nil || len(groups) == 0 {
		return nil, fmt.Errorf("no files below %s: %w", from, err)
	}
	shuffled := filepath.Join(dir, "shuffled")
	if err := os.MkdirAll(shuffled, 0o750); err != nil {
		return nil, fmt.Errorf("make directory: %w", err)
	}
	var jobs []publishJob
	rnd := rand.New(rand.NewPCG(seed, 0))
	for _, g := range groups {
		as, mixed, more, err := g.prepare(ctx, shuffled, rnd)
		if err != nil {
			return nil, err
		}
		tables, jobs = append(tables, as, mixed), append(jobs, more...)
	}
	rnd.Shuffle(len(jobs), func(i, j int) { jobs[i], jobs[j] = jobs[j], jobs[i] })
	d, err := start(ctx, daemonproc.Options{Bin: bin, Dir: dir, Env: []string{"LAKEWARD_INGEST_FLUSH_AGE=2s"}})
	if err != nil {
		return nil, err
	}
	defer d.abandon()
	if err := publishJobs(ctx, d, jobs); err != nil {
		return nil, err
	}
	if err := d.misfits(ctx, tables); err != nil {
		return nil, err
	}
	if err := d.end(ctx); err != nil {
		return nil, err
	}
	var found lakeFound
	warehouse := filepath.Join(d.DataDir(), "lake")
	if err := others(ctx, nil, &found, "lake", "sqlite:///"+filepath.Join(warehouse, "catalog.db"),
		warehouse); err != nil {
		return nil, err
	}
	for _, t := range tables {
		t.compare(found)
	}
	return tables, printRealdata(groups, tables)
}

// prepare reads a group's files, and says what is to be published.
func (g *fileGroup) prepare(ctx context.Context, dir string, rnd *rand.Rand) (as, mixed *tableOfFiles,
	jobs []publishJob, err error) {
	as, mixed = &tableOfFiles{name: g.name, want: wanted{}}, &tableOfFiles{name: g.shuffled(), want: wanted{}}
	counted := map[string]*int{}
	if err := others(ctx, g.files, &counted, "count"); err != nil {
		return nil, nil, nil, err
	}
	for _, path := range g.files {
		ids, err := g.read(path, as.name, true)
		if err != nil {
			return nil, nil, nil, err
		}
		if n := counted[path]; n != nil && *n != len(ids) {
			fmt.Printf("%s: another reader finds %d events, publish %d\n", path, *n, len(ids))
			as.lost += max(*n-len(ids), 0)
			as.again += max(len(ids)-*n, 0)
		}
		maps.Copy(as.want, ids)
		jobs = append(jobs, publishJob{path, as.name})
	}
	if err := g.shuffle(dir, rnd); err != nil {
		return nil, nil, nil, err
	}
	for _, path := range g.parts {
		ids, err := g.read(path, mixed.name, false)
		if err != nil {
			return nil, nil, nil, err
		}
		maps.Copy(mixed.want, ids)
		jobs = append(jobs, publishJob{path, mixed.name}, publishJob{path, mixed.name})
	}
	g.events = nil
	return as, mixed, jobs, nil
}

// publishJob is one call of `lakeward publish`.
type publishJob struct{ path, table string }

var publishSaid = regexp.MustCompile(`(\d+) events published .*, (\d+) of them were there already`)

// publishJobs publishes everything, and waits until it is committed.
func publishJobs(ctx context.Context, d *started, jobs []publishJob) error {
	var stored atomic.Int64
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for _, j := range jobs {
		g.Go(func() error {
			out, err := d.Lakeward(gctx, "publish", j.path, "--subject", "events."+j.table)
			said := publishSaid.FindStringSubmatch(out)
			if said == nil { // otherwise the error is of what is broken in the file
				return fmt.Errorf("publish %s: %w: %s", j.path, err, out)
			}
			sent, _ := strconv.Atoi(said[1])
			known, _ := strconv.Atoi(said[2])
			stored.Add(int64(sent - known))
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if _, err := d.Drained(ctx, uint64(stored.Load()), catchesUp); err != nil {
		return err
	}
	_, err := verify(ctx, d.Daemon)
	return err
}

// misfits asks which values are not in the column of their path.
func (s *started) misfits(ctx context.Context, tables []*tableOfFiles) error {
	out, err := s.Lakeward(ctx, "tables", "misfits", "--json")
	if err != nil {
		return err
	}
	var all []struct {
		Table   string
		Misfits []struct {
			Path, Reason string
			Values       int64
		}
	}
	if err := json.Unmarshal([]byte(out), &all); err != nil {
		return fmt.Errorf("answer of lakeward tables misfits is %.200q: %w", out, err)
	}
	for _, t := range tables {
		t.misfit = map[string]int64{}
		for _, a := range all {
			for _, m := range a.Misfits {
				if strings.TrimPrefix(a.Table, "lake.") == t.name {
					t.misfit[cmp.Or(m.Path, "(others)")+": "+m.Reason] += m.Values
				}
			}
		}
	}
	return nil
}

// compare counts what is lost and what is there more than once. Further events
// of a message have its id with #1, #2.
func (t *tableOfFiles) compare(found lakeFound) {
	t.found, t.reason = found.Tables[t.name], map[string]int{}
	seen, left := map[string]bool{}, maps.Clone(t.want)
	note := func(id, message string) {
		if seen[id] || !t.want[message] {
			t.again++
		}
		seen[id] = true
		delete(left, message)
	}
	for _, id := range t.found.IDs {
		message, _, _ := strings.Cut(id, "#")
		note(id, message)
	}
	for _, q := range found.Quarantine {
		if q.Subject == "events."+t.name {
			note(q.EventID, q.MessageID)
			t.broken++
			t.reason[q.Reason]++
		}
	}
	t.lost += len(left)
	if t.found.Rows != len(t.found.IDs) {
		t.lost += max(len(t.found.IDs)-t.found.Rows, 0)
		t.again += max(t.found.Rows-len(t.found.IDs), 0)
	}
}

func (t *tableOfFiles) withoutTime() int { return t.found.Sources["received"] }

// printRealdata prints what became of each group, and the figures. It fails if
// an event is lost or repeated.
func printRealdata(groups []*fileGroup, tables []*tableOfFiles) error {
	for _, g := range groups {
		for _, text := range g.refused {
			fmt.Printf("not published: %s\n", text)
		}
	}
	fmt.Printf("%-40s %9s %9s %10s %8s %8s %8s %8s\n", "table", "published", "in lake", "quarantine", "lost", "repeated",
		"no time", "misfits")
	var sent, in, broken, lost, again, without int
	for _, t := range tables {
		var misfits int64
		for _, n := range t.misfit {
			misfits += n
		}
		fmt.Printf("%-40s %9d %9d %10d %8d %8d %8d %8d\n", t.name, len(t.want), t.found.Rows, t.broken, t.lost, t.again,
			t.withoutTime(), misfits)
		sent, in, broken, lost, again, without = sent+len(t.want), in+t.found.Rows, broken+t.broken, lost+t.lost,
			again+t.again, without+t.withoutTime()
	}
	for _, t := range tables {
		if len(t.want) == 0 || strings.HasSuffix(t.name, "_shuffled") && t.withoutTime()+t.broken == 0 {
			continue
		}
		fmt.Printf("\n%s\n  times: %s\n  columns: %s\n", t.name, counts(t.found.Sources), counts(t.found.Kinds))
		for _, reason := range slices.Sorted(maps.Keys(t.reason)) {
			fmt.Printf("  in quarantine: %d, %.200s\n", t.reason[reason], reason)
		}
		for _, path := range slices.Sorted(maps.Keys(t.misfit)) {
			fmt.Printf("  misfit: %d, %s\n", t.misfit[path], path)
		}
	}
	figure("realdata_published", sent, "count")
	figure("realdata_in_lake", in, "count")
	figure("realdata_quarantined", broken, "count")
	figure("realdata_lost", lost, "count")
	figure("realdata_repeated", again, "count")
	figure("realdata_without_own_time", without, "count")
	if lost+again > 0 {
		return fmt.Errorf("%d events are lost, %d repeated", lost, again)
	}
	return nil
}

// counts writes counts, the largest first.
func counts(of map[string]int) string {
	keys := slices.SortedFunc(maps.Keys(of), func(a, b string) int { return cmp.Or(of[b]-of[a], strings.Compare(a, b)) })
	out := make([]string, len(keys))
	for i, k := range keys {
		out[i] = fmt.Sprintf("%s %d", k, of[k])
	}
	return strings.Join(out, ", ")
}
