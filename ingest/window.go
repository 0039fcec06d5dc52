package ingest

import (
	"maps"
	"math"
	"slices"
	"time"
)

// window remembers the ids of the messages that were taken within a time, each
// with where its message is and when it was taken. It grows by a quarter at a
// time and in small parts, so that it holds little more than what it needs.
// What is too old goes when its part is full; what does not fit goes earlier,
// the oldest first, and reach says so. Not safe for concurrent use.
type window struct {
	long   time.Duration
	most   int64 // bytes
	shards [windowShards]shard
	n      int
	bytes  int64
	parts  map[uint32]int // ids by when they were taken, in steps of step seconds
	step   uint32
	clock  uint32 // second of the stream: the latest that was seen
	floor  uint32 // what was taken before that second is not remembered, for want of memory; 0: all is
}

const (
	windowShards = 256
	windowParts  = 1024 // of a window's time, which are forgotten as a whole
	// windowSlack is how far clocks may differ: those of the stream's servers among
	// each other, and from that of the daemon, which says when a message was taken.
	windowSlack = time.Minute
	leastShard  = 16 // slots
	slotMemory  = 1 + 20 + 4
)

// shard holds the ids whose fingerprints end alike.
type shard struct {
	generation
	taken []uint32 // by slot: seconds since 1970
}

// newWindow remembers ids for so long, in at most so many bytes.
func newWindow(long time.Duration, most int64) *window {
	return &window{long: long, most: most, parts: map[uint32]int{}, step: max(uint32(long/time.Second/windowParts), 1)}
}

func second(t time.Time) uint32 { return uint32(min(max(t.Unix(), 0), math.MaxUint32)) }

// age is how long ids are found, in seconds.
func (w *window) age() uint32 { return uint32(min((w.long+windowSlack)/time.Second, math.MaxUint32)) }

// oldest is the second from which on ids are kept. A server's clock may be put
// back by the slack.
func (w *window) oldest() uint32 {
	if back := uint64(w.age()) + uint64(windowSlack/time.Second); uint64(w.clock) > back {
		return max(w.floor, w.clock-uint32(back))
	}
	return w.floor
}

// lookUp reports whether a message with that id was taken no longer than the
// window before another was published, and where it is.
func (w *window) lookUp(f fingerprint, published time.Time) (at position, known bool) {
	now := second(published)
	w.clock = max(w.clock, now)
	s := w.shard(f)
	slot, there := s.find(f)
	if !there || s.taken[slot] < w.floor || uint64(s.taken[slot])+uint64(w.age()) < uint64(now) {
		return 0, false
	}
	return s.slots[slot].position(), true
}

func (w *window) shard(f fingerprint) *shard { return &w.shards[f[0]%windowShards] }

// add remembers the message of an id that was taken last.
func (w *window) add(f fingerprint, at position, taken uint32) {
	if taken < w.oldest() {
		return
	}
	s := w.shard(f)
	slot, there := s.find(f)
	if there {
		if taken < s.taken[slot] || taken == s.taken[slot] && at <= s.slots[slot].position() {
			return
		}
		w.count(s.taken[slot], -1)
	} else {
		if s.full() {
			w.makeRoom(s)
			slot, _ = s.find(f)
		}
		s.n++
	}
	s.put(slot, f, at)
	s.taken[slot] = taken
	w.count(taken, 1)
}

func (s *shard) full() bool { return s.n+1 > len(s.slots)/8*7 }

func (w *window) count(taken uint32, n int) {
	w.n += n
	if w.parts[taken/w.step] += n; w.parts[taken/w.step] == 0 {
		delete(w.parts, taken/w.step)
	}
}

// makeRoom drops what is too old from a shard. If that is too little the shard
// grows or, if that is too much, the oldest go from all of them.
func (w *window) makeRoom(s *shard) {
	if w.tidy(s); !s.full() {
		return
	}
	n := slotsFor(s.n + 1)
	if w.bytes+int64(n-len(s.slots))*slotMemory > w.most && n > leastShard {
		w.shrink()
	}
	if s.full() {
		w.rebuild(s, slotsFor(s.n+1))
	}
}

// slotsFor leaves room for a quarter more.
func slotsFor(ids int) int { return max((ids*10/7+7)/8*8, leastShard) }

// tidy drops what is too old from a shard, and gives back memory that it then
// has too much of.
func (w *window) tidy(s *shard) {
	oldest, live := w.oldest(), 0
	for k, tag := range s.tags[:len(s.slots)] {
		if tag != 0 && s.taken[k] >= oldest {
			live++
		}
	}
	if live < s.n {
		w.rebuild(s, min(slotsFor(live), len(s.slots)))
	}
}

// rebuild makes a shard anew, without what is too old.
func (w *window) rebuild(s *shard, slots int) {
	old, oldest := *s, w.oldest()
	s.generation, s.taken = newGeneration(slots), make([]uint32, slots)
	for k := range old.slots {
		switch f := old.slots[k].fingerprint(old.tags[k]); {
		case old.tags[k] == 0:
		case old.taken[k] < oldest:
			w.count(old.taken[k], -1)
		default:
			i, _ := s.find(f)
			s.put(i, f, old.slots[k].position())
			s.taken[i] = old.taken[k]
			s.n++
		}
	}
	w.bytes += int64(slots-len(old.slots)) * slotMemory
}

// shrink drops what is too old and, if that is not a sixteenth of it all, the
// oldest besides.
func (w *window) shrink() {
	const part = 16
	gone, oldest := 0, w.oldest()
	for _, at := range slices.Sorted(maps.Keys(w.parts)) {
		begins := at * w.step
		if begins >= oldest && gone >= w.n/part {
			break
		}
		gone += w.parts[at]
		if begins+w.step > oldest {
			w.floor = begins + w.step
		}
	}
	for i := range w.shards {
		w.tidy(&w.shards[i])
	}
}

// reach is how far back ids are found, if that is less than the window.
func (w *window) reach() (reach time.Duration, short bool) {
	if w.floor == 0 || uint64(w.floor)+uint64(w.long/time.Second) <= uint64(w.clock) {
		return w.long, false
	}
	return time.Duration(max(w.clock, w.floor)-w.floor) * time.Second, true
}
