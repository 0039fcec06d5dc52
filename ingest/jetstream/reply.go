package jetstream

import (
	"bytes"
	"encoding/binary"
)

// position is what the reply subject of a message says.
type position struct {
	stream, consumer uint64
	nanos            int64
}

// replies parses the reply subjects of a connection, one a message: what
// consecutive ones begin with is compared, not parsed.
type replies struct {
	head []byte // $JS.ACK.STREAM.CONSUMER. of the last one that was of this form
}

func (r *replies) parse(s []byte) (position, bool) {
	if n := len(r.head); n > 0 && bytes.HasPrefix(s, r.head) {
		if p, ok := parseNumbers(s[n:]); ok {
			return p, true
		}
	}
	p, ok := parseReply(s)
	if r.head = r.head[:0]; ok {
		n := 0
		for range 4 {
			n += bytes.IndexByte(s[n:], '.') + 1
		}
		if _, ok := parseNumbers(s[n:]); ok {
			r.head = append(r.head, s[:n]...)
		}
	}
	return p, ok
}

// parseNumbers reads DELIVERED.SSEQ.CSEQ.NANOS.PENDING, and nothing else.
func parseNumbers(s []byte) (position, bool) {
	var n [5]uint64
	for k := range n {
		var digits int
		if n[k], digits = digitsOf(s); digits == 0 {
			return position{}, false
		}
		s = s[digits:]
		if k == len(n)-1 {
			break
		}
		if len(s) == 0 || s[0] != '.' {
			return position{}, false
		}
		s = s[1:]
	}
	return position{stream: n[1], consumer: n[2], nanos: int64(n[3])}, len(s) == 0
}

// digitsOf is the number that s begins with, and how many digits it has.
func digitsOf(s []byte) (n uint64, digits int) {
	for ; len(s)-digits >= 8; digits += 8 {
		// Eight digits at once: pairs, then fours, then all.
		w := binary.LittleEndian.Uint64(s[digits:]) ^ 0x3030303030303030
		if (w|(w+0x0606060606060606))&0xF0F0F0F0F0F0F0F0 != 0 {
			break
		}
		w = w*10 + w>>8
		w = (w&0x000000FF000000FF*0x000F424000000064 + w>>16&0x000000FF000000FF*0x0000271000000001) >> 32
		n = n*100_000_000 + w
	}
	for ; digits < len(s) && s[digits]-'0' <= 9; digits++ {
		n = n*10 + uint64(s[digits]-'0')
	}
	return n, digits
}

// parseReply reads $JS.ACK.STREAM.CONSUMER.DELIVERED.SSEQ.CSEQ.NANOS.PENDING,
// or the form that has domain and account hash after $JS.ACK and a token more
// at the end.
func parseReply[T string | []byte](s T) (position, bool) {
	const prefix = "$JS.ACK."
	if len(s) < len(prefix) || string(s[:len(prefix)]) != prefix {
		return position{}, false
	}
	dots := 0
	for i := range len(s) {
		if s[i] == '.' {
			dots++
		}
	}
	skip := 5 // tokens before SSEQ
	if dots >= 10 {
		skip = 7
	} else if dots != 8 {
		return position{}, false
	}
	i := 0
	for ; skip > 0 && i < len(s); i++ {
		if s[i] == '.' {
			skip--
		}
	}
	var n [3]uint64
	for k := range n {
		start := i
		for ; i < len(s) && s[i] != '.'; i++ {
			c := s[i] - '0'
			if c > 9 {
				return position{}, false
			}
			n[k] = n[k]*10 + uint64(c)
		}
		if i == start || i == len(s) {
			return position{}, false
		}
		i++
	}
	return position{stream: n[0], consumer: n[1], nanos: int64(n[2])}, true
}
