// Package demo makes a believable month of sign-ins with planted attacks, and
// scores what was found against what was planted. It knows nothing of the
// detectors: no code and no threshold is shared.
package demo

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"
)

// Options bound a generation.
type Options struct {
	Seed   uint64
	End    time.Time // required; exclusive; truncated to the hour
	Days   int       // 0: 30; at least 21
	Users  int       // 0: 2000; at least 200; of them 3 in 100 are service accounts
	Events int       // 0: 1,000,000; at least so many are made, and at most a tenth more
}

func (o Options) filled() (Options, error) {
	o.Days, o.Users, o.Events = cmp.Or(o.Days, 30), cmp.Or(o.Users, 2000), cmp.Or(o.Events, 1_000_000)
	o.End = o.End.UTC().Truncate(time.Hour)
	var errs []error
	if o.End.IsZero() {
		errs = append(errs, errors.New("end is missing: give the end of the month to make"))
	}
	if o.Days < 21 {
		errs = append(errs, fmt.Errorf("days %d: at least 21, so that there is a usual week to compare with", o.Days))
	}
	if o.Users < 200 {
		errs = append(errs, fmt.Errorf("users %d: at least 200, so that sprays have targets", o.Users))
	}
	if least := o.Users * o.Days * 6; o.Events < least {
		errs = append(errs, fmt.Errorf("events %d: at least %d for so many users and days", o.Events, least))
	}
	return o, errors.Join(errs...)
}

// generator is one run. Everything hangs on the order in which d is asked.
type generator struct {
	d          dice
	w          *world
	start, end int64 // Unix milliseconds
	first      int   // the local day before start
	last       int   // the local day after end
	perDay     float64
	people     []*person
	robots     []*robot
	strangers  []*account
	scanner    *source
	scannerDev *device
	files      bool
	hooks      map[hookKey]hook
	pending    []event
	seq        uint64
	prefix     string
	emitted    int
	limit      int // 0: none
	emit       Emit
	slab       []byte
}

// Generate emits the month in order of time. It is deterministic for equal
// options; about a tenth of the attacks' details depend on what their victims do.
func Generate(o Options, emit Emit) (Truth, error) {
	o, err := o.filled()
	if err != nil {
		return Truth{}, fmt.Errorf("demo options: %w", err)
	}
	innocent := o
	innocent.Events -= 3500 // what the attacks and identities come to, about
	g := newGenerator(innocent, emit)
	g.files = true
	p := newPlanner(g, newDice(o.Seed, 0xA77AC4))
	p.plan()
	g.identities()
	g.networks()
	if err := g.run(); err != nil {
		return Truth{}, fmt.Errorf("emit demo event %d: %w", g.emitted, err)
	}
	return g.truth(o, p.attacks), nil
}

// errEnough ends a run that has emitted its limit.
var errEnough = errors.New("enough")

// SigninBench emits exactly n plain sign-ins of 60 days, without attacks, in
// order of time. It is the same for the same n and seed.
func SigninBench(n int, seed uint64, emit Emit) error {
	end := time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC)
	users := min(max(n/1000, 40), 20_000)
	g := newGenerator(Options{Seed: seed, End: end, Days: 60, Users: users, Events: n + n/50}, emit)
	g.limit = n
	if n <= 0 {
		return nil
	}
	if err := g.run(); err != nil && !errors.Is(err, errEnough) {
		return fmt.Errorf("emit sign-in %d: %w", g.emitted, err)
	}
	if g.emitted < n {
		return fmt.Errorf("made %d sign-ins of %d: ask for more", g.emitted, n)
	}
	return nil
}

func newGenerator(o Options, emit Emit) *generator {
	g := &generator{d: newDice(o.Seed, 0x1A4E), emit: emit, hooks: map[hookKey]hook{}}
	g.w = newWorld(g.d)
	g.end = o.End.UnixMilli()
	g.start = g.end - int64(o.Days)*dayMS
	g.first, g.last = int(g.start/dayMS)-1, int(g.end/dayMS)+1
	g.prefix = fmt.Sprintf("%x-%x-", o.Seed, g.start/3_600_000)
	robots := max(o.Users*3/100, 1)
	for i := range o.Users - robots {
		g.people = append(g.people, newPerson(g.d, g.w, i, g.first, g.last))
	}
	for i := range robots {
		g.robots = append(g.robots, newRobot(g.d, g.w, i))
	}
	for _, name := range []string{"admin", "root", "test", "guest", "oracle", "backup", "ftp", "user"} {
		g.strangers = append(g.strangers, newAccount(name, ""))
	}
	nuisance := g.w.hosting[0]
	at := pick(g.d, g.w.cities)
	g.scanner = newSource(nuisance.address(g.d), nuisance, at, at.lat, at.lon)
	g.scannerDev = newDevice("", "", "masscan/1.3")
	g.perDay = g.calibrate(o.Events)
	return g
}

// calibrate returns the sign-ins of a mean person on a full day for which the
// month comes to the wanted number. The two cut days at the ends count once.
func (g *generator) calibrate(events int) float64 {
	var shares, extras float64
	for day := g.first + 2; day <= g.last-1; day++ {
		if day == g.last-1 && weekend(g.first+1) {
			continue // the part of a full day that is left may be small
		}
		for _, p := range g.people {
			chance, share := p.attendance(day)
			shares += chance * share * p.weight
			extras += chance * 2
		}
	}
	whole := float64(g.end-g.start) / dayMS
	extras += whole * scannerPerDay
	for _, r := range g.robots {
		extras += whole * 24 * 60 / float64(r.every)
	}
	return max((float64(events)*1.035-extras)/max(shares, 1), 1)
}

// networks says once, at the start, which networks the company allows: its own
// VPN, and the consumer's that some employees use with its consent.
func (g *generator) networks() {
	for _, s := range []*source{g.w.vpn[0], g.w.veil[0]} {
		text := fmt.Appendf(nil, `"number":%d,"name":%q,"purpose":"vpn"`, s.net.asn, s.net.name)
		g.put(event{ms: g.start, class: networkRow, who: &account{name: s.net.name, json: text}})
	}
}

// identities says once, at the start, who everybody is.
func (g *generator) identities() {
	row := func(a *account, role, criticality string) {
		text := slices.Concat(a.json, []byte(`,"role":"`+role+`","criticality":"`+criticality+`"`))
		g.put(event{ms: g.start, class: identityRow, who: &account{name: a.name, json: text}})
	}
	for _, p := range g.people {
		row(p.account, p.role, p.criticality)
	}
	for _, r := range g.robots {
		row(r.account, "service", "medium")
	}
}

// run makes one local day after the other and emits what can no longer be
// preceded: a local day begins at most 14 hours before the same day in UTC.
func (g *generator) run() error {
	for day := g.first; day <= g.last; day++ {
		for _, p := range g.people {
			from := len(g.pending)
			g.personDay(p, day)
			if h, ok := g.hooks[hookKey{p.index, day}]; ok {
				h(slices.Clone(g.pending[from:]))
			}
		}
		for _, r := range g.robots {
			g.robotDay(r, day)
		}
		g.scannerDay(day)
		if err := g.flush(int64(day+1)*dayMS - 14*60*minuteMS); err != nil {
			return err
		}
	}
	return g.flush(math.MaxInt64)
}

func (g *generator) flush(until int64) error {
	slices.SortFunc(g.pending, func(a, b event) int {
		if a.ms != b.ms {
			return cmp.Compare(a.ms, b.ms)
		}
		return cmp.Compare(a.seq, b.seq)
	})
	done := 0
	for ; done < len(g.pending) && g.pending[done].ms < until; done++ {
		if e := &g.pending[done]; e.ms >= g.start && e.ms < g.end {
			if err := g.send(e); err != nil {
				return err
			}
		}
	}
	g.pending = g.pending[:copy(g.pending, g.pending[done:])]
	return nil
}

func (g *generator) send(e *event) error {
	if g.limit > 0 && g.emitted == g.limit {
		return errEnough
	}
	if cap(g.slab)-len(g.slab) < 2048 {
		g.slab = make([]byte, 0, 1<<18)
	}
	id := g.prefix + strconv.FormatInt(int64(g.emitted), 36)
	from := len(g.slab)
	g.slab = e.append(g.slab, id)
	text := g.slab[from:len(g.slab):len(g.slab)]
	at := time.UnixMilli(e.ms).UTC()
	if e.attack != nil {
		e.attack.saw(at)
	}
	g.emitted++
	return g.emit(e.subject(), id, at, text)
}

func (g *generator) truth(o Options, attacks []*Attack) Truth {
	t := Truth{
		Seed: o.Seed, Start: time.UnixMilli(g.start).UTC(), End: o.End,
		Users: o.Users, Events: g.emitted, Attacks: attacks,
	}
	t.Known = append(t.Known, KnownNetwork{g.w.vpn[0].net.asn, g.w.vpn[0].net.name, "the company's own VPN"})
	t.Known = append(t.Known, KnownNetwork{g.w.veil[0].net.asn, g.w.veil[0].net.name,
		"a consumer VPN that some employees use"})
	for _, c := range g.w.offices {
		t.Known = append(t.Known, KnownNetwork{c.egress.net.asn, c.egress.net.name, "office"})
	}
	for _, c := range g.w.cities {
		t.Known = append(t.Known, KnownNetwork{c.mobile.asn, c.mobile.name,
			"mobile carrier, whose gateways may be far from its customers"})
	}
	return t
}
