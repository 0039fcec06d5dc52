package columnar

import (
	"encoding/base64"
)

// parseISO reads RFC 3339 and its usual kin: a space instead of the T, a comma
// instead of the dot, slashes in the date, an offset without colon or after a
// space, UTC as a word, no offset (UTC), a date alone.
func parseISO(s []byte) (instant, verdict) {
	if len(s) > 10 && longYear(s) {
		return instant{}, impossible
	}
	if len(s) < 10 || s[4] != s[7] || (s[4] != '-' && s[4] != '/') {
		return instant{}, notTime
	}
	year, ok1 := digits(s[:4])
	month, ok2 := digits(s[5:7])
	day, ok3 := digits(s[8:10])
	if !ok1 || !ok2 || !ok3 || month < 1 {
		return instant{}, notTime
	}
	micros, rest, whole, ok := clock(s[10:])
	if !ok {
		return instant{}, notTime
	}
	offset, ok := zone(rest)
	if !ok {
		return instant{}, notTime
	}
	return civil(year, month, day, micros, offset, whole)
}

// civil is a time of a day, both in a zone that is offset ahead of UTC.
func civil(year, month, day, micros, offset int64, whole bool) (instant, verdict) {
	if month < 1 || month > 12 || day < 1 || day > daysIn(year, month) {
		return instant{}, notTime
	}
	at := instant{civilDays(year, month, day)*dayMicros + micros - offset, whole && offset == 0}
	if at.micros < minTime || at.micros >= maxTime {
		if isEndOfTime(year, month, day) {
			return at, placeholder
		}
		return at, impossible
	}
	return at, isTime
}

// isEndOfTime tells the days that stand for no time: the first and the last of
// .NET, Java and SQL, and the zeros of the clocks of Windows, OLE and NTP.
func isEndOfTime(year, month, day int64) bool {
	return year <= 1 || year == 9999 || (year == 1601 || year == 1753 || year == 1900) && month == 1 && day == 1 ||
		year == 1899 && month == 12 && day >= 30
}

// longYear tells a date whose year has five digits or more, or a sign.
func longYear(s []byte) bool {
	i := 0
	signed := s[0] == '+' || s[0] == '-'
	if signed {
		i++
	}
	from := i
	for i < len(s) && s[i]-'0' <= 9 {
		i++
	}
	if n := i - from; n < 4 || (n == 4 && !signed) || i+6 > len(s) || s[i] != '-' || s[i+3] != '-' {
		return false
	}
	_, ok1 := digits(s[i+1 : i+3])
	_, ok2 := digits(s[i+4 : i+6])
	return ok1 && ok2
}

func digits(s []byte) (v int64, ok bool) {
	for _, c := range s {
		if c-'0' > 9 {
			return 0, false
		}
		v = v*10 + int64(c-'0')
	}
	return v, true
}

// clock reads T15:04:05.999999 or nothing, in microseconds. whole is false if
// there is more to it. A leap second is the one after.
func clock(s []byte) (micros int64, rest []byte, whole, ok bool) {
	if len(s) == 0 {
		return 0, nil, true, true
	}
	if len(s) < 6 || (s[0] != 'T' && s[0] != 't' && s[0] != ' ' && s[0] != '_') || s[3] != ':' {
		return 0, nil, false, false
	}
	hour, ok1 := digits(s[1:3])
	minute, ok2 := digits(s[4:6])
	if !ok1 || !ok2 || hour > 23 || minute > 59 {
		return 0, nil, false, false
	}
	micros, s = (hour*60+minute)*60_000_000, s[6:]
	if len(s) == 0 || s[0] != ':' {
		return micros, s, true, true
	}
	if len(s) < 3 {
		return 0, nil, false, false
	}
	second, ok3 := digits(s[1:3])
	if !ok3 || second > 60 {
		return 0, nil, false, false
	}
	micros, s = micros+second*1_000_000, s[3:]
	if len(s) == 0 || (s[0] != '.' && s[0] != ',') {
		return micros, s, second < 60, true
	}
	micros, rest, whole, ok = fraction(micros, s)
	return micros, rest, whole && second < 60, ok
}

// fraction adds .999999 to a time. whole is false if there is more to it.
func fraction(micros int64, s []byte) (sum int64, rest []byte, whole, ok bool) {
	whole = true
	i, scale := 1, int64(100_000)
	for ; i < len(s) && s[i]-'0' <= 9; i++ {
		micros += int64(s[i]-'0') * scale
		whole = whole && (scale > 0 || s[i] == '0')
		scale /= 10
	}
	return micros, s[i:], whole, i > 1
}

// zone reads what follows a time of day, in microseconds ahead of UTC: Z, an
// offset, nothing, UTC as a word; before them spaces, after them what people
// call the zone. An abbreviation alone is refused: what it means depends on
// who reads it.
func zone(s []byte) (micros int64, ok bool) {
	if len(s) == 0 || (len(s) == 1 && s[0]|0x20 == 'z') {
		return 0, true
	}
	for len(s) > 0 && s[0] == ' ' {
		s = s[1:]
	}
	if n := len(s); n > 2 && (s[0] == '(' && s[n-1] == ')' || s[0] == '[' && s[n-1] == ']') {
		s = s[1 : n-1] // (UTC)
	}
	n := 0
	for n < len(s) && s[n]|0x20 >= 'a' && s[n]|0x20 <= 'z' {
		n++
	}
	if n > 0 {
		word := [3]byte{}
		if n > len(word) {
			return 0, false
		}
		for i := range n {
			word[i] = s[i] | 0x20
		}
		switch string(word[:n]) {
		case "z", "ut", "utc", "gmt":
		default:
			return 0, false
		}
		if s = s[n:]; len(s) == 0 || s[0] == '[' || s[0] == '(' || s[0] == ' ' {
			return 0, zoneName(s)
		}
	}
	n = 0
	for n < len(s) && (s[n]-'0' <= 9 || s[n] == ':' || n == 0) {
		n++
	}
	if micros, ok = numericZone(s[:n]); !ok {
		return 0, false
	}
	return micros, zoneName(s[n:])
}

// zoneName tells whether s adds nothing to an offset: nothing, a name in
// brackets, or an abbreviation, after which Go may put its monotonic clock.
func zoneName(s []byte) bool {
	if len(s) == 0 {
		return true
	}
	if s[0] == '[' || s[0] == '(' {
		return len(s) > 2 && (s[len(s)-1] == ']' || s[len(s)-1] == ')')
	}
	if s[0] != ' ' || len(s) < 2 {
		return false
	}
	if s = s[1:]; s[0] == '(' || s[0] == '[' {
		return zoneName(s)
	}
	n := 0
	for n < len(s) && s[n] >= 'A' && s[n] <= 'Z' {
		n++
	}
	rest := s[n:]
	return n <= 5 && (n > 0 && len(rest) == 0 || len(rest) > 3 && string(rest[:3]) == " m=")
}

// numericZone reads +15:04, +1504 or +15, in microseconds.
func numericZone(s []byte) (micros int64, ok bool) {
	if len(s) == 0 || (s[0] != '+' && s[0] != '-') {
		return 0, false
	}
	var hour, minute int64
	ok1, ok2 := false, true
	switch {
	case len(s) == 6 && s[3] == ':':
		hour, ok1 = digits(s[1:3])
		minute, ok2 = digits(s[4:6])
	case len(s) == 5:
		hour, ok1 = digits(s[1:3])
		minute, ok2 = digits(s[3:5])
	case len(s) == 3:
		hour, ok1 = digits(s[1:3])
	}
	if !ok1 || !ok2 || hour > 23 || minute > 59 {
		return 0, false
	}
	micros = (hour*60 + minute) * 60_000_000
	if s[0] == '-' {
		micros = -micros
	}
	return micros, true
}

func daysIn(year, month int64) int64 {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// civilDays is the number of days since 1970-01-01 in the Gregorian calendar,
// counted in eras of 400 years that begin in March.
func civilDays(year, month, day int64) int64 {
	if month <= 2 {
		year--
	}
	era := year / 400
	if year < 0 {
		era = (year - 399) / 400
	}
	yearOfEra := year - era*400
	dayOfYear := (153*((month+9)%12)+2)/5 + day - 1
	return era*146_097 + yearOfEra*365 + yearOfEra/4 - yearOfEra/100 + dayOfYear - 719_468
}

// binary reads base64 into a declared binary column.
func (b *Batch) binary(n *node, slot int, c byte) outcome {
	if c != '"' {
		b.s.skip()
		return misfit
	}
	text, _, exact, ok := b.s.str()
	if !ok {
		return refuse
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(string(text))
	if err != nil || !exact || base64.StdEncoding.EncodedLen(len(raw)) != len(text) {
		return misfit
	}
	n.col.SetBytes(slot, raw)
	return fits
}
