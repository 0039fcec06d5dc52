package columnar

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/lakeward/lakeward/tiers"
)

// The times that an event can have: from 1970 to 2261, the last whole year
// whose nanoseconds 64 bits hold.
const (
	minTime = 0
	maxTime = 9_214_646_400_000_000 // 2262-01-01, exclusive
)

// timeAt is a value of the event that may be its time.
type timeAt struct {
	prio       uint8
	key, value span
}

// candidate remembers a value at the top that may be the event's time.
func (b *Batch) candidate(prio uint8, key, value span) {
	if prio != 0 {
		b.times = append(b.times, timeAt{prio, key, value})
	}
}

// nextTime is the candidate of the first place after prio; the first of a name
// stands. ok is false if there is none.
func (b *Batch) nextTime(prio uint8) (next timeAt, ok bool) {
	for _, t := range b.times {
		if t.prio > prio && (!ok || t.prio < next.prio) {
			next, ok = t, true
		}
	}
	return next, ok
}

// instant is a time as an event gives it.
type instant struct {
	micros int64
	whole  bool // micros and UTC say all that the text did
}

// verdict on a value that could be a time.
type verdict uint8

const (
	isTime      verdict = iota
	notTime             // of another form
	placeholder         // it stands for no time: the zero of a clock, or the end of time
	impossible          // a time that no event has
)

// Received is what the column time_source says of an event that has the time
// at which its message was published, because no time was found in it, or read.
const Received = "received"

// eventTime decides the event's time, and keeps a "time" that is not it.
func (b *Batch) eventTime(m Meta, ingest time.Time) (micros int64, reason string) {
	published := m.Published
	if published.IsZero() {
		published = ingest
	}
	b.reference = published.UnixMicro()
	b.source, b.sourceBelow, b.unread = span{}, "", noPlace
	b.clockAt, b.joined = timeAt{}, span{}
	at, from, reason := b.findTime()
	if reason != "" {
		return 0, reason
	}
	usedTime := from.to > 0 && from == b.timeRaw && b.s.buf[from.from] != '{' // an object may have more
	switch {
	case b.timeRaw.to == 0 || b.o.Mapped:
	case !usedTime:
		if b.beside(b.timeKey, b.timeRaw) == refuse {
			return 0, b.s.fault
		}
	case !at.whole:
		b.strayAt([]span{b.timeKey}, b.timeRaw, "")
	}
	if from.to > 0 {
		return at.micros, ""
	}
	if micros = b.reference; micros < minTime || micros >= maxTime {
		return 0, "impossible time of publishing " + published.UTC().Format(time.RFC3339)
	}
	b.received = true
	return micros, ""
}

// findTime returns the event's own time and where it stands; from is empty if
// the event has none.
func (b *Batch) findTime() (at instant, from span, reason string) {
	if b.timePath != nil {
		return b.configuredTime()
	}
	for t, ok := b.nextTime(0); ok; t, ok = b.nextTime(t.prio) {
		usual := &b.usual[t.prio]
		if b.s.buf[t.value.from] == '{' {
			if at, ok := b.timeBelow(t, usual); ok {
				return at, t.value, ""
			}
			continue
		}
		if usual.object {
			continue
		}
		raw := b.s.text(t.value)
		at, v := b.parse(raw, b.o.TimeFormat)
		if v == isTime && at.micros == 0 {
			v = placeholder // of a clock that was not set
		}
		switch {
		case v == isTime:
			b.source = span{t.key.from + 1, t.key.to - 1}
			if at.micros%dayMicros == 0 {
				at = b.withClock(at, raw, t.prio)
			}
			return at, t.value, ""
		case v == impossible && !usual.weak:
			return at, span{}, "impossible time " + clip(raw)
		case v == notTime && b.clockAt.prio == 0 && isClock(raw):
			b.clockAt = t
		}
		b.notRead(t.prio)
	}
	if b.clockAt.prio != 0 {
		at, from = b.dateOfClock(b.clockAt.value, b.half(b.clockAt.prio))
	}
	return at, from, ""
}

// timeBelow reads the time at a usual path within an object.
func (b *Batch) timeBelow(t timeAt, usual *usualTime) (at instant, ok bool) {
	object := b.s.text(t.value)
	for i, path := range b.below[t.prio] {
		raw := find(object, path, true)
		if raw.to == 0 {
			continue
		}
		at, v := b.parse(object[raw.from:raw.to], b.o.TimeFormat)
		if v == isTime && at.micros != 0 {
			b.source, b.sourceBelow = span{t.key.from + 1, t.key.to - 1}, usual.below[i]
			return at, true
		}
		b.notRead(t.prio)
	}
	return at, false
}

const noPlace = -1

// notRead remembers the first place at which something stood that is not a time.
func (b *Batch) notRead(prio uint8) {
	if b.unread == noPlace {
		b.unread = int(prio)
	}
}

// configuredTime reads the time at Options.TimePath. An event without it, or
// with a placeholder, has the time of publishing.
func (b *Batch) configuredTime() (at instant, from span, reason string) {
	raw := find(b.s.buf, b.timePath, true)
	if raw.to == 0 {
		return at, span{}, ""
	}
	text := b.s.text(raw)
	at, v := b.parse(text, b.o.TimeFormat)
	switch {
	case v == impossible:
		return at, span{}, "impossible time " + clip(text) + " at " + b.o.TimePath
	case v == notTime && isClock(text):
		if at, from := b.dateOfClock(raw, b.timeHalf()); from.to > 0 {
			return at, from, ""
		}
		return at, span{}, clip(text) + " at " + b.o.TimePath + " is a time of day, and no date is beside it"
	case v == placeholder, v == isTime && at.micros == 0, string(text) == `""`, string(text) == `"-"`, string(text) == "0":
		return at, span{}, ""
	case v == notTime && b.o.TimeFormat == "":
		return at, span{}, clip(text) + " at " + b.o.TimePath + " is not a time"
	case v == notTime:
		return at, span{}, clip(text) + " at " + b.o.TimePath + " is not a time of the format " + b.o.TimeFormat
	}
	if at.micros%dayMicros == 0 {
		if sum, ok := b.join(at, b.timeHalf()); ok {
			at = sum
		}
	}
	return at, raw, ""
}

// timeSource is what the column time_source says, valid until the next event.
func (b *Batch) timeSource() []byte {
	out := b.scratch[:0]
	switch {
	case b.received:
		return append(out, Received...)
	case b.timePath != nil:
		out = append(out, b.o.TimePath...)
	case b.source.to <= b.source.from:
		return append(out, b.usual[pairPrio].name...)
	case b.sourceBelow == "" && b.joined.to == 0:
		return b.s.text(b.source)
	default:
		out = append(out, b.s.text(b.source)...)
	}
	if b.sourceBelow != "" {
		out = append(append(out, '.'), b.sourceBelow...)
	}
	if b.joined.to > 0 {
		out = append(append(out, '+'), b.s.text(b.joined)...)
	}
	b.scratch = out
	return out
}

func clip(raw []byte) string {
	const most = 80
	if len(raw) <= most {
		return string(raw)
	}
	return string(bytes.ToValidUTF8(raw[:most], nil)) + "..."
}

// parse reads a JSON token as a time.
func (b *Batch) parse(raw []byte, format string) (instant, verdict) {
	if len(raw) == 0 {
		return instant{}, notTime
	}
	if raw[0] != '"' {
		if raw[0] != '-' && raw[0]-'0' > 9 {
			return instant{}, notTime
		}
		return parseUnix(raw, format)
	}
	text := raw[1 : len(raw)-1]
	if bytes.IndexByte(text, '\\') >= 0 {
		s := scanner{buf: raw}
		var exact bool
		if text, _, exact, _ = s.str(); !exact {
			return instant{}, notTime
		}
	}
	switch format {
	case "":
		return parseText(text, b.reference)
	case "rfc3339":
		return parseISO(text)
	case "unix", "unix_ms", "unix_us", "unix_ns":
		return parseDigits(text, format)
	}
	return b.parseLayout(text, format)
}

// parseLayout reads a time by a layout of the package time. Without a year in
// the layout it is the one nearest to the message's time.
func (b *Batch) parseLayout(text []byte, layout string) (instant, verdict) {
	t, err := time.Parse(layout, string(text))
	if err != nil {
		return instant{}, notTime
	}
	name, offset := t.Zone()
	if offset == 0 && name != "" && name != "UTC" && name != "GMT" {
		return instant{}, notTime // an abbreviation whose offset nobody said
	}
	whole := t.Nanosecond()%1000 == 0 && offset == 0
	if !b.layoutYear {
		return nearestYear(int64(t.Month()), int64(t.Day()),
			t.UnixMicro()-time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC).UnixMicro(), b.reference)
	}
	if y := int64(t.Year()); isEndOfTime(y, int64(t.Month()), int64(t.Day())) {
		return instant{}, placeholder
	}
	if t.Year() < 1970 || t.Year() > 2261 {
		return instant{}, impossible
	}
	return inRange(instant{t.UnixMicro(), whole})
}

// parseDigits reads a number that came as a string.
func parseDigits(text []byte, format string) (instant, verdict) {
	s := scanner{buf: text}
	if _, ok := s.number(); !ok || s.p != len(text) {
		return instant{}, notTime
	}
	return parseUnix(text, format)
}

func inRange(at instant) (instant, verdict) {
	if at.micros < minTime || at.micros >= maxTime {
		return at, impossible
	}
	return at, isTime
}

// parseUnix reads a JSON number as time since 1970. Without a format its size
// tells the unit; a number that could be anything is not a time.
func parseUnix(raw []byte, format string) (instant, verdict) {
	number := raw
	neg := raw[0] == '-'
	if neg {
		raw = raw[1:]
	}
	whole, frac, _ := bytes.Cut(raw, []byte("."))
	exponent := bytes.ContainsAny(raw, "eE")
	if unsetNumber(whole, neg, exponent) {
		return instant{}, placeholder
	}
	unit := unixUnit(format)
	if unit == 0 {
		if at, v := parseTicks(whole, frac, neg || exponent); v != notTime {
			return at, v
		}
		v, err := strconv.ParseFloat(string(number), 64)
		var ok bool
		if unit, ok = guessUnit(math.Abs(v)); err != nil || !ok {
			return instant{}, notTime
		}
	}
	if exponent || len(whole) > 19 {
		v, err := strconv.ParseFloat(string(raw), 64)
		if err != nil || neg || v*unit >= maxTime {
			return instant{}, impossible
		}
		return inRange(instant{int64(v * unit), false})
	}
	return scaled(whole, frac, unit, neg)
}

// scaled is a number of units of so many microseconds, digit by digit.
func scaled(whole, frac []byte, unit float64, neg bool) (instant, verdict) {
	w, err := strconv.ParseUint(string(whole), 10, 64)
	if err != nil || float64(w)*unit >= 2*maxTime {
		return instant{}, impossible
	}
	at := instant{whole: true}
	if unit < 1 {
		per := uint64(1 / unit)
		at.micros, at.whole = int64(w/per), w%per == 0 && len(bytes.Trim(frac, "0")) == 0
	} else {
		at.micros = int64(w) * int64(unit)
		scale := int64(unit)
		for _, c := range frac {
			if scale /= 10; scale == 0 {
				at.whole = at.whole && c == '0'
				continue
			}
			at.micros += int64(c-'0') * scale
		}
	}
	if neg && (at.micros > 0 || !at.whole) {
		return at, impossible
	}
	return inRange(at)
}

// Ticks are 100 ns. Windows counts them from 1601, .NET from the year 1.
const (
	ticks1970Windows = 116_444_736_000_000_000
	ticks1970DotNET  = 621_355_968_000_000_000
	ticksSpan        = maxTime * 10
)

// parseTicks reads what its size tells from the units since 1970: the ticks of
// Windows and .NET, and dates of 14 or 17 digits. The ticks of .NET could be
// the nanoseconds of 1989 to 1992, which nobody logs any more.
func parseTicks(whole, frac []byte, odd bool) (instant, verdict) {
	if odd || len(whole) < 14 {
		return instant{}, notTime
	}
	v, err := strconv.ParseUint(string(whole), 10, 64)
	if err != nil {
		return instant{}, notTime
	}
	exact := len(bytes.Trim(frac, "0")) == 0
	switch {
	case (len(whole) == 14 || len(whole) == 17) && whole[0] <= '2' && len(frac) == 0:
		return parseCompact(whole)
	case v >= ticks1970Windows && v-ticks1970Windows < ticksSpan:
		return inRange(instant{int64(v-ticks1970Windows) / 10, exact && v%10 == 0})
	case v >= ticks1970DotNET && v-ticks1970DotNET < ticksSpan:
		return inRange(instant{int64(v-ticks1970DotNET) / 10, exact && v%10 == 0})
	}
	return instant{}, notTime
}

// The years 1 and 9999, in seconds and milliseconds since 1970, and the last
// tick of .NET.
const (
	secondsYear1 = 62_135_596_800 // before 1970
	seconds1601  = 11_644_473_600 // before 1970
	secondsEnd   = 253_402_300_800
	lastTick     = 3_155_378_975_999_999_999
	goZeroNano   = 6_795_364_578_871_345_152 // before 1970: what Go makes of its zero time in nanoseconds
	secondsYear  = 366 * 24 * 3600
)

// unsetNumber tells a number that stands for no time: 0, -1, the year 1 or
// 1601, the year 9999.
func unsetNumber(whole []byte, neg, exponent bool) bool {
	if exponent || len(whole) > 19 {
		return false
	}
	if len(whole) == 1 {
		return whole[0] == '0' || neg && whole[0] == '1'
	}
	if len(whole) < 11 || len(whole) > 12 && len(whole) < 14 {
		return false
	}
	v, err := strconv.ParseUint(string(whole), 10, 64)
	if err != nil {
		return false
	}
	if !neg {
		ms := v / 1000
		return v <= secondsEnd && v > secondsEnd-secondsYear || ms <= secondsEnd && ms > secondsEnd-secondsYear ||
			v == lastTick || v == lastTick+1
	}
	within := func(v uint64) bool { return v <= secondsYear1 && v > secondsYear1-secondsYear || v == seconds1601 }
	return within(v) || v%1000 == 0 && within(v/1000) || v%1e6 == 0 && within(v/1e6) || v == goZeroNano
}

// unixUnit is the number of microseconds of a format's unit, 0 if it has none.
func unixUnit(format string) float64 {
	switch format {
	case "unix":
		return 1e6
	case "unix_ms":
		return 1e3
	case "unix_us":
		return 1
	case "unix_ns":
		return 1e-3
	}
	return 0
}

// guessUnit takes seconds from 1973 on, milliseconds, microseconds and
// nanoseconds; not what is smaller.
func guessUnit(v float64) (float64, bool) {
	switch {
	case v >= 1e8 && v < 1e11:
		return 1e6, true
	case v >= 1e11 && v < 1e14:
		return 1e3, true
	case v >= 1e14 && v < 1e17:
		return 1, true
	case v >= 6e17 && v < 9.2e18:
		return 1e-3, true
	}
	return 0, false
}

// declared reads a value into a column whose type only a declaration gives.
func (b *Batch) declared(n *node, slot int, c byte) outcome {
	from := b.s.p
	v, ok := b.s.skip()
	if !ok {
		return refuse
	}
	raw := b.s.text(v)
	switch n.col.Kind {
	case tiers.KindTimestamp:
		at, verdict := b.parse(raw, "")
		if verdict != isTime {
			return misfit
		}
		if !at.whole {
			b.strayAt(b.path, v, tiers.MisfitDigits)
		}
		n.col.SetInt(slot, at.micros)
		return fits
	case tiers.KindDate:
		if len(raw) != 12 || c != '"' {
			return misfit
		}
		at, verdict := parseISO(raw[1:11])
		if verdict != isTime {
			return misfit
		}
		n.col.SetInt(slot, at.micros/dayMicros)
		return fits
	case tiers.KindBinary:
		b.s.p = from
		return b.binary(n, slot, c)
	}
	panic(fmt.Sprintf("column of kind %s", n.col.Kind))
}
