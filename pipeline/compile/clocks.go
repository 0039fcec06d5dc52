package compile

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lakeward/lakeward/pipeline/sqltext"
)

// clockZones stand for the clock changes that there are: a season in UTC does
// not know which of them its entities live by (ours).
func clockZones() []string {
	return []string{
		"Europe/Berlin", "America/New_York", "Australia/Sydney", "Australia/Lord_Howe", "Pacific/Auckland",
		"America/Santiago",
		"Africa/Cairo", "Africa/Casablanca",
	}
}

// clockShifts are the buckets by which routines may have moved within the
// history of a season of hours that is kept in UTC: 9 in the morning comes an
// hour later after clocks went back. With a zone of its own a season moves along.
func (f *baselineForm) clockShifts(hist Range) []int64 {
	if (f.season != seasonHourOfDay && f.season != seasonHourOfWeek) || (f.zone != "" && f.zone != "UTC") ||
		time.Hour%f.bucket != 0 {
		return nil
	}
	var out []int64
	for _, name := range clockZones() {
		zone, err := time.LoadLocation(name)
		if err != nil {
			continue // no such zone on this host: no tolerance for it
		}
		for t := hist.Start; t.Before(hist.End); {
			_, end := t.In(zone).ZoneBounds()
			if end.IsZero() || end.After(hist.End) {
				break
			}
			_, before := t.In(zone).Zone()
			_, after := end.In(zone).Zone()
			out = append(out, int64(time.Duration(before-after)*time.Second/f.bucket))
			t = end
		}
	}
	slices.Sort(out)
	return slices.DeleteFunc(slices.Compact(out), func(n int64) bool { return n == 0 })
}

func (q fitSQL) movedColumn(i int) string {
	if len(q.shifts) == 0 {
		return "NULL::DOUBLE"
	}
	return fmt.Sprintf("v.m%d", i)
}

// moved is the most that an entity has had in the slot from which a clock
// change moved its routine to the bucket's.
func (q fitSQL) moved() string {
	if len(q.shifts) == 0 {
		return ""
	}
	var maxes, slots []string
	for i := range q.form.measures {
		maxes = append(maxes, fmt.Sprintf("max(h.m%d) AS m%[1]d", i))
	}
	for _, n := range q.shifts {
		slots = append(slots, fmt.Sprintf("h.s0 = %s", q.form.slot(fmt.Sprintf("(o.bucket - (%d))", n), 0)))
	}
	return fmt.Sprintf("\nLEFT JOIN (SELECT o.entity, o.bucket, %s FROM %s AS o JOIN %s AS h ON h.entity = o.entity "+
		"AND (%s) GROUP BY ALL) AS v ON v.entity = o.entity AND v.bucket = o.bucket",
		sqltext.List(maxes), q.t("obs"), q.t("hist"), strings.Join(slots, " OR "))
}
