package format

import (
	"bytes"
	"errors"
	"strconv"

	"github.com/lakeward/lakeward/ingest/eventfile"
)

// errSyslog is a line without the priority or time that begins a syslog message.
var errSyslog = errors.New("not syslog: it begins neither <PRIORITY>, a number of 0 to 191, nor with a time")

// The keywords of RFC 5424, by number.
var (
	facilities = [...]string{"kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv",
		"ftp",
		"ntp", "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7"}
	severities = [...]string{"emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"}
)

// appendSyslog reads a message of RFC 5424, or of RFC 3164 as it is found: with
// or without year, host and tag. A time without a year or a zone stays as it
// was sent; `time_assumed` says what the event's time then rests on. What is
// CEF or LEEF is read as such. Files have no priority: there a line begins with
// its time.
func appendSyslog(o *object, line []byte) error {
	priority, rest, ok := cutPriority(line)
	if !ok {
		if at, _, _ := cutTime(line); len(at) == 0 || !bytes.ContainsRune(at, ':') {
			return errSyslog
		}
		return append3164(o, line) // as files have it
	}
	o.number("priority", priority)
	o.text("facility", []byte(facilities[priority/8]))
	o.text("severity_label", []byte(severities[priority%8]))
	if version, after, ok := bytes.Cut(rest, []byte(" ")); ok && len(version) == 1 && version[0] == '1' {
		return append5424(o, after)
	}
	return append3164(o, rest)
}

// isSyslog tells by the priority, or by how lines of a file begin.
func isSyslog(data []byte) bool {
	if _, _, ok := cutPriority(data); ok || eventfile.IsSyslogLine(data) {
		return true
	}
	// A count of bytes may come first.
	i := bytes.IndexByte(data[:min(len(data), 8)], ' ')
	if i <= 0 {
		return false
	}
	for _, c := range data[:i] {
		if c-'0' > 9 {
			return false
		}
	}
	_, _, ok := cutPriority(data[i+1:])
	return ok
}

// mostPriority is 23 * 8 + 7: facility local7, severity debug.
const mostPriority = 191

func cutPriority(line []byte) (priority int, rest []byte, ok bool) {
	end := bytes.IndexByte(line[:min(len(line), len("<191>"))], '>')
	if end < 2 || line[0] != '<' {
		return 0, nil, false
	}
	n, err := strconv.ParseUint(string(line[1:end]), 10, 8)
	return int(n), line[end+1:], err == nil && n <= mostPriority
}

// append5424 reads what follows the version: TIMESTAMP HOSTNAME APP-NAME PROCID
// MSGID STRUCTURED-DATA [MSG].
func append5424(o *object, rest []byte) error {
	for _, name := range [...]string{"timestamp", "host", "app", "procid", "msgid"} {
		var part []byte
		if part, rest = cutBlank(rest); len(part) > 0 && string(part) != "-" {
			o.text(name, part)
		}
	}
	rest, err := appendStructured(o, rest)
	if err != nil {
		return err
	}
	appendMessage(o, bytes.TrimPrefix(bytes.TrimLeft(rest, " "), []byte("\xef\xbb\xbf")))
	return nil
}

var errStructured = errors.New("not syslog: structured data ([id name=\"value\"]) is not closed")

// appendStructured reads structured data: an object of the elements' objects.
func appendStructured(o *object, rest []byte) ([]byte, error) {
	if len(rest) == 0 || rest[0] != '[' {
		return bytes.TrimPrefix(rest, []byte("-")), nil
	}
	o.enter("structured_data")
	for len(rest) > 0 && rest[0] == '[' {
		n := bytes.IndexAny(rest, " ]")
		if n < 0 {
			return nil, errStructured
		}
		o.enter(string(rest[1:n]))
		rest = rest[n:]
		for {
			rest = bytes.TrimLeft(rest, " ")
			if len(rest) == 0 {
				return nil, errStructured
			}
			if rest[0] == ']' {
				rest = rest[1:]
				break
			}
			eq := bytes.IndexByte(rest, '=')
			if eq < 0 || eq+1 >= len(rest) || rest[eq+1] != '"' {
				return nil, errStructured
			}
			value, after, ok := upTo(rest[eq+2:], '"', `"\]`)
			if !ok {
				return nil, errStructured
			}
			o.bytes(rest[:eq], value)
			rest = after
		}
		o.leave()
	}
	o.leave()
	return rest, nil
}

// append3164 reads TIMESTAMP HOSTNAME TAG[PID]: MESSAGE, of which each may be
// missing before the message.
func append3164(o *object, rest []byte) error {
	rest = bytes.TrimLeft(rest, " ")
	at, after, assumed := cutTime(rest)
	if len(at) > 0 {
		o.text("timestamp", at)
		if assumed != "" {
			o.text("time_assumed", []byte(assumed))
		}
		rest = after
		if host, after := cutBlank(rest); len(host) > 0 && !isTag(host) && len(after) > 0 {
			o.text("host", host)
			rest = after
		}
	}
	if tag, after := cutBlank(rest); isTag(tag) {
		app, pid := cutPID(bytes.TrimSuffix(tag, []byte(":")))
		o.text("app", app)
		if len(pid) > 0 {
			o.text("procid", pid)
		}
		rest = after
	}
	appendMessage(o, rest)
	return nil
}

// isTag tells NAME: or NAME[PID]: from a host or a word.
func isTag(word []byte) bool {
	return len(word) > 1 && word[len(word)-1] == ':' && !bytes.HasPrefix(word, []byte("CEF:")) &&
		!bytes.HasPrefix(word, []byte("LEEF:"))
}

func cutPID(tag []byte) (app, pid []byte) {
	i := bytes.IndexByte(tag, '[')
	if i <= 0 || tag[len(tag)-1] != ']' {
		return tag, nil
	}
	return tag[:i], tag[i+1 : len(tag)-1]
}

// cutTime cuts off the time that begins a message: Mmm dd hh:mm:ss, perhaps
// with a year and a zone as Cisco writes it, or ISO 8601. assumed is what it
// does not say itself.
func cutTime(text []byte) (at, rest []byte, assumed string) {
	if len(text) >= len("2006-01-02T15:04:05") && text[4] == '-' && (text[10] == 'T' || text[10] == ' ') {
		word, after := cutBlank(text)
		if text[10] == ' ' {
			word, after = text[:19], text[19:]
			return word, bytes.TrimLeft(after, " "), "zone"
		}
		if last := word[len(word)-1]; last == 'Z' || bytes.LastIndexAny(word, "+-") > len("2006-01-02") {
			return word, after, ""
		}
		return word, after, "zone"
	}
	const stamp = "Jan _2 15:04:05"
	text = bytes.TrimLeft(text, "*.") // Cisco: the clock is not synchronised
	if len(text) < len(stamp) || !isMonth(text[:3]) || text[3] != ' ' {
		return nil, text, ""
	}
	if yearAt := bytes.IndexByte(text[4:], ' '); yearAt > 0 && len(text) >= 4+yearAt+1+4+1+8 &&
		isYear(text[5+yearAt:9+yearAt]) {
		end := 4 + yearAt + 1 + 4 + 1 + 8 // Mmm dd yyyy hh:mm:ss
		return text[:end], bytes.TrimLeft(text[end:], " :"), "zone"
	}
	if text[6] != ' ' || text[9] != ':' || text[12] != ':' {
		return nil, text, ""
	}
	end := len(stamp)
	if end < len(text) && text[end] == '.' {
		for end++; end < len(text) && text[end]-'0' <= 9; end++ {
		}
	}
	return text[:end], bytes.TrimLeft(text[end:], " :"), "year, zone"
}

func isMonth(name []byte) bool {
	return bytes.Contains([]byte("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec"), name) && name[0] != ' ' &&
		name[2] != ' ' && name[1] != ' '
}

func isYear(text []byte) bool {
	return len(text) == 4 && (text[0] == '1' || text[0] == '2') && text[1]-'0' <= 9 && text[2]-'0' <= 9 && text[3]-'0' <= 9
}

func cutBlank(text []byte) (word, rest []byte) {
	word, rest, _ = bytes.Cut(text, []byte(" "))
	return word, bytes.TrimLeft(rest, " ")
}

// appendMessage appends the text of a message, or what a security product put
// there.
func appendMessage(o *object, text []byte) {
	text = bytes.TrimRight(text, " \t")
	switch {
	case len(text) == 0:
	case bytes.HasPrefix(text, []byte("CEF:")) && bytes.Count(text, []byte("|")) >= len(cefHeader)-1 &&
		appendCEF(o, text) == nil:
	case bytes.HasPrefix(text, []byte("LEEF:")) && bytes.Count(text, []byte("|")) >= len(leefHeader) &&
		appendLEEF(o, text) == nil:
	default:
		o.text("message", text)
	}
}
