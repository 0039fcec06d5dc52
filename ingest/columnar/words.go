package columnar

import "bytes"

// The longest text that is looked at as a time.
const maxTimeText = 80

// parseText reads a time from text, in whatever form its writer has. reference
// is when the event's message was published, in microseconds: a time without a
// year is the one nearest to it. What several readers would read differently
// is not a time: abbreviations of zones other than UTC, days and months that are
// both numbers.
func parseText(text []byte, reference int64) (instant, verdict) {
	if at, v := parseISO(text); v != notTime {
		return at, v
	}
	if text = bytes.TrimSpace(text); len(text) > maxTimeText {
		return instant{}, notTime
	}
	if len(text) == 0 || string(text) == "-" || bytes.HasPrefix(text, []byte("0000-00-00")) {
		return instant{}, placeholder
	}
	for _, read := range [...]func([]byte) (instant, verdict){parseISO, parseCompact, parseNumberText, parseDateCall} {
		if at, v := read(text); v != notTime {
			return at, v
		}
	}
	return parseWords(text, reference)
}

func parseNumberText(text []byte) (instant, verdict) { return parseDigits(text, "") }

// parseCompact reads 20061102T150405.999Z, with a space or nothing in place of
// the T, or 20061102 alone.
func parseCompact(s []byte) (instant, verdict) {
	if len(s) < 8 {
		return instant{}, notTime
	}
	day, ok := digits(s[:8])
	if !ok {
		return instant{}, notTime
	}
	rest, micros := s[8:], int64(0)
	whole := true
	if len(rest) > 3 && rest[3] == ':' { // 20061102 15:04:05
		if micros, rest, whole, ok = clock(rest); !ok {
			return instant{}, notTime
		}
	} else if len(rest) > 0 {
		if rest[0] == 'T' || rest[0] == 't' || rest[0] == ' ' {
			rest = rest[1:]
		}
		if len(rest) < 4 {
			return instant{}, notTime
		}
		n := 4
		if len(rest) >= 6 && rest[4]-'0' <= 9 {
			n = 6
		}
		clock, ok := digits(rest[:n])
		if !ok {
			return instant{}, notTime
		}
		if n == 4 {
			clock *= 100
		}
		hour, minute, second := clock/10000, clock/100%100, clock%100
		if hour > 23 || minute > 59 || second > 60 {
			return instant{}, notTime
		}
		micros, rest, whole = ((hour*60+minute)*60+second)*1e6, rest[n:], second < 60
		switch {
		case len(rest) == 3 && len(s) == 17 && rest[0]-'0' <= 9: // milliseconds
			ms, ok := digits(rest)
			if !ok {
				return instant{}, notTime
			}
			micros, rest = micros+ms*1000, nil
		case len(rest) > 0 && (rest[0] == '.' || rest[0] == ','):
			var exact bool
			if micros, rest, exact, ok = fraction(micros, rest); !ok {
				return instant{}, notTime
			}
			whole = whole && exact
		}
	}
	offset, ok := zone(rest)
	if !ok {
		return instant{}, notTime
	}
	return civil(day/10000, day/100%100, day%100, micros, offset, whole)
}

// parseDateCall reads /Date(1136214245000)/ of .NET and JavaScript. The offset
// that may follow the milliseconds says how to show the time, not what it is.
func parseDateCall(s []byte) (instant, verdict) {
	s, ok1 := bytes.CutPrefix(s, []byte("/Date("))
	s, ok2 := bytes.CutSuffix(s, []byte(")/"))
	if !ok1 || !ok2 || len(s) == 0 {
		return instant{}, notTime
	}
	ms, plain := s, true
	if i := bytes.LastIndexAny(s, "+-"); i > 0 {
		if _, ok := zone(s[i:]); !ok {
			return instant{}, notTime
		}
		ms, plain = s[:i], false
	}
	at, v := parseDigits(ms, "unix_ms")
	at.whole = at.whole && plain
	return at, v
}

// worded is a time whose month has a name, as far as it was read.
type worded struct {
	s                 []byte
	year, month, day  int64
	micros, offset    int64
	hour              int64
	clock, zoned, yes bool // what was read; yes: a month was
	whole, utc        bool
	meridiem          byte // a or p; 0: none
}

// parseWords reads the forms in which the month has a name, whatever the order
// of their parts: RFC 1123 and 850, ctime, Apache's log, RFC 3164, what date
// and JavaScript print.
func parseWords(text []byte, reference int64) (instant, verdict) {
	w, ok := readWords(text)
	if !ok {
		return instant{}, notTime
	}
	return w.instant(reference)
}

// readWords reads the parts of a time, whatever their order.
func readWords(text []byte) (worded, bool) {
	if len(text) > 2 && text[0] == '[' && text[len(text)-1] == ']' {
		text = text[1 : len(text)-1]
	}
	w := worded{s: bytes.TrimLeft(text, "*"), year: -1, day: -1, whole: true}
	for len(w.s) > 0 {
		ok := true
		switch c := w.s[0]; {
		case c == ' ' || c == ',':
			w.s = w.s[1:]
		case c|0x20 >= 'a' && c|0x20 <= 'z':
			ok = w.word()
		case c-'0' <= 9:
			ok = w.number()
		case (c == '+' || c == '-') && w.clock:
			ok = w.numericZone()
		case c == '(' && w.zoned: // what people call it
			w.s = nil
		default:
			ok = false
		}
		if !ok {
			return w, false
		}
	}
	return w, true
}

// letters cuts the letters that s begins with, in lower case, four at most.
func (w *worded) letters() (word [4]byte, n int) {
	for n < len(w.s) && w.s[n]|0x20 >= 'a' && w.s[n]|0x20 <= 'z' {
		if n < len(word) {
			word[n] = w.s[n] | 0x20
		}
		n++
	}
	w.s = w.s[n:]
	return word, n
}

const monthNames = "janfebmaraprmayjunjulaugsepoctnovdec"

func (w *worded) word() bool {
	word, n := w.letters()
	switch {
	case string(word[:2]) == "am" && n == 2, string(word[:2]) == "pm" && n == 2:
		first := w.meridiem == 0 && w.clock
		w.meridiem = word[0]
		return first
	case n == 1 && word[0] == 'z', n == 2 && string(word[:2]) == "ut",
		n == 3 && (string(word[:3]) == "utc" || string(word[:3]) == "gmt"):
		first := w.clock && !w.utc
		w.utc, w.zoned = true, true
		return first
	case n < 3 || n > 9:
		return false
	}
	for i := 0; i < len(monthNames); i += 3 {
		if monthNames[i:i+3] == string(word[:3]) {
			first := !w.yes
			w.month, w.yes = int64(i/3+1), true
			return first && w.dash(n == 3 || string(word[:4]) == "sept" || n > 3 && !w.clock)
		}
	}
	switch string(word[:3]) {
	case "mon", "tue", "wed", "thu", "fri", "sat", "sun":
		if len(w.s) > 0 && w.s[0] == '.' {
			w.s = w.s[1:]
		}
		return true
	}
	return false
}

// dash passes over what joins the parts of a date.
func (w *worded) dash(ok bool) bool {
	if len(w.s) > 0 && (w.s[0] == '-' || w.s[0] == '/' || w.s[0] == '.') {
		w.s = w.s[1:]
	}
	return ok
}

func (w *worded) number() bool {
	n := 0
	for n < len(w.s) && w.s[n]-'0' <= 9 {
		n++
	}
	var next byte
	if n < len(w.s) {
		next = w.s[n]
	}
	if n <= 2 && next == ':' && !w.clock {
		return w.time(n)
	}
	v, _ := digits(w.s[:min(n, 9)])
	w.s = w.s[n:]
	joined := next == '-' || next == '/'
	switch {
	case n == 4 && w.year < 0:
		w.year = v
		if next == ':' && !w.clock { // 02/Jan/2006:15:04:05
			w.s = w.s[1:]
			return true
		}
		return w.dash(true)
	case n <= 2 && w.day < 0:
		w.day = v
		if len(w.s) > 0 && w.s[0] == '.' { // 2. Jan 2006
			w.s = w.s[1:]
			return true
		}
		if len(w.s) > 2 && (w.s[2] == ' ' || w.s[2] == ',') { // January 2nd 2006
			switch string(w.s[:2]) {
			case "st", "nd", "rd", "th":
				w.s = w.s[2:]
				return true
			}
		}
		return w.dash(true)
	case n == 2 && w.year < 0 && w.yes && !joined: // RFC 850
		if w.year = 2000 + v; v >= 70 {
			w.year = 1900 + v
		}
		return !w.clock
	}
	return false
}

// time reads 15:04:05.999 with n digits of hours.
func (w *worded) time(n int) bool {
	hour, _ := digits(w.s[:n])
	s := w.s[n+1:]
	if len(s) < 2 {
		return false
	}
	minute, ok := digits(s[:2])
	if !ok || hour > 23 || minute > 59 {
		return false
	}
	w.hour, w.micros, w.clock, s = hour, minute*60_000_000, true, s[2:]
	if len(s) >= 3 && s[0] == ':' {
		second, ok := digits(s[1:3])
		if !ok || second > 60 {
			return false
		}
		w.micros, w.whole, s = w.micros+second*1_000_000, second < 60, s[3:]
		if len(s) > 1 && (s[0] == '.' || s[0] == ',') && s[1]-'0' <= 9 {
			var exact bool
			if w.micros, s, exact, ok = fraction(w.micros, s); !ok {
				return false
			}
			w.whole = w.whole && exact
		}
	}
	w.s = s
	return len(s) == 0 || s[0]-'0' > 9 && s[0] != ':'
}

func (w *worded) numericZone() bool {
	if w.offset != 0 {
		return false
	}
	n := 1
	for n < len(w.s) && (w.s[n]-'0' <= 9 || w.s[n] == ':') {
		n++
	}
	offset, ok := numericZone(w.s[:n])
	w.offset, w.s = offset, w.s[n:]
	w.zoned = true
	return ok
}

// ofDay adds the hours to the rest of the time of day.
func (w *worded) ofDay() bool {
	if w.clock && w.meridiem != 0 {
		if w.hour < 1 || w.hour > 12 {
			return false
		}
		if w.hour %= 12; w.meridiem == 'p' {
			w.hour += 12
		}
	}
	w.micros += w.hour * 3_600_000_000
	return true
}

func (w *worded) instant(reference int64) (instant, verdict) {
	if !w.yes || w.day < 1 || !w.clock && w.year < 0 || !w.ofDay() {
		return instant{}, notTime
	}
	if w.year < 0 {
		return nearestYear(w.month, w.day, w.micros-w.offset, reference)
	}
	return civil(w.year, w.month, w.day, w.micros, w.offset, w.whole)
}

// nearestYear is a time without a year in the year that brings it nearest to
// reference. micros are those of the day, in UTC.
func nearestYear(month, day, micros, reference int64) (instant, verdict) {
	year := yearOf(reference)
	best, distance := instant{}, int64(-1)
	for y := year - 1; y <= year+1; y++ {
		if day < 1 || day > daysIn(y, month) {
			continue
		}
		at := civilDays(y, month, day)*dayMicros + micros
		d := at - reference
		if d < 0 {
			d = -d
		}
		if distance < 0 || d < distance {
			best, distance = instant{micros: at}, d
		}
	}
	if distance < 0 {
		return instant{}, notTime
	}
	return inRange(best)
}

// yearOf is the Gregorian year of a time.
func yearOf(micros int64) int64 {
	days := dayOf(micros)
	year := 1970 + days/366
	for civilDays(year+1, 1, 1) <= days {
		year++
	}
	return year
}
