package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lakeward/lakeward/pipeline/compile"
	"github.com/lakeward/lakeward/pipeline/schedule"
	"github.com/lakeward/lakeward/tiers"
)

const findings = `SELECT entity || '@' || hour("time" AT TIME ZONE 'UTC') || '=' || observed::INT AS v FROM analytics.findings ORDER BY 1`

func at5(h int) time.Time { return hour(h).Add(5 * time.Minute) }

// due runs a logical time and returns the windows that were run.
func (w *world) due(d *Definition, h int) string {
	w.t.Helper()
	w.now = at5(h)
	res, err := w.runner.RunDue(w.t.Context(), d, nil, at5(h))
	if err != nil {
		w.t.Fatal(err)
	}
	var rs []compile.Range
	for _, r := range res {
		rs = append(rs, r.Window)
	}
	return spans(rs)
}

func check(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

func last(runs *[]compile.Run) string {
	return spans((*runs)[len(*runs)-1].Refresh["usual"])
}

func TestRunsKeepStateAndRecomputeOnlyWhatLateRowsTouch(t *testing.T) {
	w := newWorld(t)
	d, runs := w.toyDefinition(2)
	check(t, "no table yet", w.due(d, 8), "7-8")
	w.ingest("3 ada", "9 ada", "9 ada", "9 bob")
	check(t, "windows", w.due(d, 10), "9-10")
	check(t, "first refresh", last(runs), "3-10")
	check(t, "findings", w.query(findings), "ada@9=2")

	w.ingest("10 bob", "10 bob")
	check(t, "windows", w.due(d, 11), "10-11")
	check(t, "second refresh", last(runs), "10-11")

	w.ingest("9 bob", "11 cy", "11 cy") // bob's is late, in a file that spans three hours
	check(t, "windows, with the one that looks back on what was late", w.due(d, 12), "9-10 10-11 11-12")
	check(t, "findings", w.query(findings), "ada@9=2 bob@10=2 bob@9=2 cy@11=2")
	check(t, "windows without news", w.due(d, 13), "12-13")
	check(t, "state", w.query(`SELECT sum(n)::BIGINT AS v FROM state.main."bl_toy"`), "9")
	if len(w.sent) != 4 {
		t.Errorf("published %d findings, want 4", len(w.sent))
	}
	for id, n := range w.sent {
		if n != 1 {
			t.Errorf("%s was published %d times", id, n)
		}
	}

	w.lake.tables["signin"].broken = true
	w.ingest("13 ada")
	d.Lateness = 0
	w.due(d, 14)
	check(t, "a broken lineage rebuilds", last(runs), "7-14")
}

func TestARunThatFailsKeepsNothingAndIsRepeated(t *testing.T) {
	w := newWorld(t)
	d, runs := w.toyDefinition(2)
	w.ingest("9 ada", "9 ada")
	for _, table := range []string{"findings"} {
		w.fail = func(tbl string) error {
			if tbl == table {
				return errors.New("disk is full")
			}
			return nil
		}
		if _, err := w.runner.Run(t.Context(), d, span(9, 10), RunOptions{Trigger: TriggerSchedule}); err == nil {
			t.Fatal("no error")
		}
	}
	w.fail = nil
	res, err := w.runner.Run(t.Context(), d, span(9, 10), RunOptions{Trigger: TriggerSchedule})
	if err != nil {
		t.Fatal(err)
	}
	check(t, "attempt", res.RunID, RunID(res.RunKey, 2))
	check(t, "refresh after a failure", last(runs), "3-10")
	check(t, "history", w.query("SELECT status || attempt AS v FROM analytics.pipeline_runs ORDER BY attempt"),
		"failed1 succeeded2")
	if len(w.sent) != 1 {
		t.Errorf("published %d", len(w.sent))
	}
}

func TestOverBudgetWritesNothingAndSaysSo(t *testing.T) {
	for _, c := range []struct {
		what string
		b    Budget
	}{{"rows", Budget{Rows: 2}}, {"bytes", Budget{Bytes: 10}}, {"time", Budget{Time: time.Nanosecond}}} {
		t.Run(c.what, func(t *testing.T) {
			w := newWorld(t)
			d, _ := w.toyDefinition(1)
			d.Budget = c.b
			w.ingest("9 ada", "9 ada", "9 bob")
			_, err := w.runner.Run(t.Context(), d, span(9, 10), RunOptions{})
			var over *BudgetError
			if !errors.As(err, &over) || over.What != c.what {
				t.Fatal(err)
			}
			for _, part := range []string{"limit", "nothing was written", "raise budget"} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q lacks %q", err, part)
				}
			}
			check(t, "tables", w.query("SELECT table_name AS v FROM duckdb_tables() WHERE database_name = 'analytics'"),
				RunsTable)
		})
	}
}

func TestDryRunsLeaveNoTrace(t *testing.T) {
	w := newWorld(t)
	d, _ := w.toyDefinition(2)
	w.ingest("9 ada", "9 ada")
	res, err := w.runner.Run(t.Context(), d, span(9, 10), RunOptions{DryRun: true, Collect: []string{"unusual"}})
	if err != nil || len(res.Rows["unusual"]) != 1 {
		t.Fatal(err, res.Rows)
	}
	check(t, "analytics", w.query("SELECT count(*) AS v FROM duckdb_tables() WHERE database_name = 'analytics'"), "0")
	check(t, "coverage", w.query("SELECT count(*) AS v FROM "+metaTable), "0")
}

func TestPlanComparesWithTheLiveVersionAndKeepsNothing(t *testing.T) {
	w := newWorld(t)
	d, runs := w.toyDefinition(1)
	live, _ := w.toyDefinition(2)
	w.ingest("7 ada", "7 ada", "8 bob", "9 ada")
	rep, err := w.runner.Plan(t.Context(), d, live, nil, hour(5), hour(11))
	if err != nil {
		t.Fatal(err)
	}
	if rep.Windows != 6 || len(rep.Findings) != 3 || len(rep.Added) != 2 || len(rep.Removed) != 0 ||
		rep.Top[0].Entity != "ada" {
		t.Errorf("%+v", rep)
	}
	check(t, "later windows read only what is new", last(runs), "9-10")
	check(t, "tables", w.query("SELECT count(*) AS v FROM duckdb_tables() WHERE database_name IN ('analytics', 'state')"),
		"0")
	if !strings.Contains(rep.String(), "2 added, 0 removed") {
		t.Error(rep.String())
	}
}

func TestAFindingIsExplainedOnItsOwnSnapshots(t *testing.T) {
	w := newWorld(t)
	d, _ := w.toyDefinition(2)
	w.ingest("9 ada", "9 ada")
	w.due(d, 10)
	w.ingest("9 ada") // not seen by the run
	id := w.query("SELECT finding_id AS v FROM analytics.findings")
	rep, err := w.runner.ExplainFinding(t.Context(), id, func(string) (*Definition, bool) { return d, true })
	if err != nil {
		t.Fatal(err)
	}
	if rep.Step != "unusual" || len(rep.Rows) != 2 || len(rep.Baseline) != 1 || rep.Formula != "n >= limit" {
		t.Errorf("%+v", rep)
	}
	w.lake.tables["signin"].expired = 1
	rep, err = w.runner.ExplainFinding(t.Context(), id, func(string) (*Definition, bool) { return d, true })
	if err != nil || len(rep.Rows) != 3 || !strings.Contains(strings.Join(rep.Notes, " "), "has expired") {
		t.Errorf("of an expired snapshot: %v %+v", err, rep)
	}
	if _, err := w.runner.ExplainFinding(t.Context(), "nobody", nil); !errors.Is(err, ErrNoFinding) {
		t.Error(err)
	}
}

func TestBackfillRunsWhatWasMissedInOrder(t *testing.T) {
	w := newWorld(t)
	up, _ := w.toyDefinition(2)
	down, _ := w.toyDefinition(3)
	down.Name, down.Cron, down.After = "a-down", nil, []string{"toy"}
	w.ingest("6 ada", "6 ada", "8 bob", "8 bob")
	w.due(up, 8)
	clocks, errs := Clocks([]*Definition{down, up})
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	var ran []string
	err := w.runner.Backfill(t.Context(), Order([]*Definition{down, up}), clocks, at5(6), at5(9), func(r Result) {
		ran = append(ran, r.Pipeline+" "+spans([]compile.Range{r.Window}))
	})
	if err != nil {
		t.Fatal(err)
	}
	check(t, "runs", strings.Join(ran, ", "), "toy 6-7, a-down 6-7, a-down 7-8, toy 8-9, a-down 8-9")
	check(t, "findings", w.query(findings), "ada@6=2 bob@8=2")
	w.now = hour(9)
	ls, err := w.runner.List(t.Context(), Order([]*Definition{down, up}))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(RenderList(ls), "after toy") || !ls[1].Next.Equal(at5(9)) || ls[0].Last == nil {
		t.Error(RenderList(ls))
	}
}

func TestCasesOfAPipeline(t *testing.T) {
	proto := newWorld(t)
	d, _ := proto.toyDefinition(2)
	d.Tests = []Case{
		{Name: "raised", At: at5(10), Given: map[string][]byte{"lake.signin": []byte("9 ada,9 ada")},
			Expect: map[string][]Row{"unusual": {{"entity": "ada", "severity": "high"}}}},
		{Name: "wrongly expected quiet", At: at5(10), Given: map[string][]byte{"lake.signin": []byte("9 ada,9 ada")},
			Expect: map[string][]Row{"unusual": {}}},
	}
	res, err := Test(t.Context(), d, nil, benches(t))
	if err != nil {
		t.Fatal(err)
	}
	if res[0].Diff != "" || !strings.Contains(res[1].Diff, "+ found") {
		t.Errorf("%+v", res)
	}
}

func TestTheHistorySaysWhoStillLearnsAndWhy(t *testing.T) {
	w := newWorld(t)
	d, _ := w.toyDefinition(2)
	w.ingest("9 ada", "9 ada")
	if _, err := w.runner.Run(t.Context(), d, span(9, 10), RunOptions{}); err != nil {
		t.Fatal(err)
	}
	runs, err := w.runner.History(t.Context(), HistoryFilter{Pipeline: d.Name})
	if err != nil || len(runs) != 1 {
		t.Fatal(err, runs)
	}
	check(t, "note", runs[0].Note, "usual: 1 of 3 entities are still learning")
	if text := RenderHistory(runs); !strings.Contains(text, "still learning") {
		t.Error(text)
	}
}

func TestAttemptsGoOnWhereAnotherRunnerEnded(t *testing.T) {
	w := newWorld(t)
	d, _ := w.toyDefinition(2)
	w.ingest("9 ada", "9 ada")
	for i := range 4 {
		if i%2 == 0 { // a new process
			w.runner = NewRunner(w.runner.o)
		}
		res, err := w.runner.Run(t.Context(), d, span(9, 10), RunOptions{})
		if err != nil {
			t.Fatal(err)
		}
		check(t, "attempt", fmt.Sprint(res.Attempt), fmt.Sprint(i+1))
	}
}

func TestLateRowsAreLookedForOnlyWhenTablesChange(t *testing.T) {
	w := newWorld(t)
	d, runs := w.toyDefinition(2)
	w.ingest("9 ada", "9 ada")
	due := func(h int) {
		t.Helper()
		w.now = hour(h).Add(5 * time.Minute)
		if _, err := w.runner.RunDue(t.Context(), d, nil, w.now); err != nil {
			t.Fatal(err)
		}
	}
	due(10)
	due(11)
	check(t, "runs", fmt.Sprint(len(*runs)), "2")
	w.ingest("9 bob", "9 bob") // late by more than an hour
	due(12)
	check(t, "runs with those that are run again", fmt.Sprint(len(*runs)), "5")
	due(13)
	check(t, "runs after it", fmt.Sprint(len(*runs)), "6")
}

func TestRunsOfOnePipelineNeverOverlap(t *testing.T) {
	w := newWorld(t)
	d, _ := w.toyDefinition(2)
	w.ingest("9 ada", "9 ada")
	attempts := make(chan string)
	for range 4 {
		go func() {
			res, err := w.runner.Run(t.Context(), d, span(9, 10), RunOptions{})
			if err != nil {
				t.Error(err)
			}
			attempts <- fmt.Sprint(res.Attempt)
		}()
	}
	var got []string
	for range 4 {
		got = append(got, <-attempts)
	}
	slices.Sort(got)
	check(t, "attempts", strings.Join(got, " "), "1 2 3 4")
	check(t, "findings", w.query(findings), "ada@9=2")
}

func TestListShowsTheLastRunAndTheNext(t *testing.T) {
	w := newWorld(t)
	d, _ := w.toyDefinition(2)
	w.ingest("9 ada", "9 ada")
	w.now = at5(10)
	if _, err := w.runner.RunDue(t.Context(), d, nil, at5(10)); err != nil {
		t.Fatal(err)
	}
	ls, err := w.runner.List(t.Context(), []*Definition{d})
	if err != nil || len(ls) != 1 {
		t.Fatal(err, ls)
	}
	text := RenderList(ls)
	for _, want := range []string{"toy", "5 * * * *", stamp(at5(11)), stamp(hour(10)), StatusSucceeded} {
		if !strings.Contains(text, want) {
			t.Errorf("lacks %q:\n%s", want, text)
		}
	}
}

func TestARunOfATableThatCannotBeReadIsRecordedAsFailed(t *testing.T) {
	for name, harm := range map[string]func(*memTable, error){
		"metadata": func(m *memTable, err error) { m.unreadable = err },
		"manifest": func(m *memTable, err error) { m.unlisted = err },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			d, _ := w.toyDefinition(2)
			w.ingest("9 ada", "9 ada")
			w.due(d, 10)
			w.ingest("9 bob", "10 bob")
			m := w.lake.tables["signin"]
			harm(m, &tiers.MetadataError{What: "manifest", Path: "/x/a-m0.avro", Err: errors.New("no magic")})
			w.now = at5(11)
			if _, err := w.runner.RunDue(t.Context(), d, nil, at5(11)); !errors.Is(err, tiers.ErrDamaged) {
				t.Fatalf("it ended with %v", err)
			}
			runs, err := w.runner.History(t.Context(), HistoryFilter{Pipeline: d.Name})
			if err != nil || len(runs) != 2 || runs[0].Status != StatusFailed || !strings.Contains(runs[0].Error, "a-m0.avro") {
				t.Fatalf("the history is %+v, %v", runs, err)
			}
			harm(m, nil)
			check(t, "windows once it is restored", w.due(d, 11), "9-10 10-11")
		})
	}
}

func TestPlansExplanationsAndTestsHaveALimitOfTime(t *testing.T) {
	w := newWorld(t)
	d, _ := w.toyDefinition(1)
	d.Tests = []Case{{Name: "c", At: at5(10), Given: map[string][]byte{"lake.signin": []byte("9 ada")},
		Expect: map[string][]Row{"unusual": {}}}}
	w.ingest("9 ada")
	o := w.runner.o
	o.PlanTime = time.Nanosecond
	w.runner = NewRunner(o)
	_, planned := w.runner.Plan(t.Context(), d, nil, nil, hour(5), hour(11))
	_, explained := w.runner.Explain(t.Context(), d, nil, at5(10))
	ps := Checker(func(string) *schedule.Cron { return nil }, benches(t), time.Nanosecond)(t.Context(), d)
	if len(ps) != 1 {
		t.Fatal(ps)
	}
	for what, err := range map[string]error{"plan toy": planned, "explain toy": explained,
		"test toy": errors.New(ps[0].Message)} {
		if err == nil || !strings.HasPrefix(err.Error(), what+": it took longer than pipelines.plan_timeout, 1ns") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if !errors.Is(planned, context.DeadlineExceeded) {
		t.Error(planned)
	}
}
