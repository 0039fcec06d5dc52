package columnar

import (
	"bytes"
	"strings"
)

// Some systems write a date into one field and the time of day into another:
// W3C extended logs, exports of tables. The two halves are told by their
// values, and find each other by their names: one has "time" where the other
// has "date". A date alone also takes the time of day that stands under a usual
// name of an event's time.

// otherHalf is the name, in lower case, of the field that has the other half of
// a time in two fields; empty if the name does not tell.
func otherHalf(name string) string {
	name = strings.ToLower(name)
	date, clock := strings.LastIndex(name, "date"), strings.LastIndex(name, "time")
	switch {
	case date >= 0 && clock < 0:
		return name[:date] + "time" + name[date+4:]
	case clock >= 0 && date < 0:
		return name[:clock] + "date" + name[clock+4:]
	}
	return ""
}

// otherHalfOf is the path of the other half of the time at path; nil if the name
// does not tell.
func otherHalfOf(path []string) []string {
	if len(path) == 0 {
		return nil
	}
	last := len(path) - 1
	other := otherHalf(path[last])
	if other == "" {
		return nil
	}
	return append(append([]string{}, path[:last]...), other)
}

// isClock tells a JSON token that is a time of day and nothing else.
func isClock(raw []byte) bool {
	if len(raw) < len(`"1:02"`) || len(raw) > maxTimeText || raw[0] != '"' || raw[1]-'0' > 9 ||
		raw[2] != ':' && raw[3] != ':' {
		return false
	}
	_, _, ok := readClock(raw)
	return ok
}

// readClock reads a JSON token such as "15:04:05.9", "3:04 PM", "15:04:05Z" or
// "150405" as the time since midnight in UTC.
func readClock(raw []byte) (at instant, zoned, ok bool) {
	if len(raw) < len(`"1:02"`) || len(raw) > maxTimeText || raw[0] != '"' {
		return at, false, false
	}
	text := bytes.TrimSpace(raw[1 : len(raw)-1])
	if len(text) >= 6 && bytes.IndexByte(text[:6], ':') < 0 {
		return compactClock(text)
	}
	w, ok := readWords(text)
	if !ok || !w.clock || w.yes || w.day >= 0 || w.year >= 0 || !w.ofDay() {
		return at, false, false
	}
	return instant{w.micros - w.offset, w.whole && w.offset == 0}, w.zoned, true
}

// compactClock reads 150405 and 150405.999.
func compactClock(text []byte) (at instant, zoned, ok bool) {
	v, ok := digits(text[:6])
	hour, minute, second := v/10000, v/100%100, v%100
	if !ok || hour > 23 || minute > 59 || second > 60 {
		return at, false, false
	}
	at = instant{((hour*60+minute)*60 + second) * 1e6, second < 60}
	if text = text[6:]; len(text) == 0 {
		return at, false, true
	}
	if text[0] != '.' && text[0] != ',' {
		return at, false, false
	}
	micros, rest, whole, ok := fraction(at.micros, text)
	return instant{micros, at.whole && whole}, false, ok && len(rest) == 0
}

// timeHalf is the other half of the time at Options.TimePath.
func (b *Batch) timeHalf() span {
	if b.timeOther == nil {
		return span{}
	}
	return find(b.s.buf, b.timeOther, true)
}

// half is the value at the usual place of the other half of the time at the place
// prio; empty if there is none.
func (b *Batch) half(prio uint8) span {
	for _, t := range b.times {
		if other := b.otherHalf[prio]; t.prio == other && other != 0 {
			return t.value
		}
	}
	return span{}
}

// withClock adds to the midnight that raw is, at the place prio, the time of day
// in its other half, or that which was passed over if raw is a date alone.
func (b *Batch) withClock(at instant, raw []byte, prio uint8) instant {
	if sum, ok := b.join(at, b.half(prio)); ok {
		return sum
	}
	if bytes.IndexByte(raw, ':') < 0 {
		if sum, ok := b.join(at, b.clockAt.value); ok {
			return sum
		}
	}
	return at
}

// dateOfClock is the time of day at clock on the date at its other half; from is
// empty if they are not a time.
func (b *Batch) dateOfClock(clock, date span) (at instant, from span) {
	if date.to == 0 {
		return at, span{}
	}
	day, v := b.parse(b.s.text(date), b.o.TimeFormat)
	if v != isTime || day.micros == 0 || day.micros%dayMicros != 0 {
		return at, span{}
	}
	if at, ok := b.join(day, clock); ok {
		b.source = b.keyBefore(date)
		return at, date
	}
	return at, span{}
}

// join adds the time of day at clock to midnight. A time of day without a zone
// is in the one that a field tz says, as an offset, or in UTC.
func (b *Batch) join(midnight instant, clock span) (instant, bool) {
	at, zoned, ok := readClock(b.s.text(clock))
	if !ok { // or there is none
		return at, false
	}
	if !zoned {
		offset := b.offsetBeside()
		at.micros, at.whole = at.micros-offset, at.whole && offset == 0
	}
	at.micros += midnight.micros
	at.whole = at.whole && midnight.whole
	if _, v := inRange(at); v != isTime {
		return at, false
	}
	b.joined = b.keyBefore(clock)
	return at, true
}

// offsetBeside is the offset in a field tz at the top, in microseconds.
func (b *Batch) offsetBeside() int64 {
	for _, name := range [...]string{"tz", "timezone", "time_zone"} {
		if v := find(b.s.buf, []string{name}, true); v.to > v.from+2 && b.s.buf[v.from] == '"' {
			if offset, ok := zone(b.s.buf[v.from+1 : v.to-1]); ok {
				return offset
			}
		}
	}
	return 0
}

// keyBefore is the text of the key of a member whose value is known.
func (b *Batch) keyBefore(value span) span {
	buf := b.s.buf
	end := bytes.LastIndexByte(buf[:value.from], '"')
	return span{bytes.LastIndexByte(buf[:max(end, 0)], '"') + 1, max(end, 0)}
}
