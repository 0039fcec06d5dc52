// Package schedule decides when pipelines run. Planning is pure: given the
// time, what has been completed and the bounds, Due lists what to run. The
// Scheduler around it owns the goroutines.
//
// Logical times follow the wall clock of the schedule's zone (default UTC).
// Where a zone changes its clocks, a time that the spring skips is not run,
// and a time that the autumn repeats is run twice, an hour apart: a run is
// known by its instant, so neither is lost or mistaken for the other.
package schedule

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // time zones are part of the language, whatever the host has

	"github.com/robfig/cron/v3"
)

// Cron is a parsed five-field schedule in a time zone. It is immutable.
type Cron struct {
	expr string
	next cron.Schedule
	zone *time.Location
}

// searchBack bounds how far Prev looks for a time: leap days are 8 years apart
// at most.
const searchBack = 9 * 366 * 24 * time.Hour

// ErrNever is a schedule of which no date ever matches.
var ErrNever = errors.New("no date ever matches")

// Parse reads five cron fields in a time zone (IANA name; empty: UTC). It is the
// one reader of schedules.
func Parse(expr, zone string) (c *Cron, err error) {
	defer func() { // the library panics on some malformed input
		if r := recover(); r != nil {
			c, err = nil, fmt.Errorf("read schedule %q: %v", expr, r)
		}
	}()
	loc, err := time.LoadLocation(zone)
	if err != nil {
		return nil, fmt.Errorf("read time zone of schedule %q: %w", expr, err)
	}
	if n := len(strings.Fields(expr)); n != 5 || strings.Contains(expr, "=") {
		return nil, fmt.Errorf("read schedule %q: it has %d fields, and five are needed", expr, n)
	}
	s, err := cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow).Parse(expr)
	if err != nil {
		return nil, fmt.Errorf("read schedule %q: %w", expr, err)
	}
	out := &Cron{expr: expr, next: s, zone: loc}
	if out.Next(time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return nil, fmt.Errorf("read schedule %q: %w", expr, ErrNever)
	}
	return out, nil
}

// String returns the expression.
func (c *Cron) String() string { return c.expr }

// Next returns the first logical time after t, in UTC, or the zero time.
func (c *Cron) Next(t time.Time) (next time.Time) {
	defer func() {
		if recover() != nil {
			next = time.Time{}
		}
	}()
	n := c.next.Next(t.In(c.zone))
	if n.IsZero() {
		return n
	}
	return n.UTC()
}

// Prev returns the last logical time before t, in UTC, or the zero time.
func (c *Cron) Prev(t time.Time) time.Time {
	for back := time.Minute; back < searchBack; back *= 4 {
		if last := c.last(t.Add(-back), t); !last.IsZero() {
			return last
		}
	}
	return c.last(t.Add(-searchBack), t)
}

// At is the last logical time not after t.
func (c *Cron) At(t time.Time) time.Time { return c.Prev(t.Add(time.Nanosecond)) }

// last is the last logical time in [from, to), or zero.
func (c *Cron) last(from, to time.Time) time.Time {
	var last time.Time
	for n := c.Next(from.Add(-time.Nanosecond)); !n.IsZero() && n.Before(to); n = c.Next(n) {
		last = n
	}
	return last
}

// First lists the logical times in (after, until], oldest first. It looks for at
// most max of them; more reports whether there are others. So it costs little
// over any span.
func (c *Cron) First(after, until time.Time, max int) (times []time.Time, more bool) {
	for n := c.Next(after); !n.IsZero() && !n.After(until); n = c.Next(n) {
		if len(times) == max {
			return times, true
		}
		times = append(times, n)
	}
	return times, false
}

// maxCounted bounds how many logical times Newest counts.
const maxCounted = 10_000

// Newest lists the newest logical times in (after, until], at most max of them,
// oldest first. dropped counts the older ones, up to 10,000.
func (c *Cron) Newest(after, until time.Time, max int) (times []time.Time, dropped int) {
	all, more := c.First(after, until, max+maxCounted)
	if cut := len(all) - max; cut > 0 {
		all, dropped = all[cut:], cut
	}
	if !more {
		return all, dropped
	}
	all = all[:0]
	for t := c.At(until); t.After(after) && len(all) < max; t = c.Prev(t) {
		all = append(all, t)
	}
	slices.Reverse(all)
	return all, maxCounted
}

// Window is the half-open interval that the run at logical time t covers: from
// the previous logical time to this one, both less settle and rounded down to
// the bucket. ok is false if t has no predecessor or the window is empty.
func (c *Cron) Window(t time.Time, settle, bucket time.Duration) (start, end time.Time, ok bool) {
	prev := c.Prev(t)
	if prev.IsZero() {
		return start, end, false
	}
	start, end = floor(prev.Add(-settle), bucket), floor(t.Add(-settle), bucket)
	return start, end, start.Before(end)
}

// floor rounds down to a multiple of d since 1970-01-01 UTC.
func floor(t time.Time, d time.Duration) time.Time {
	if d <= 0 {
		d = time.Minute
	}
	us, w := t.UnixMicro(), d.Microseconds()
	n := us / w
	if us%w < 0 {
		n--
	}
	return time.UnixMicro(n * w).UTC()
}
