package eventfile

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"strconv"
)

// Event is one event of a file.
type Event struct {
	JSON   []byte // one object without line breaks; valid until the next call of Next
	File   string // as given to Open
	Member string // the file in a zip; empty otherwise
	Line   int    // at which it begins in the member, from 1
	Index  int    // its number in the member, from 1

	file       string // absolute path without .gz; empty: standard input
	hash       digest
	occurrence uint32
}

// Salt is what makes ids of equal events differ, next to their content.
type Salt struct {
	Host string // of the machine that the events are of; empty: none
	File bool   // the file's absolute path, without .gz, and the member
	Line bool   // the line at which the event begins
}

type digest [sha256.Size]byte

func hashOf(text []byte) digest { return sha256.Sum256(text) }

// Position says where the event stands, for people.
func (e Event) Position() string {
	return (&Error{File: e.File, Member: e.Member, Line: e.Line}).position()
}

// ID is a message id for publishing the event on a subject: a hash of the
// subject and the event's bytes, and which occurrence of those bytes in the
// file it is, and what the salt asks for. So equal events in one file are all
// kept, while publishing the file again repeats nothing, whatever its
// compression or the order of files; without a salt also whatever its name.
// Standard input has no name: its events are told by content, host and line.
func (e Event) ID(subject string, salt Salt) string {
	h := sha256.New()
	writeString(h, subject)
	h.Write(e.hash[:])
	part := func(name, value string) {
		writeString(h, name)
		writeString(h, value)
	}
	if salt.Host != "" {
		part("host", salt.Host)
	}
	if salt.File && e.file != "" {
		part("file", e.file)
	}
	if salt.File && e.Member != "" {
		part("member", e.Member)
	}
	if salt.Line {
		part("line", strconv.Itoa(e.Line))
	}
	id := hex.EncodeToString(h.Sum(nil)[:16])
	if e.occurrence > 1 {
		id += "." + strconv.FormatUint(uint64(e.occurrence), 10)
	}
	return id
}

func writeString(h hash.Hash, s string) {
	h.Write(binary.AppendUvarint(nil, uint64(len(s))))
	h.Write([]byte(s))
}

// occurrences counts equal events by 64 bits of their hash. Two different
// events that share them only get a higher occurrence than they need: the id
// has 128 bits of the hash itself.
type occurrences map[uint64]uint32

func (o occurrences) count(d digest) uint32 {
	k := binary.LittleEndian.Uint64(d[:])
	o[k]++
	return o[k]
}
