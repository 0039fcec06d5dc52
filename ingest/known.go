package ingest

import "time"

// known are the message ids that a source knows: those of late or, of tables
// that have a window, those of that time. Not safe for concurrent use.
type known struct {
	*printer
	recent  *recent
	windows map[time.Duration]*window
	most    int64 // bytes of a window
}

func (s *Source) newKnown() *known {
	return &known{newPrinter(), newRecent(s.o.Recent), map[time.Duration]*window{}, s.o.WindowBytes}
}

// window is that of tables which look back so long; nil if that is 0.
func (k *known) window(long time.Duration) *window {
	if long <= 0 {
		return nil
	}
	w, ok := k.windows[long]
	if !ok {
		w = newWindow(long, k.most)
		k.windows[long] = w
	}
	return w
}

// lookUp looks for a message's id among those of its table.
func (k *known) lookUp(f *feed, m *Message) (l lookedUp) {
	l.of = k.of(f.name, m.ID)
	if w := k.window(f.opts.Repeats); w != nil {
		l.at, l.known = w.lookUp(l.of, m.Published)
		return l
	}
	l.slot, l.at, l.known = k.recent.lookUp(l.of)
	return l
}

// add adds a message that lookUp has not found; nothing was added meanwhile.
func (k *known) add(f *feed, l lookedUp, at position, taken time.Time) {
	if w := k.window(f.opts.Repeats); w != nil {
		w.add(l.of, at, second(taken))
		return
	}
	k.recent.add(l.of, l.slot, at)
}

// MessageIDs are the message ids of windows that a source has in memory.
type MessageIDs struct {
	Known int
	Bytes int64
	// Window is the one that is cut shortest, to Reach, because its ids take more
	// than the memory for them; 0: none is.
	Window, Reach time.Duration
}

func (k *known) status() (st MessageIDs) {
	if k == nil {
		return st
	}
	for _, w := range k.windows {
		st.Known += w.n
		st.Bytes += w.bytes
		if reach, short := w.reach(); short && (st.Window == 0 || reach < st.Reach) {
			st.Window, st.Reach = w.long, reach
		}
	}
	return st
}
