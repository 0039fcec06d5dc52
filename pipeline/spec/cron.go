package spec

import (
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // time zones are part of the language, whatever the host has

	"github.com/robfig/cron/v3"
)

// Timetable gives the times of a schedule.
type Timetable struct {
	schedule cron.Schedule
	zone     *time.Location
}

// ParseSchedule reads five cron fields in a time zone (IANA name; empty: UTC).
func ParseSchedule(fields, zone string) (t Timetable, err error) {
	defer func() { // the library panics on some malformed input
		if r := recover(); r != nil {
			t, err = Timetable{}, fmt.Errorf("read schedule %q: %v", fields, r)
		}
	}()
	loc, err := time.LoadLocation(zone)
	if err != nil {
		return Timetable{}, fmt.Errorf("read time zone of schedule: %w", err)
	}
	if n := len(strings.Fields(fields)); n != 5 || strings.Contains(fields, "=") {
		return Timetable{}, fmt.Errorf("read schedule %q: it has %d fields, and five are needed", fields, n)
	}
	s, err := cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow).Parse(fields)
	if err != nil {
		return Timetable{}, fmt.Errorf("read schedule %q: %w", fields, err)
	}
	return Timetable{s, loc}, nil
}

// Next is the first time after t, in UTC; zero if there is none within five
// years. A local time that a change of clocks skips is skipped, one that it
// repeats comes twice.
func (t Timetable) Next(after time.Time) time.Time {
	next := t.schedule.Next(after.In(t.zone))
	if next.IsZero() {
		return next
	}
	return next.UTC()
}

// Timetable parses the pipeline's schedule; only for pipelines that have one.
func (p *Pipeline) Timetable() (Timetable, error) {
	return ParseSchedule(p.Schedule.Value, p.Timezone)
}
