package compile

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lakeward/lakeward/demo"
)

// demoMonth generates a month into lake.signin and lake.identity.
func (b *bench) demoMonth(seed uint64, end time.Time) demo.Truth {
	dir := b.t.TempDir()
	files := map[string]*bufio.Writer{}
	for _, s := range []string{demo.SubjectSignin, demo.SubjectIdentity} {
		f, err := os.Create(filepath.Join(dir, s+".json"))
		if err != nil {
			b.t.Fatal(err)
		}
		defer f.Close()
		files[s] = bufio.NewWriterSize(f, 1<<20)
	}
	truth, err := demo.Generate(demo.Options{Seed: seed, End: end}, func(subject, _ string, _ time.Time, json []byte) error {
		w := files[subject]
		if w == nil {
			return nil
		}
		if _, err := w.Write(json); err != nil {
			return err
		}
		return w.WriteByte('\n')
	})
	if err != nil {
		b.t.Fatal(err)
	}
	for s, w := range files {
		if err := w.Flush(); err != nil {
			b.t.Fatal(err)
		}
		b.exec(fmt.Sprintf(`CREATE TABLE lake.%s AS SELECT * REPLACE ("time"::TIMESTAMPTZ AS "time"), metadata.uid AS event_id FROM read_json('%s', sample_size = 200000) ORDER BY "time"`,
			strings.TrimPrefix(s, "events."), filepath.Join(dir, s+".json")))
	}
	return truth
}

// evalPipeline is a pipeline and how often it runs.
type evalPipeline struct {
	c      *Compiled
	every  time.Duration
	output string
}

// replay runs the pipelines over logical times, merging findings by id.
func (b *bench) replay(ps []evalPipeline, start, end time.Time) {
	seen := map[string]bool{}
	for t := start.Add(time.Hour); !t.After(end); t = t.Add(time.Hour) {
		for _, p := range ps {
			if t.Sub(start)%p.every != 0 {
				continue
			}
			r := Run{ID: "r" + t.Format("0102T15"), Window: Range{t.Add(-p.every), t}, Refresh: map[string][]Range{}}
			for _, x := range p.c.Baselines {
				r.Refresh[x.Step] = []Range{r.Window}
			}
			b.run(p.c, r)
			if !seen["table"] {
				b.exec("CREATE TABLE analytics.findings AS FROM " + ident(p.output))
				seen["table"] = true
				continue
			}
			b.exec("DELETE FROM analytics.findings WHERE finding_id IN (SELECT finding_id FROM " + ident(p.output) + ")")
			b.exec("INSERT INTO analytics.findings FROM " + ident(p.output))
		}
	}
}

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
			b := newBench(t)
			b.exec("SET threads = 2")
			a := time.Now() //nolint:forbidigo // a measurement
			b.exec("SET TimeZone = 'UTC'")
			truth := b.demoMonth(seed, at("2026-11-20 00:00"))
			t.Logf("%d events loaded in %s", truth.Events, time.Since(a).Round(time.Millisecond))
			a = time.Now() //nolint:forbidigo // a measurement
			b.replay(evalPipelines(t), truth.Start, truth.End)
			t.Logf("replayed in %s", time.Since(a).Round(time.Millisecond))
			b.score(truth)
		})
	}
}

// score compares what was found with what was planted.
func (b *bench) score(truth demo.Truth) {
	var fs []demo.Finding
	for _, row := range b.rows(`SELECT pipeline, detector, entity_type, entity, epoch_us("time"), epoch_us(window_start), epoch_us(window_end), score, severity FROM analytics.findings`) {
		c := strings.Split(row, "|")
		us := func(i int) time.Time {
			n, err := strconv.ParseInt(c[i], 10, 64)
			if err != nil {
				b.t.Fatal(err)
			}
			return time.UnixMicro(n).UTC()
		}
		score, err := strconv.ParseFloat(c[7], 64)
		if err != nil {
			b.t.Fatal(err)
		}
		fs = append(fs, demo.Finding{Pipeline: c[0], Detector: c[1], EntityType: c[2], Entity: c[3], Time: us(4), WindowStart: us(5), WindowEnd: us(6), Score: score, Severity: c[8]})
	}
	r := demo.Score(truth, fs)
	risk := compiled(riskSteps("rank")...)
	risk.steps["risk"].risk.types = []string{"user"}
	b.run(risk, Run{ID: "risk", Window: Range{truth.End.Add(-time.Hour), truth.End}})
	r.RankRisk(b.rows("SELECT entity FROM risk ORDER BY score DESC, entity"), 20)
	if err := r.Print(b.t.Output()); err != nil {
		b.t.Fatal(err)
	}
	for _, row := range b.rows("SELECT entity, score, level, criticality, inputs FROM risk ORDER BY score DESC LIMIT 20") {
		b.t.Log(row)
	}
	b.t.Log(b.rows(`SELECT pipeline, severity, count(*) FROM analytics.findings GROUP BY ALL ORDER BY ALL`))
	if r.Recall() < 1 || r.Precision() < 0.8 || !r.RiskHolds() {
		b.t.Errorf("recall %.3f, precision %.3f, takeovers among the first: %v", r.Recall(), r.Precision(), r.RiskHolds())
	}
}

func evalPipelines(testing.TB) []evalPipeline {
	fail := compiled(readStep("failures", "lake.signin", "status = 'Failure'"),
		&step{name: "usual", kind: kindBaseline, of: []string{"failures"}, baseline: &baselineForm{of: "failures", entity: []string{"user.name"}, bucket: time.Hour, season: seasonHourOfWeek,
			history: 28 * day, measures: []measure{{"failures", "count(*)", true}, {"sources", "count(DISTINCT src_endpoint.ip)", true}}, minSupport: 4, zeroFill: true, skipFlagged: true}},
		&step{name: "unusual", kind: kindAnomaly, of: []string{"usual"}, anomaly: &anomalyForm{method: methodRobustZ, of: "usual", entityType: "user", threshold: 4, direction: "up",
			atLeast: []bound{{"failures", 10}}, minDelta: 10, measures: []string{"failures"}, technique: "T1110"}})
	fail.name = "failed-signins"
	fail.keys["usual"] = "f"
	fail.Baselines = []Baseline{{Step: "usual"}}
	spray := compiled(readStep("rows", "lake.signin", ""), sprayStep(sprayForm{known: true}))
	p := spray.steps["spray"].anomaly.spray
	p.origins = []origin{{"ip", "src_endpoint.ip"}, {"asn", "src_endpoint.autonomous_system.number"}, {"user_agent", "http_request.user_agent"}}
	spray.name = "password-spray"
	travel := compiled(readStep("rows", "lake.signin", "status = 'Success'"), travelStep("src_endpoint.autonomous_system.name ILIKE '%VPN%'"))
	tf := travel.steps["travel"].anomaly.travel
	tf.lat, tf.lon, tf.place, tf.success = "src_endpoint.location.lat", "src_endpoint.location.long", "src_endpoint.location.city", ""
	tf.network, tf.habitDays, tf.habitBack = "src_endpoint.autonomous_system.number", 3, 30*day
	travel.name = "impossible-travel"
	return []evalPipeline{{fail, time.Hour, "unusual"}, {spray, 6 * time.Hour, "spray"}, {travel, 4 * time.Hour, "travel"}}
}
