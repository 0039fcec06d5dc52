package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/lakeward/lakeward/pipeline"
	"github.com/lakeward/lakeward/pipeline/compile"
	"github.com/lakeward/lakeward/pipeline/spec"
	"github.com/lakeward/lakeward/pipelines.d"
	lakequery "github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/query/duckdb"
	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/analytics"
	"github.com/lakeward/lakeward/tiers/lake"
)

const (
	engineMemory  = 2 << 30
	engineThreads = 2
	nextHours     = 3 // runs of the baseline after its first
	same          = 0.011

	baseline = "failed-signins"

	// checkpoint ends both sides: else one's run would pay for the other's log.
	checkpoint = "CHECKPOINT analytics"
)

// shipped are measured in this order: the score reads what the others wrote.
var shipped = []string{baseline, "password-spray", "impossible-travel", "entity-risk"}

// spent is what one run took: by the clock, and of the processors. On a busy
// machine the second is the steadier.
type spent struct{ wall, cpu time.Duration }

func (s spent) String() string {
	return fmt.Sprintf("%s (%s cpu)", s.wall.Round(time.Millisecond), s.cpu.Round(time.Millisecond))
}

// since measures what f takes.
func since(f func() error) (spent, error) {
	began, used := time.Now(), cpuTime()
	err := f()
	return spent{time.Since(began), cpuTime() - used}, err
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// pair holds what a pipeline and the SQL by hand took.
type pair struct{ ours, hand []spent }

type bench struct {
	settings
	month *month
	times map[string]*pair
	first []spent // runs of the baseline on a fresh state
	next  []spent
}

// station is a daemon's core on fresh databases over the month's lake.
type station struct {
	*bench
	engine *duckdb.Engine
	sink   *analytics.Sink
	runner *pipeline.Runner
	defs   map[string]*pipeline.Definition
}

func (b *bench) open(ctx context.Context, round int) (*station, error) {
	dir := filepath.Join(b.dir, fmt.Sprint("round", round))
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, err
	}
	e, err := duckdb.Open(ctx, duckdb.Options{MemoryLimit: engineMemory, Threads: engineThreads,
		TempDir:     filepath.Join(dir, "spill"),
		AllowedDirs: []string{filepath.Join(b.dir, "lake")}, AnalyticsPath: filepath.Join(dir, "analytics.duckdb"),
		StatePath: filepath.Join(dir, "state.duckdb")})
	if err != nil {
		return nil, err
	}
	s := &station{bench: b, engine: e}
	if s.sink, err = analytics.Open(ctx, e); err == nil {
		s.runner = pipeline.NewRunner(pipeline.Options{Lake: b.month.lake, Engine: e,
			Sinks: pipeline.Sinks{Lake: lake.NewSink(b.month.lake), Analytics: s.sink}})
		err = s.load(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return s, nil
}

// load parses the shipped files the way the daemon does.
func (s *station) load(ctx context.Context) error {
	load := pipeline.Loader(pipeline.SpecOptions{Settle: 15 * time.Minute, Lateness: 48 * time.Hour, CatchUp: 1,
		Compile: func(p *spec.Pipeline, schemas func(string) (tiers.Schema, bool)) (*compile.Compiled, []spec.Problem) {
			return compile.Compile(p, schemas, s.engine)
		}})
	s.defs = map[string]*pipeline.Definition{}
	for _, name := range shipped {
		data, err := fs.ReadFile(pipelines.Files(), name+".yaml")
		if err != nil {
			return err
		}
		d, problems := load(ctx, ".", name+".yaml", data, nil)
		if len(problems) > 0 {
			return fmt.Errorf("pipeline %s: %v", name, problems)
		}
		s.defs[name] = d
	}
	return nil
}

func (b *bench) round(ctx context.Context, n int) error {
	s, err := b.open(ctx, n)
	if err != nil {
		return err
	}
	defer s.engine.Close()
	for _, name := range shipped {
		if name == "entity-risk" {
			if err := s.exec(ctx, nil, strings.NewReplacer("$end", instant(end), "$users", fmt.Sprint(b.month.users), "$rows",
				fmt.Sprint(b.events/100)).Replace(query("findings")), checkpoint); err != nil {
				return err
			}
		}
		if err := s.compare(ctx, name, n); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if n == b.rounds-1 {
		return s.hours(ctx)
	}
	return nil
}

// at is the logical time of a pipeline's run.
func at(name string) time.Time {
	if name == "entity-risk" {
		return end.Add(30 * time.Minute)
	}
	return end.Add(15 * time.Minute)
}

// compare runs both, by turns first, and checks that they agree.
func (s *station) compare(ctx context.Context, name string, round int) error {
	w, err := s.defs[name].WindowAt(at(name), nil)
	if err != nil {
		return err
	}
	p := s.times[name]
	if p == nil {
		p = &pair{}
		s.times[name] = p
	}
	ours := func() error {
		took, err := since(func() error {
			took, err := s.pipeline(ctx, name, w)
			if name == baseline {
				s.first = append(s.first, took)
			}
			return errors.Join(err, s.exec(ctx, nil, checkpoint))
		})
		p.ours = append(p.ours, took)
		return err
	}
	hand := func() error {
		took, err := s.byHand(ctx, name, w)
		p.hand = append(p.hand, took)
		return err
	}
	first, second := ours, hand
	if round%2 == 1 {
		first, second = hand, ours
	}
	if err := first(); err != nil {
		return err
	}
	if err := second(); err != nil {
		return err
	}
	found, err := s.agree(ctx, name)
	if err != nil {
		return err
	}
	fmt.Printf("round %d: %-18s %s, by hand %s, %d findings agree\n", round+1, name, p.ours[len(p.ours)-1],
		p.hand[len(p.hand)-1], found)
	return nil
}

func (s *station) pipeline(ctx context.Context, name string, w compile.Range) (spent, error) {
	return since(func() error {
		res, err := s.runner.Run(ctx, s.defs[name], w, pipeline.RunOptions{At: at(name)})
		if err == nil && res.Status != pipeline.StatusSucceeded {
			err = fmt.Errorf("the run was %s: %s", res.Status, res.Error)
		}
		return err
	})
}

// byHand pins the same files, runs the SQL and keeps its answer in the tier.
func (s *station) byHand(ctx context.Context, name string, w compile.Range) (spent, error) {
	return since(func() error {
		v, err := s.pin(ctx, w)
		if err != nil {
			return err
		}
		sql := strings.NewReplacer("$start", instant(w.Start), "$end", instant(w.End)).Replace(query(name))
		return s.exec(ctx, &v, append(strings.Split(sql, ";\n"),
			"CREATE OR REPLACE TABLE analytics.main."+handTable(name)+" AS FROM answer", checkpoint)...)
	})
}

// pin names the files that any of the pipelines reads.
func (s *station) pin(ctx context.Context, w compile.Range) (lakequery.View, error) {
	var v lakequery.View
	for name, from := range map[string]time.Time{"signin": w.Start.AddDate(0, 0, -31), "identity": {}} {
		t, err := s.month.lake.Open(ctx, name)
		if err != nil {
			return v, err
		}
		files, err := t.Files(ctx, 0, from, time.Time{})
		if err != nil {
			return v, err
		}
		v.Tables = append(v.Tables, lakequery.TableView{Name: name, Schema: t.Schema(), Files: files})
	}
	return v, nil
}

func handTable(name string) string { return "hand_" + strings.ReplaceAll(name, "-", "_") }

func (s *station) session(ctx context.Context, v *lakequery.View) (lakequery.Session, error) {
	if v == nil {
		v = &lakequery.View{}
	}
	return s.engine.Open(ctx, *v, lakequery.Options{Trusted: true})
}

func (s *station) exec(ctx context.Context, v *lakequery.View, statements ...string) error {
	ses, err := s.session(ctx, v)
	if err != nil {
		return err
	}
	for _, sql := range statements {
		if _, err := ses.Exec(ctx, sql); err != nil {
			return errors.Join(fmt.Errorf("%w in\n%s", err, sql), ses.Close())
		}
	}
	return ses.Close()
}

type answer struct {
	kind, entity string
	score        float64
}

// agree fails unless both found the same entities with the same scores.
func (s *station) agree(ctx context.Context, name string) (int, error) {
	table := "findings"
	if name == "entity-risk" {
		table = "entity_risk"
	}
	pipeline, _ := tiers.Owner(table)
	ours, err := s.answers(ctx, "SELECT entity_type, entity, score FROM analytics."+table+" WHERE "+pipeline+
		" = '"+name+"' ORDER BY ALL")
	if err != nil {
		return 0, err
	}
	hand, err := s.answers(ctx, "SELECT entity_type, entity, score::DOUBLE FROM analytics."+handTable(name)+
		" ORDER BY ALL")
	if err != nil {
		return 0, err
	}
	if len(ours) == 0 {
		return 0, errors.New("the pipeline found nothing, so that nothing is compared")
	}
	for i := range max(len(ours), len(hand)) {
		var a, b answer
		if i < len(ours) {
			a = ours[i]
		}
		if i < len(hand) {
			b = hand[i]
		}
		if a.kind != b.kind || a.entity != b.entity || math.Abs(a.score-b.score) > same {
			return 0, fmt.Errorf("the answers differ (%d and %d rows): the pipeline has %v, the SQL by hand %v", len(ours),
				len(hand), a, b)
		}
	}
	return len(ours), nil
}

func (s *station) answers(ctx context.Context, sql string) ([]answer, error) {
	ses, err := s.session(ctx, nil)
	if err != nil {
		return nil, err
	}
	defer ses.Close()
	r, err := ses.Query(ctx, sql)
	if err != nil {
		return nil, err
	}
	defer r.Release()
	var out []answer
	for r.Next() {
		rec := r.RecordBatch()
		for i := range int(rec.NumRows()) {
			out = append(out, answer{strings.Clone(rec.Column(0).(*array.String).Value(i)),
				strings.Clone(rec.Column(1).(*array.String).Value(i)), rec.Column(2).(*array.Float64).Value(i)})
		}
	}
	return out, r.Err()
}

// hours measures the baseline's runs of the hours that follow.
func (s *station) hours(ctx context.Context) error {
	const name = baseline
	for n := range nextHours {
		if err := s.month.hour(ctx, n); err != nil {
			return err
		}
		w, err := s.defs[name].WindowAt(at(name).Add(time.Duration(n+1)*time.Hour), nil)
		if err != nil {
			return err
		}
		took, err := s.pipeline(ctx, name, w)
		if err != nil {
			return err
		}
		s.next = append(s.next, took)
		fmt.Printf("next hour %d: %s %s\n", n+1, name, took)
	}
	return nil
}

func wall(s spent) time.Duration { return s.wall }
func cpu(s spent) time.Duration  { return s.cpu }

// best is the least disturbed of several runs.
func best(v []spent, of func(spent) time.Duration) float64 {
	least := of(v[0])
	for _, s := range v[1:] {
		least = min(least, of(s))
	}
	return least.Seconds()
}

// report prints the figures; the processors' ratios are for busy machines.
func (b *bench) report() {
	worst := 0.0
	for _, name := range shipped {
		p := b.times[name]
		fmt.Printf("%s: %.3f by the clock, %.3f of processor time\n", name, best(p.ours, wall)/best(p.hand, wall),
			best(p.ours, cpu)/best(p.hand, cpu))
	}
	fmt.Printf("next run of a baseline: %.3f by the clock, %.3f of processor time\n",
		best(b.next, wall)/best(b.first, wall), best(b.next, cpu)/best(b.first, cpu))
	for _, name := range shipped {
		r := best(b.times[name].ours, wall) / best(b.times[name].hand, wall)
		worst = max(worst, r)
		fmt.Printf("figure: pipeline_%s_ratio %.3f ratio\n", strings.ReplaceAll(name, "-", "_"), r)
	}
	fmt.Printf("figure: pipelines_worst_ratio %.3f ratio\n", worst)
	fmt.Printf("figure: baseline_next_run_ratio %.3f ratio\n", best(b.next, wall)/best(b.first, wall))
}
