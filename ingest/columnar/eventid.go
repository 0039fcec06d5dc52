package columnar

import (
	"strconv"
	"strings"
)

// EventIDForm is what files record whose event ids AppendEventID made.
const EventIDForm = "2"

// An event's id is its message's: the one that the publisher gave, or one made
// of the stream's tag and the sequence, TAG-SEQ. Later events of a message end
// in #1, #2 and so on. A publisher's id that looks like either, so that it
// could be taken for another message or for a later event, ends in #0 besides.
// So the id says whose it is, whatever a publisher chooses.
const (
	eventMark = '#'
	asItIs    = "#0"
)

// AppendEventID appends the id of a message's event to dst. Made ids sort and
// share a prefix with their neighbours, so that they cost little.
func AppendEventID(dst []byte, tag string, m Meta) []byte {
	switch {
	case len(m.ID) == 0:
		dst = append(append(dst, tag...), '-')
		dst = strconv.AppendUint(dst, m.Seq, 10)
	case looksMade(m.ID, tag):
		dst = append(append(dst, m.ID...), asItIs...)
	default:
		dst = append(dst, m.ID...)
	}
	if m.Index > 0 {
		dst = strconv.AppendInt(append(dst, eventMark), int64(m.Index), 10)
	}
	return dst
}

// ParseEventID is the inverse of AppendEventID: the id that the publisher gave
// to the message, empty if it gave none, and the event's index.
func ParseEventID(eventID, tag string) (id string, index int) {
	base := eventID
	if n := trailing(base); n > 0 && n < len(base) && base[len(base)-n-1] == eventMark {
		if i, err := strconv.Atoi(base[len(base)-n:]); err == nil && i > 0 {
			base, index = base[:len(base)-n-1], i
		}
	}
	if made(base, tag) {
		return "", index
	}
	return strings.TrimSuffix(base, asItIs), index
}

// looksMade reports whether an id ends as that of a later event does, or is one
// that a message without an id could have.
func looksMade(id []byte, tag string) bool {
	n := trailing(id)
	if n == 0 || n == len(id) {
		return false
	}
	return id[len(id)-n-1] == eventMark || made(id, tag)
}

func made[T string | []byte](id T, tag string) bool {
	n := len(id) - len(tag) - 1
	return n > 0 && id[len(tag)] == '-' && string(id[:len(tag)]) == tag && trailing(id) >= n
}

// trailing is the number of digits that an id ends in.
func trailing[T string | []byte](id T) int {
	n := 0
	for n < len(id) && id[len(id)-1-n]-'0' <= 9 {
		n++
	}
	return n
}
