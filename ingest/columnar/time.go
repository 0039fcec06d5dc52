package columnar

import (
	"bytes"
	"fmt"
	"math"
	"math/bits"
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

const maxTimes = 20 // more than there are usual names

// timePriority is the place of a key among the usual names of an event's time,
// from 1; 0 if it is none of them. Case does not matter.
func timePriority(name []byte) uint8 {
	if len(name) < 2 || len(name) > 18 {
		return 0
	}
	var low [18]byte
	for i, c := range name {
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		low[i] = c
	}
	switch string(low[:len(name)]) {
	case tiers.ColTime:
		return 1
	case "timestamp":
		return 2
	case "@timestamp":
		return 3
	case "eventtime":
		return 4
	case "event_time":
		return 5
	case "timegenerated":
		return 6
	case "ts":
		return 7
	case "_time":
		return 8
	case "datetime":
		return 9
	case "createddatetime":
		return 10
	case "activitydatetime":
		return 11
	case "creationtime":
		return 12
	case "utctime":
		return 13
	case "timecreated":
		return 14
	case "eventtimestamp":
		return 15
	case "event_timestamp":
		return 16
	case "published":
		return 17
	case "created_at":
		return 18
	}
	return 0
}

// candidate remembers a value at the top that may be the event's time. The
// first of a name stands.
func (b *Batch) candidate(prio uint8, raw span) {
	if prio == 0 || b.have>>prio&1 != 0 {
		return
	}
	b.have |= 1 << prio
	b.times[prio] = raw
}

// instant is a time as an event gives it.
type instant struct {
	micros int64
	whole  bool // micros and UTC say all that the text did
}

// verdict on a value that could be a time.
type verdict uint8

const (
	isTime     verdict = iota
	notTime            // of another form
	impossible         // a time that no event has
)

// eventTime decides the event's time, and keeps a "time" that is not it.
func (b *Batch) eventTime(m Meta, ingest time.Time) (micros int64, reason string) {
	at, from, reason := b.findTime()
	if reason != "" {
		return 0, reason
	}
	usedTime := from == 1 && b.timeRaw.to > 0 && b.times[1] == b.timeRaw
	if b.timeRaw.to > 0 && (!usedTime || !at.whole) {
		b.strayAt([]span{b.timeKey}, b.timeRaw, false)
	}
	if from > 0 {
		return at.micros, ""
	}
	published := m.Published
	if published.IsZero() {
		published = ingest
	}
	if micros = published.UnixMicro(); micros < minTime || micros >= maxTime {
		return 0, "impossible time of publishing " + published.UTC().Format(time.RFC3339)
	}
	return micros, ""
}

// findTime returns the event's own time; from is 0 if it has none.
func (b *Batch) findTime() (at instant, from int, reason string) {
	if b.timePath != nil {
		return b.configuredTime()
	}
	for have := b.have; have != 0; have &= have - 1 {
		prio := bits.TrailingZeros32(have)
		raw := b.s.text(b.times[prio])
		at, v := b.parse(raw, b.o.TimeFormat)
		switch v {
		case isTime:
			return at, prio, ""
		case impossible:
			return at, 0, "impossible time " + clip(raw)
		}
	}
	return instant{}, 0, ""
}

// configuredTime reads the time at Options.TimePath. An event without it has
// the time of publishing.
func (b *Batch) configuredTime() (at instant, from int, reason string) {
	raw := find(b.s.buf, b.timePath)
	if raw.to == 0 {
		return at, 0, ""
	}
	text := b.s.text(raw)
	at, v := b.parse(text, b.o.TimeFormat)
	switch {
	case v == impossible:
		return at, 0, "impossible time " + clip(text) + " at " + b.o.TimePath
	case v == notTime && b.o.TimeFormat == "":
		return at, 0, clip(text) + " at " + b.o.TimePath + " is not a time"
	case v == notTime:
		return at, 0, clip(text) + " at " + b.o.TimePath + " is not a time of the format " + b.o.TimeFormat
	}
	if b.times[1] = raw; raw == b.timeRaw {
		return at, 1, ""
	}
	return at, 2, ""
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
		if at, v := parseISO(text); v != notTime {
			return at, v
		}
		return parseDigits(text, "")
	case "rfc3339":
		return parseISO(text)
	case "unix", "unix_ms", "unix_us", "unix_ns":
		return parseDigits(text, format)
	}
	t, err := time.Parse(format, string(text))
	if err != nil {
		return instant{}, notTime
	}
	if t.Year() < 1970 || t.Year() > 2261 {
		return instant{}, impossible
	}
	_, offset := t.Zone()
	return inRange(instant{t.UnixMicro(), t.Nanosecond()%1000 == 0 && offset == 0})
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
	unit, ok := unixUnit(format), true
	if unit == 0 {
		v, err := strconv.ParseFloat(string(raw), 64)
		if unit, ok = guessUnit(math.Abs(v)); err != nil || !ok {
			return instant{}, notTime
		}
	}
	neg := raw[0] == '-'
	if neg {
		raw = raw[1:]
	}
	whole, frac, _ := bytes.Cut(raw, []byte("."))
	if bytes.ContainsAny(raw, "eE") || len(whole) > 19 {
		v, err := strconv.ParseFloat(string(raw), 64)
		if err != nil || neg || v*unit >= maxTime {
			return instant{}, impossible
		}
		return inRange(instant{int64(v * unit), false})
	}
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
// nanoseconds; not what is smaller, nor the 100 ns of Windows since 1601.
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

// find returns where the value at a path stands in a valid JSON object; a key
// may hold dots itself. Null is nothing.
func find(buf []byte, path []string) span {
	s := scanner{buf: buf}
	if s.space() != '{' {
		return span{}
	}
	s.p++
	for {
		if s.space() != '"' {
			return span{}
		}
		name, _, _, ok := s.str()
		if !ok {
			return span{}
		}
		used := matches(name, path)
		s.colon()
		c := s.space()
		v, _ := s.skip()
		switch {
		case used == len(path) && c != 'n':
			return v
		case used > 0 && used < len(path) && c == '{':
			if in := find(buf[v.from:v.to], path[used:]); in.to > 0 {
				return span{v.from + in.from, v.from + in.to}
			}
		}
		if s.space() != ',' {
			return span{}
		}
		s.p++
	}
}

// matches is the number of a path's parts that a key spells, 0 if none.
func matches(name []byte, path []string) int {
	for i, part := range path {
		if !bytes.HasPrefix(name, []byte(part)) {
			return 0
		}
		name = name[len(part):]
		if len(name) == 0 {
			return i + 1
		}
		if name[0] != '.' {
			return 0
		}
		name = name[1:]
	}
	return 0
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
			if b.inList > 0 {
				return misfit
			}
			b.strayAt(b.path, v, false)
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
