package worker

import (
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

const (
	watchBusy = 20 * time.Millisecond // how often memory is looked at while something runs
	watchIdle = time.Second
)

// watch looks at the owner's memory until its worker has ended, and has the end
// noted when it comes.
func (o *Owner) watch(s *started) {
	s.p.watchMemory(&o.use)
	o.mu.Lock()
	defer o.mu.Unlock()
	if f := s.p.Failed(); f != nil && o.cur == s {
		o.bury(f)
	}
}

// use counts those that use a process.
type use struct {
	n    atomic.Int64
	wake chan struct{} // holds one: the first has come
}

func newUse() use { return use{wake: make(chan struct{}, 1)} }

func (u *use) enter() {
	u.n.Add(1)
	select {
	case u.wake <- struct{}{}:
	default:
	}
}

func (u *use) leave() { u.n.Add(-1) }

// watchMemory looks at the memory of a process until that has ended: often
// while somebody uses it.
func (p *Process) watchMemory(u *use) {
	every := watchIdle
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-p.Done():
			return
		case <-u.wake:
		case <-tick.C:
		}
		p.look()
		want := watchIdle
		if u.n.Load() > 0 {
			want = watchBusy
		}
		if want != every {
			every = want
			tick.Reset(every)
		}
	}
}

// watch looks at the memory of the pool's workers, and ends those that have had
// nothing to do for long.
func (p *Pool) watch() {
	defer close(p.ended)
	every := time.NewTicker(watchIdle)
	defer every.Stop()
	busy := false
	for {
		select {
		case <-p.stop:
			return
		case <-p.wake:
		case <-every.C:
		}
		if now := p.look(); now != busy {
			busy = now
			every.Reset(map[bool]time.Duration{true: watchBusy, false: watchIdle}[busy])
		}
		if !busy {
			p.tidy()
		}
	}
}

// poke has the pool checked now rather than at the end of an idle pause.
func (p *Pool) poke() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// look checks the workers and reports whether one is busy.
func (p *Pool) look() (busy bool) {
	p.mu.Lock()
	all := slices.Clone(p.all)
	p.mu.Unlock()
	var sum int64
	var largest *pooled
	for _, w := range all {
		w.p.look()
		sum += w.p.Memory()
		p.mu.Lock()
		busy = busy || w.busy
		p.mu.Unlock()
		if largest == nil || w.p.Memory() > largest.p.Memory() {
			largest = w
		}
	}
	if p.o.Total > 0 && sum > p.o.Total && largest != nil {
		largest.p.kill(tooMuch(sum, p.o.Total))
	}
	return busy
}

// tidy ends workers that are idle for long, all but the one that was used last,
// and those that ended by themselves.
func (p *Pool) tidy() {
	p.mu.Lock()
	var gone []*pooled
	keep := len(p.idle) - 1
	p.idle = slices.DeleteFunc(p.idle, func(w *pooled) bool {
		old := time.Since(w.since) > idleFor && keep > 0 || w.p.Failed() != nil
		if old {
			keep--
			gone = append(gone, w)
		}
		return old
	})
	p.mu.Unlock()
	for _, w := range gone {
		p.drop(w)
	}
}

// locked reports whether err says that another process has the database.
func locked(err error) bool { return strings.Contains(err.Error(), "Could not set lock on file") }
