package compile

import (
	"fmt"
	"strings"
	"time"

	"github.com/lakeward/lakeward/pipeline/sqltext"
)

// measure is one aggregate over a bucket.
type measure struct {
	name string
	expr string // SQL aggregate over the input's columns
	fill bool   // an absent bucket counts as zero: counts and sums, if the baseline fills
	none bool   // over no rows it is zero
}

// baselineForm is a baseline step. See SEMANTICS: windows and baselines.
type baselineForm struct {
	of          string
	entity      []string // column paths
	entityType  string
	where       string
	bucket      time.Duration
	season      season
	zone        string // IANA name
	history     time.Duration
	measures    []measure
	minSupport  int
	peers       string // expression; empty: every other entity is a peer
	zeroFill    bool
	absence     bool // a bucket of the window without rows is observed
	skipFlagged bool
	classic     bool // centre and spread are mean and standard deviation
	// Which rows of a run with state are compared with what is usual: a
	// condition over m0, m1, ...; empty: all.
	wanted string
}

type season string

const (
	seasonNone       season = "none"
	seasonHourOfDay  season = "hour_of_day"
	seasonDayOfWeek  season = "day_of_week"
	seasonHourOfWeek season = "hour_of_week"
)

// slot is the SQL for the season's slot of a bucket number. Level 1 is the
// coarser slot that is used when the finer has too few values: the hour of day
// apart for weekdays and weekends, or weekend alone for days of the week.
func (f *baselineForm) slot(bucket string, level int) string {
	us := f.bucket.Microseconds()
	var hour, dow string // dow: 0 is Monday
	if f.zone == "" || f.zone == "UTC" {
		// 1970-01-01 was a Thursday.
		hour = fmt.Sprintf("((%s * %d // 3600000000) %% 24)", bucket, us)
		dow = fmt.Sprintf("((%s * %d // 86400000000 + 3) %% 7)", bucket, us)
	} else {
		local := fmt.Sprintf("timezone(%s, make_timestamptz(%s * %d))", sqltext.Str(f.zone), bucket, us)
		hour = "hour(" + local + ")"
		dow = "(isodow(" + local + ") - 1)"
	}
	weekend := "(" + dow + " >= 5)::INT"
	switch f.season {
	case seasonHourOfDay:
		return hour
	case seasonDayOfWeek:
		if level == 1 {
			return weekend
		}
		return dow
	case seasonHourOfWeek:
		if level == 1 {
			return "(" + hour + " + 24 * " + weekend + ")"
		}
		return "(" + dow + " * 24 + " + hour + ")"
	default:
		return "0"
	}
}

// slots are both levels' slots, as columns s0 and s1.
func (f *baselineForm) slots(bucket string) string {
	return f.slot(bucket, 0) + " AS s0, " + f.slot(bucket, 1) + " AS s1"
}

// aggregateSQL is one row for each entity and bucket with rows in the ranges.
func (c *Compiled) aggregateSQL(f *baselineForm, rs []Range) string {
	cols := []string{
		sqltext.Entity(f.entity, f.entityType) + " AS entity",
		fmt.Sprintf(`epoch_us("time") // %d AS bucket`, f.bucket.Microseconds()),
	}
	if f.peers != "" {
		cols = append(cols, "any_value(("+f.peers+")::VARCHAR) AS peer")
	} else {
		cols = append(cols, "NULL::VARCHAR AS peer")
	}
	outer := []string{"entity", "bucket", "peer"}
	for i, m := range f.measures {
		cols = append(cols, fmt.Sprintf("TRY_CAST((%s) AS DOUBLE) AS m%d", m.expr, i))
		outer = append(outer, fmt.Sprintf("%s AS m%d", sqltext.Finite(fmt.Sprintf("m%d", i)), i))
	}
	where := sqltext.Present(f.entity)
	if f.where != "" {
		where += " AND (" + f.where + ")"
	}
	return fmt.Sprintf("SELECT %s FROM (\nSELECT %s\nFROM %s\nWHERE %s\nGROUP BY 1, 2 HAVING %s)",
		sqltext.List(outer), sqltext.List(cols), c.raw(f.of, rs), where,
		sqltext.IsSomebody(sqltext.Entity(f.entity, f.entityType)))
}

// stateTable and flaggedTable are where a baseline keeps its aggregates and
// the windows that its anomalies flagged.
func stateTable(key string) string   { return `state.main.` + sqltext.Ident("bl_"+key) }
func flaggedTable(key string) string { return `state.main.` + sqltext.Ident("bl_"+key+"_flagged") }

// trimMargin is kept beyond the history, for late windows.
const trimMargin = 8 * 24 * time.Hour

// keepFlagged is how long flagged windows are kept beyond the history: no
// backfill is so long that a run of today in its middle may forget them.
const keepFlagged = 800 * sqltext.Day

// refreshStmts bring the kept aggregates up to date.
func (c *Compiled) refreshStmts(s *step, r Run) []Stmt {
	f, key := s.baseline, c.keys[s.name]
	cols := "entity VARCHAR, bucket BIGINT, peer VARCHAR"
	for i := range f.measures {
		cols += fmt.Sprintf(", m%d DOUBLE", i)
	}
	stmt := func(sql string) Stmt { return Stmt{Step: s.name, SQL: sql, Purpose: PurposeState} }
	out := []Stmt{
		stmt("CREATE TABLE IF NOT EXISTS " + stateTable(key) + " (" + cols + ")"),
		stmt("CREATE TABLE IF NOT EXISTS " + flaggedTable(key) + " (entity VARCHAR, bucket BIGINT, step VARCHAR)"),
	}
	var rs []Range
	for _, x := range r.Refresh[s.name] {
		rs = append(rs, sqltext.Align(x, f.bucket))
	}
	rs = sqltext.Merge(rs)
	if len(rs) > 0 {
		out = append(out,
			stmt("DELETE FROM "+stateTable(key)+" WHERE "+f.inBuckets(rs)),
			stmt("INSERT INTO "+stateTable(key)+"\n"+c.aggregateSQL(f, rs)))
	}
	// What is trimmed of the aggregates is computed again from the rows when it
	// is needed; what was flagged cannot be, and is kept for any backfill.
	cut := func(margin time.Duration) int64 {
		return sqltext.BucketNo(r.Window.Start.Add(-f.history-margin), f.bucket)
	}
	return append(out,
		stmt(fmt.Sprintf("DELETE FROM %s WHERE bucket < %d", stateTable(key), cut(trimMargin))),
		stmt(fmt.Sprintf("DELETE FROM %s WHERE bucket < %d", flaggedTable(key), cut(keepFlagged))))
}

func (f *baselineForm) inBuckets(rs []Range) string {
	var ors []string
	for _, r := range rs {
		ors = append(ors, fmt.Sprintf("bucket >= %d AND bucket < %d", sqltext.BucketNo(r.Start, f.bucket),
			sqltext.BucketNo(r.End, f.bucket)))
	}
	return "((" + strings.Join(ors, ") OR (") + "))"
}

// historyRange is what the window is compared with.
func (f *baselineForm) historyRange(w Range) Range {
	start := sqltext.Floor(w.Start, f.bucket)
	return Range{Start: sqltext.Floor(start.Add(-f.history), f.bucket), End: start}
}

// baselineStmts make the step's table: what was observed in the window, beside
// what is usual.
func (c *Compiled) baselineStmts(s *step, r Run) []Stmt {
	f := s.baseline
	win := sqltext.Align(r.Window, f.bucket)
	hist := f.historyRange(r.Window)
	agg, flagged := stateTable(c.keys[s.name]), flaggedTable(c.keys[s.name])
	var out []Stmt
	work := func(name, sql string) {
		out = append(out, Stmt{Step: s.name, Purpose: PurposeWork,
			SQL: "CREATE OR REPLACE TEMP TABLE " + sqltext.Ident(s.name+"."+name) + " AS\n" + sql})
	}
	t := func(name string) string { return sqltext.Ident(s.name + "." + name) }
	if r.Stateless {
		work("agg", c.aggregateSQL(f, []Range{{Start: hist.Start, End: win.End}}))
		agg, flagged = t("agg"), ""
	} else {
		out = append(out, c.refreshStmts(s, r)...)
	}
	if f.skipFlagged && !r.Stateless {
		work("skip", f.skipSQL(flagged, hist))
	} else {
		work("skip", "SELECT '' AS entity, 0::BIGINT AS bucket, 0 AS s0, 0 AS s1 WHERE false")
	}
	fs := fitSQL{form: f, t: t, from: sqltext.BucketNo(hist.Start, f.bucket), to: sqltext.BucketNo(hist.End, f.bucket),
		groups: f.groups(), shifts: f.clockShifts(hist)}
	observed := "FROM " + agg + " WHERE " + f.inBuckets([]Range{win})
	if f.absence {
		observed += "\nUNION ALL BY NAME " + f.silence(agg, hist, win)
	}
	wanted := "true"
	if f.wanted != "" && !r.Stateless {
		wanted = f.wanted
	}
	work("obs", "SELECT *, "+f.slots("bucket")+", "+wanted+" AS wanted FROM ("+observed+")")
	work("mine", fs.mine(agg))
	work("seen", fs.seen(agg))
	work("hist", fs.hist(agg))
	work("keys", fs.keys())
	for i, g := range fs.groups {
		n := fmt.Sprint(i)
		work("lists"+n, strings.ReplaceAll(fs.lists(g), "$g", n))
		work("fit"+n, strings.ReplaceAll(fs.stats(g), "$g", n))
	}
	out = append(out, Stmt{Step: s.name, Purpose: PurposeStep,
		SQL: "CREATE OR REPLACE TEMP TABLE " + sqltext.Ident(s.name) + " AS\n" + fs.result()})
	return out
}

// silenceAfter is how long an entity is silent before it is gone (ours).
const silenceAfter = 14 * sqltext.Day

// silence is a row for each bucket of the window in which an entity with a past
// has none.
func (f *baselineForm) silence(agg string, hist, win Range) string {
	cols := []string{"e.entity", "b.bucket", "e.peer"}
	for i, m := range f.measures {
		v := "NULL::DOUBLE"
		if m.none {
			v = "0.0::DOUBLE"
		}
		cols = append(cols, fmt.Sprintf("%s AS m%d", v, i))
	}
	return fmt.Sprintf(`SELECT %s
FROM (SELECT entity, arg_max(peer, bucket) AS peer FROM %s WHERE %s GROUP BY entity HAVING count(*) >= %d AND max(bucket) >= %d) AS e,
  (SELECT unnest(range(%d, %d)) AS bucket) AS b
WHERE NOT EXISTS (FROM %[2]s AS a WHERE a.entity = e.entity AND a.bucket = b.bucket)`,
		sqltext.List(cols), agg, f.inBuckets([]Range{hist}), f.minSupport,
		sqltext.BucketNo(win.Start.Add(-silenceAfter), f.bucket), sqltext.BucketNo(win.Start, f.bucket),
		sqltext.BucketNo(win.End, f.bucket))
}

// skipSQL lists the flagged windows of the history, which the fit leaves out
// so that an attacker cannot teach it. What was flagged at the same hour of as
// many days as a baseline needs is a routine that began or moved (a job, the
// clocks): by then raised often enough, it is learned (ours). Days count, not
// buckets: one hour of flooding is one day however narrow they are.
func (f *baselineForm) skipSQL(flagged string, hist Range) string {
	q := "SELECT DISTINCT entity, bucket, " + f.slots("bucket") + " FROM " + flagged + " WHERE " +
		f.inBuckets([]Range{hist})
	if f.season != seasonHourOfDay && f.season != seasonHourOfWeek {
		return q
	}
	hour := *f
	hour.season = seasonHourOfDay
	return fmt.Sprintf("SELECT * FROM (%s) QUALIFY count(DISTINCT %s) OVER (PARTITION BY entity, %s) < %d", q,
		f.day("bucket"), hour.slot("bucket", 0), f.minSupport)
}

// day is the SQL of a bucket's day in the season's zone.
func (f *baselineForm) day(bucket string) string {
	us := f.bucket.Microseconds()
	if f.zone == "" || f.zone == "UTC" {
		return fmt.Sprintf("(%s * %d // 86400000000)", bucket, us)
	}
	return fmt.Sprintf("timezone(%s, make_timestamptz(%s * %d))::DATE", sqltext.Str(f.zone), bucket, us)
}

// Learning is a SELECT of one row: how many of a baseline's entities in the
// run are still learning (they have too few values of any level, so nothing is
// raised about them), and how many entities there are. It runs after the
// statements of the run.
func (c *Compiled) Learning(b Baseline) string {
	var levels []string
	for i := range c.steps[b.Step].baseline.groups() {
		levels = append(levels, fmt.Sprintf("level%d", i))
	}
	return fmt.Sprintf("SELECT count(DISTINCT entity) FILTER (least(%s) = %d) AS learning, count(DISTINCT entity) AS "+
		"entities FROM %s", sqltext.List(levels), len(levelNames)-1, sqltext.Ident(b.Step+".keys"))
}
