package compile

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lakeward/lakeward/pipeline/sqltext"
)

// The levels at which a baseline was found, from the finest.
var levelNames = [...]string{"season", "hour of day", "all hours", "peers", "learning"}

// fitSQL writes the statements that find what is usual for each (entity, slot)
// that the window holds. An absent bucket is a zero, but zeros are counted and
// not made: with z zeros among n values, quantiles follow from the sorted
// others. Only where zeros are no majority are they spelled out, so a list is
// never longer than twice the rows that exist. Sums may be negative: the zeros
// stand behind what is below zero.
type fitSQL struct {
	form     *baselineForm
	t        func(string) string // name of a work table
	from, to int64               // history, as bucket numbers
	groups   []group
	shifts   []int64 // buckets by which a clock change within the history moves routines
}

// group are measures whose values stand behind the same number of buckets:
// those for which an empty bucket is a zero, all together, and each other one,
// whose support is the values that were seen.
type group struct {
	fill     bool
	measures []int
}

func (f *baselineForm) groups() []group {
	var out []group
	for i, m := range f.measures {
		switch {
		case !m.fill || !f.zeroFill:
			out = append(out, group{measures: []int{i}})
		case len(out) > 0 && out[0].fill:
			out[0].measures = append(out[0].measures, i)
		default:
			out = append([]group{{true, []int{i}}}, out...)
		}
	}
	return out
}

// each makes an item for each group; $g is its number.
func (q fitSQL) each(item func(g group) string) []string {
	var out []string
	for i, g := range q.groups {
		out = append(out, strings.ReplaceAll(item(g), "$g", fmt.Sprint(i)))
	}
	return out
}

// mine: the whole history of the window's entities. What others did is read
// only if one of them is still learning, and so needs its peers.
func (q fitSQL) mine(agg string) string {
	return fmt.Sprintf("SELECT * FROM %s WHERE %s AND entity IN (SELECT entity FROM %s)", agg, q.inHistory(), q.t("obs"))
}

func (q fitSQL) inHistory() string { return fmt.Sprintf("bucket >= %d AND bucket < %d", q.from, q.to) }

// learning are the rows of the window whose entity has too few values.
func (q fitSQL) learning(seen string) string {
	own := q.each(func(group) string { return "s.own$g" })
	return fmt.Sprintf("FROM %s AS o LEFT JOIN %s AS s ON s.entity = o.entity WHERE coalesce(least(%s), 0) < %d",
		q.t("obs"), seen, sqltext.List(own), q.form.minSupport)
}

// seen: each entity's first bucket and, for each group, how many values it has
// of its own. The first is of the whole history, flagged windows included.
func (q fitSQL) seen(agg string) string {
	peer := "NULL::VARCHAR"
	if q.form.peers != "" {
		peer = "arg_max(peer, bucket)"
	}
	gone := q.each(func(g group) string {
		if g.fill {
			return "count(*) AS c$g"
		}
		return fmt.Sprintf("count(a.m%d) AS c$g", g.measures[0])
	})
	held := q.each(func(g group) string {
		if g.fill {
			return fmt.Sprintf("%d - min(bucket) AS n$g", q.to)
		}
		return fmt.Sprintf("count(m%d) AS n$g", g.measures[0])
	})
	own := q.each(func(group) string { return "f.n$g - coalesce(x.c$g, 0) AS own$g" })
	of := func(rows string) string {
		return fmt.Sprintf("SELECT f.entity, f.peer, f.first, %s FROM (SELECT entity, %s AS peer, min(bucket) AS first, "+
			"%s FROM %s GROUP BY entity) AS f LEFT JOIN x ON x.entity = f.entity", sqltext.List(own), peer, sqltext.List(held),
			rows)
	}
	return fmt.Sprintf(`WITH x AS (SELECT k.entity, %s FROM %s AS k LEFT JOIN %s AS a ON a.entity = k.entity AND a.bucket = k.bucket GROUP BY 1),
mine AS (%s)
FROM mine UNION ALL %s`, sqltext.List(gone), q.t("skip"), agg, of(q.t("mine")),
		of(fmt.Sprintf("(FROM %s WHERE %s AND 1 IN (SELECT 1 %s) AND entity NOT IN (SELECT entity FROM %s))", agg,
			q.inHistory(), q.learning("mine"), q.t("obs"))))
}

// hist: the history that the fit may use: what the window's entities did, if
// their rows are wanted, and, if any of them is still learning, what others did
// in the same slots; without flagged windows. How many values there are of a
// measure without zeros is counted here, so then it is of all.
func (q fitSQL) hist(agg string) string {
	mine, learning := q.t("mine"), q.learning(q.t("seen"))
	if !slices.ContainsFunc(q.groups, func(g group) bool { return !g.fill }) {
		mine += " WHERE entity IN (SELECT entity FROM " + q.t("obs") + " WHERE wanted) OR EXISTS (FROM learners)"
		learning += " AND o.wanted"
	}
	return fmt.Sprintf(`WITH learners AS (SELECT o.s0 FROM %[1]s AS o, (SELECT count(*) AS n %[2]s) AS l WHERE l.n > 0)
SELECT *, %[3]s FROM (
  FROM %[4]s UNION ALL SELECT * FROM %[5]s WHERE %[6]s AND %[7]s IN (SELECT s0 FROM learners) AND entity NOT IN (SELECT entity FROM %[1]s)
) AS a WHERE NOT EXISTS (FROM %[8]s AS x WHERE x.entity = a.entity AND x.bucket = a.bucket)`,
		q.t("obs"), learning, q.form.slots("bucket"), mine, agg, q.inHistory(), q.form.slot("bucket", 0), q.t("skip"))
}

// calendar lists the history's buckets of the window's slots.
func (q fitSQL) calendar() string {
	return fmt.Sprintf("cal AS MATERIALIZED (SELECT b, %[1]s FROM (SELECT unnest(range(%[2]d, %[3]d)) AS b) WHERE s0 "+
		"IN (SELECT s0 FROM %[4]s) OR s1 IN (SELECT s1 FROM %[4]s))", q.form.slots("b"), q.from, q.to, q.t("obs"))
}

// slotCount is how many values of a group the key k has in a slot column.
func (q fitSQL) slotCount(g group, col string) string {
	if !g.fill {
		return fmt.Sprintf("(SELECT count(h.m%d) FROM %s AS h WHERE h.entity = k.entity AND h.%[3]s = k.%[3]s)",
			g.measures[0], q.t("hist"), col)
	}
	return fmt.Sprintf("(SELECT count(*) FROM cal WHERE cal.%[2]s = k.%[2]s AND cal.b >= k.first) - (SELECT count(*) "+
		"FROM %[1]s AS x WHERE x.entity = k.entity AND x.%[2]s = k.%[2]s AND x.bucket >= k.first)", q.t("skip"), col)
}

// peers: how many values of a group the peers of each kind have in each slot.
func (q fitSQL) peers(g group) string {
	m := q.form.minSupport
	if g.fill {
		return fmt.Sprintf("p$g AS (SELECT s.peer, cal.s0, sum(s.c) AS np FROM cal JOIN (SELECT peer, first, count(*) AS "+
			"c FROM %s WHERE own$g >= %d GROUP BY ALL) AS s ON cal.b >= s.first WHERE cal.s0 IN (SELECT s0 FROM %s) GROUP BY "+
			"ALL)", q.t("seen"), m, q.t("obs"))
	}
	return fmt.Sprintf("p$g AS (SELECT s.peer, h.s0, count(h.m%d) AS np FROM %s AS h JOIN %s AS s ON s.entity = "+
		"h.entity WHERE s.own$g >= %d GROUP BY ALL)", g.measures[0], q.t("hist"), q.t("seen"), m)
}

// keys: each (entity, slot) of the window and, for each group, the level that
// has enough values for it, how many there are, and the key whose fit it takes:
// those of the same peers share one, of the keys of rows that are wanted. Peers are the entities that have finished
// learning, so the subject is never among its own peers.
func (q fitSQL) keys() string {
	m := q.form.minSupport
	var counts, joins, cols, fits []string
	counts = q.each(func(g group) string {
		n0, n1 := "k.own$g", "k.own$g"
		if q.form.season != seasonNone {
			n0 = q.slotCount(g, "s0")
		}
		if q.form.season == seasonHourOfWeek || q.form.season == seasonDayOfWeek {
			n1 = q.slotCount(g, "s1")
		}
		return fmt.Sprintf("coalesce(%s, 0) AS n0_$g, coalesce(%s, 0) AS n1_$g", n0, n1)
	})
	joins = q.each(func(group) string {
		return "LEFT JOIN p$g ON p$g.s0 = n.s0 AND p$g.peer IS NOT DISTINCT FROM n.peer"
	})
	cols = q.each(func(group) string {
		return fmt.Sprintf(`n.own$g, CASE WHEN own$g < %[1]d AND coalesce(p$g.np, 0) >= %[1]d THEN 3 WHEN own$g < %[1]d THEN 4 WHEN n0_$g >= %[1]d THEN 0 WHEN n1_$g >= %[1]d THEN 1 ELSE 2 END AS level$g,
  CASE level$g WHEN 0 THEN n0_$g WHEN 1 THEN n1_$g WHEN 2 THEN own$g WHEN 3 THEN p$g.np ELSE own$g END::BIGINT AS n$g`, m)
	})
	fits = q.each(func(group) string {
		return "CASE WHEN level$g = 3 THEN min(id) OVER (PARTITION BY level$g, peer, s0, wanted) ELSE id END AS fit$g"
	})
	own := q.each(func(group) string { return "coalesce(s.own$g, 0) AS own$g" })
	return fmt.Sprintf(`WITH %s,
w AS (SELECT entity, s0, s1, any_value(peer) AS peer, bool_or(wanted) AS wanted FROM %s GROUP BY entity, s0, s1),
k AS (SELECT w.*, s.first, %s FROM w LEFT JOIN %s AS s ON s.entity = w.entity),
n AS (SELECT *, %s FROM k),
%s
SELECT *, %s FROM (SELECT row_number() OVER () AS id, n.entity, n.s0, n.s1, n.peer, n.wanted, %s
FROM n %s)`,
		q.calendar(), q.t("obs"), sqltext.List(own), q.t("seen"), sqltext.List(counts), strings.Join(q.each(q.peers), ",\n"),
		sqltext.List(fits), strings.Join(cols, ",\n  "), strings.Join(joins, " "))
}

// lists: the values that exist for each fit of a group, sorted, one list a measure.
func (q fitSQL) lists(g group) string {
	var cols, aggs []string
	for _, i := range g.measures {
		cols = append(cols, fmt.Sprintf("h.m%d", i))
		aggs = append(aggs, fmt.Sprintf("coalesce(list(m%[1]d ORDER BY m%[1]d) FILTER (m%[1]d IS NOT NULL), []::DOUBLE[]) "+
			"AS v%[1]d", i))
	}
	one := func(level int, on string) string {
		return fmt.Sprintf("SELECT k.id, %s FROM %s AS k JOIN %s AS h ON h.entity = k.entity%s WHERE k.wanted AND "+
			"k.level$g = %d", sqltext.List(cols), q.t("keys"), q.t("hist"), on, level)
	}
	peer := fmt.Sprintf(`SELECT k.id, %s FROM %s AS k
JOIN %s AS h ON h.s0 = k.s0 JOIN %s AS s ON s.entity = h.entity AND s.own$g >= %d AND s.peer IS NOT DISTINCT FROM k.peer WHERE k.wanted AND k.level$g = 3 AND k.id = k.fit$g`,
		sqltext.List(cols), q.t("keys"), q.t("hist"), q.t("seen"), q.form.minSupport)
	return fmt.Sprintf("SELECT id, %s FROM (\n%s\nUNION ALL %s\nUNION ALL %s\nUNION ALL %s)\nGROUP BY id",
		sqltext.List(aggs), one(0, " AND h.s0 = k.s0"), one(1, " AND h.s1 = k.s1"), one(2, ""), peer)
}

// stats: centre and spread for each fit of a group and measure.
func (q fitSQL) stats(g group) string {
	var lists, full, med, out []string
	for _, i := range g.measures {
		zeros := "0::BIGINT"
		if g.fill {
			zeros = fmt.Sprintf("greatest(0, n - len(v%d))::BIGINT", i)
		}
		r := strings.NewReplacer("#", fmt.Sprint(i), "$z", zeros)
		lists = append(lists, r.Replace("coalesce(l.v#, []::DOUBLE[]) AS v#"))
		full = append(full, r.Replace("$z AS z#, len(v#) + $z AS n#, len(list_filter(v#, lambda e: e < 0)) AS b#, CASE "+
			"WHEN 2 * z# > n# THEN NULL ELSE list_concat(list_resize([]::DOUBLE[], z#, 0.0::DOUBLE), v#) END AS x#"))
		med = append(med, r.Replace("CASE WHEN n# = 0 THEN NULL WHEN x# IS NULL THEN 0.0 ELSE list_median(x#) END AS med#"))
		out = append(out, r.Replace(`med# AS median#,
  CASE WHEN n# = 0 THEN NULL WHEN x# IS NULL THEN 0.0 ELSE list_mad(x#) END AS mad#,
  CASE WHEN n# = 0 THEN NULL WHEN x# IS NULL THEN coalesce(list_sum(list_transform(v#, lambda e: abs(e))), 0.0) / n# ELSE list_sum(list_transform(x#, lambda e: abs(e - med#))) / n# END AS aad#,
  CASE WHEN n# = 0 THEN NULL ELSE coalesce(list_sum(v#), 0.0) / n# END AS mean#,
  CASE WHEN n# < 2 THEN NULL ELSE sqrt(greatest(0.0, (coalesce(list_sum(list_transform(v#, lambda e: e * e)), 0.0) - n# * mean# * mean#) / (n# - 1))) END AS sd#,
  `+quantile("0.1")+` AS p10#,
  `+quantile("0.9")+` AS p90#`))
	}
	return fmt.Sprintf(`SELECT id, %s
FROM (SELECT *, %s FROM (SELECT *, %s FROM (
  SELECT k.id, k.n$g AS n, %s FROM %s AS k LEFT JOIN %s AS l ON l.id = k.id WHERE k.wanted AND k.level$g < 4 AND k.id = k.fit$g)))`,
		strings.Join(out, ",\n  "), sqltext.List(med), sqltext.List(full), sqltext.List(lists), q.t("keys"), q.t("lists$g"))
}

// quantile interpolates linearly over the sorted list with z zeros put behind
// the b values that are below zero.
func quantile(p string) string {
	at := func(i string) string {
		return "CASE WHEN " + i + " < b# THEN v#[(" + i + " + 1)::BIGINT] WHEN " + i + " < b# + z# THEN 0.0 ELSE v#[(" + i +
			" - z# + 1)::BIGINT] END"
	}
	h := "((n# - 1) * " + p + "::DOUBLE)"
	return "CASE WHEN n# = 0 THEN NULL ELSE (" + at("floor("+h+")") + ") + (" + h + " - floor(" + h + ")) * ((" +
		at("ceil("+h+")") + ") - (" + at("floor("+h+")") + ")) END"
}

// result: the step's table. Its columns are entity, bucket, bucket_end; level,
// support and own of the measure that knows most; and for each measure NAME,
// NAME_level, NAME_support, NAME_own, NAME_median, NAME_mad, NAME_aad (mean
// absolute deviation from the median), NAME_mean, NAME_sd, NAME_p10 and
// NAME_p90, NAME_peak, and NAME_moved.
func (q fitSQL) result() string {
	names := make([]string, len(levelNames))
	for i, n := range levelNames {
		names[i] = sqltext.Str(n)
	}
	level := func(of string) string { return "[" + sqltext.List(names) + "][" + of + " + 1]" }
	var cols []string
	for n, g := range q.groups {
		for _, i := range g.measures {
			name := q.form.measures[i].name
			cols = append(cols, fmt.Sprintf("o.m%d AS %s", i, sqltext.Ident(name)),
				fmt.Sprintf("%s AS %s", q.peak(i), sqltext.Ident(name+"_peak")),
				fmt.Sprintf("%s AS %s", q.movedColumn(i), sqltext.Ident(name+"_moved")),
				fmt.Sprintf("%s AS %s, k.n%d AS %s, k.own%[3]d AS %[5]s", level(fmt.Sprintf("k.level%d", n)),
					sqltext.Ident(name+"_level"), n, sqltext.Ident(name+"_support"), sqltext.Ident(name+"_own")))
			for _, s := range []string{"median", "mad", "aad", "mean", "sd", "p10", "p90"} {
				cols = append(cols, fmt.Sprintf("f%d.%s%d AS %s", n, s, i, sqltext.Ident(name+"_"+s)))
			}
		}
	}
	of := func(fn, col string) string {
		return fn + "(" + sqltext.List(q.each(func(group) string { return col })) + ")"
	}
	fits := q.each(func(group) string { return "LEFT JOIN " + q.t("fit$g") + " AS f$g ON f$g.id = k.fit$g" })
	return fmt.Sprintf(`SELECT o.entity, make_timestamptz(o.bucket * %[1]d) AS bucket, make_timestamptz((o.bucket + 1) * %[1]d) AS bucket_end,
  %[2]s AS level, %[3]s AS support, %[4]s AS own,
  %[5]s
FROM (FROM %[6]s WHERE wanted) AS o
JOIN %[7]s AS k ON k.entity = o.entity AND k.s0 = o.s0 AND k.s1 = o.s1
%[8]s%[9]s`, q.form.bucket.Microseconds(), level(of("least", "k.level$g")), of("greatest", "k.n$g"), of("greatest", "k.own$g"), sqltext.List(cols), q.t("obs"), q.t("keys"),
		strings.Join(fits, "\n"), q.peaks()+q.moved())
}

// peak is the most that an entity has had in the same hour of any day. Where
// the season's slots are not yet filled, it keeps what is routine at this hour
// from looking unusual beside quieter hours.
func (q fitSQL) peak(i int) string {
	if q.form.season != seasonHourOfWeek {
		return "NULL::DOUBLE"
	}
	return fmt.Sprintf("p.m%d", i)
}

func (q fitSQL) peaks() string {
	if q.form.season != seasonHourOfWeek {
		return ""
	}
	var maxes []string
	for i := range q.form.measures {
		maxes = append(maxes, fmt.Sprintf("max(h.m%d) AS m%[1]d", i))
	}
	hour := func(b string) string { h := *q.form; h.season = seasonHourOfDay; return h.slot(b, 0) }
	return fmt.Sprintf("\nLEFT JOIN (SELECT o.entity, o.bucket, %s FROM %s AS o JOIN %s AS h ON h.entity = o.entity "+
		"AND %s = %s WHERE o.wanted GROUP BY ALL) AS p ON p.entity = o.entity AND p.bucket = o.bucket",
		sqltext.List(maxes), q.t("obs"), q.t("hist"), hour("h.bucket"), hour("o.bucket"))
}
