package pipeline

import (
	"bytes"
	"context"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lakeward/lakeward/demo"
	"github.com/lakeward/lakeward/pipeline/schedule"
	"github.com/lakeward/lakeward/query"
)

// TestDemoQuality scores the shipped pipelines, as their files are, on
// generated months: LAKEWARD_EVAL_SEEDS=101,202,303.
func TestDemoQuality(t *testing.T) {
	seeds := os.Getenv("LAKEWARD_EVAL_SEEDS")
	if seeds == "" {
		t.Skip("set LAKEWARD_EVAL_SEEDS=1,2,3 to score the shipped pipelines on generated months")
	}
	for s := range strings.SplitSeq(seeds, ",") {
		seed, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		t.Run("seed "+s, func(t *testing.T) {
			w, lake := shapedWorld(t)
			truth := demoMonth(t, w.dir, lake, seed, time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC))
			replayMonth(t, w, shipped(t, w), truth.Start, truth.End)
			scoreMonth(t, w, truth)
		})
	}
}

// demoMonth generates a month into lake.signin, lake.identity and lake.network.
func demoMonth(t *testing.T, dir string, lake *shapedLake, seed uint64, end time.Time) demo.Truth {
	t.Helper()
	rows := map[string]*bytes.Buffer{demo.SubjectSignin: {}, demo.SubjectIdentity: {}, demo.SubjectNetwork: {}}
	truth, err := demo.Generate(demo.Options{Seed: seed, End: end},
		func(subject, _ string, _ time.Time, json []byte) error {
			if b := rows[subject]; b != nil {
				b.Write(json)
				b.WriteByte('\n')
			}
			return nil
		})
	if err != nil {
		t.Fatal(err)
	}
	for subject, b := range rows {
		name := strings.TrimPrefix(subject, "events.")
		lake.tables[name] = shape(t, dir, name, b.Bytes())
	}
	return truth
}

// replayMonth runs every logical time of the month, in order, and says what a
// run of each pipeline takes.
func replayMonth(t *testing.T, w *world, ds []*Definition, start, end time.Time) {
	t.Helper()
	took := map[string][]time.Duration{}
	last := end.Add(time.Hour) // the windows of the month's last hours have settled
	type due struct {
		at time.Time
		d  *Definition
	}
	var all []due
	for _, d := range ds {
		times, _ := d.Cron.First(start.Add(time.Hour), last, 1<<20)
		for _, at := range times {
			all = append(all, due{at, d})
		}
	}
	slices.SortStableFunc(all, func(a, b due) int { return a.at.Compare(b.at) })
	for _, x := range all {
		w.now = x.at
		a := time.Now()
		if _, err := w.runner.RunDue(t.Context(), x.d, (*schedule.Cron)(nil), x.at); err != nil {
			t.Fatal(err)
		}
		took[x.d.Name] = append(took[x.d.Name], time.Since(a))
	}
	for _, name := range sortedKeys(took) {
		var sum time.Duration
		for _, d := range took[name] {
			sum += d
		}
		slices.Sort(took[name])
		n := len(took[name])
		t.Logf("%-18s %4d runs in %6.1fs: mean %s, median %s, most %s", name, n, sum.Seconds(),
			(sum / time.Duration(n)).Round(time.Millisecond), took[name][n/2].Round(time.Millisecond),
			took[name][n-1].Round(time.Millisecond))
	}
}

func (w *world) table(ctx context.Context, sql string) ([]Row, error) {
	s, err := w.engine.Open(ctx, query.View{}, query.Options{Trusted: true})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	return queryRows(ctx, s, 0, sql)
}

// scoreMonth compares what was found with what was planted.
func scoreMonth(t *testing.T, w *world, truth demo.Truth) {
	t.Helper()
	rows, err := w.table(t.Context(), "SELECT * FROM analytics.findings")
	if err != nil {
		t.Fatal(err)
	}
	var fs []demo.Finding
	count := map[string]int{}
	for _, r := range rows {
		score, _ := r["score"].(float64)
		fs = append(fs, demo.Finding{Pipeline: text(r, "pipeline"), Detector: text(r, "detector"),
			EntityType: text(r, "entity_type"), Entity: text(r, "entity"),
			Time: moment(r, "time"), WindowStart: moment(r, "window_start"), WindowEnd: moment(r, "window_end"), Score: score,
			Severity: text(r, "severity")})
		count[text(r, "pipeline")+" "+text(r, "severity")]++
	}
	result := demo.Score(truth, fs)
	risks, err := w.table(t.Context(), "SELECT entity, score FROM analytics.entity_risk ORDER BY score DESC, entity "+
		"LIMIT 20")
	if err != nil {
		t.Fatal(err)
	}
	var ranked []string
	for _, r := range risks {
		ranked = append(ranked, text(r, "entity"))
	}
	result.RankRisk(ranked, 20)
	if err := result.Print(t.Output()); err != nil {
		t.Fatal(err)
	}
	for _, k := range sortedKeys(count) {
		t.Log(k, count[k])
	}
	t.Logf("seed %d: recall %.3f, precision %.3f", truth.Seed, result.Recall(), result.Precision())
	if result.Recall() < 1 || result.Precision() < 0.8 || !result.RiskHolds() {
		t.Errorf("recall %.3f, precision %.3f, takeovers among the first: %v", result.Recall(), result.Precision(),
			result.RiskHolds())
	}
}
