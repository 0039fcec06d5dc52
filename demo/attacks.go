package demo

import (
	"fmt"
	"math"
	"slices"
)

// hook adds to what a victim did on a local day.
type hook func(own []event)

type hookKey struct{ person, day int }

// planner places the attacks. It has its own dice, so that the same innocent
// month runs with any plot.
type planner struct {
	g       *generator
	d       dice
	victims []*person
	nets    []*network
	agents  []string
	attacks []*Attack
}

// How many attacks of each kind are planted.
const (
	bursts, sprays, distributed, travels, takeovers = 8, 4, 3, 6, 3
)

func newPlanner(g *generator, d dice) *planner {
	p := &planner{g: g, d: d, nets: slices.Clone(g.w.hosting[1:]), agents: attackAgents()}
	for _, i := range d.Perm(len(g.people)) {
		if g.people[i].settled(g.first) {
			p.victims = append(p.victims, g.people[i])
		}
	}
	d.Shuffle(len(p.nets), func(i, j int) { p.nets[i], p.nets[j] = p.nets[j], p.nets[i] })
	d.Shuffle(len(p.agents), func(i, j int) { p.agents[i], p.agents[j] = p.agents[j], p.agents[i] })
	return p
}

func (p *planner) plan() {
	for i := range bursts {
		p.burst(loudness(i, bursts))
	}
	for i := range sprays {
		p.spray(loudness(i, sprays))
	}
	for i := range distributed {
		p.distributedSpray(loudness(i, distributed))
	}
	for i := range travels {
		p.travel(loudness(i, travels))
	}
	for range takeovers {
		p.takeover()
	}
}

// loudness runs from 1 (nobody could miss it) to 0 (subtle).
func loudness(i, n int) float64 { return 1 - float64(i)/float64(n-1) }

// scale is geometric between a subtle and a loud value.
func scale(loud, subtle, most float64) float64 { return subtle * math.Pow(most/subtle, loud) }

func (p *planner) open(kind, technique string, loud float64) *Attack {
	a := &Attack{ID: fmt.Sprintf("%s-%d", kind, len(p.attacks)+1), Kind: kind, Technique: technique,
		Intensity: intensity(loud)}
	p.attacks = append(p.attacks, a)
	return a
}

func intensity(loud float64) string {
	switch {
	case loud > 0.67:
		return "loud"
	case loud > 0.33:
		return "plain"
	default:
		return "subtle"
	}
}

func take[T any](from *[]T) T {
	v := (*from)[0]
	*from = (*from)[1:]
	return v
}

// rented is an address of a data centre somewhere.
func (p *planner) rented(n *network) *source {
	at := pick(p.d, p.g.w.cities)
	return newSource(n.address(p.d), n, at, at.lat, at.lon)
}

// during returns a time at a share of the month.
func (p *planner) during(from, to float64) int64 {
	return p.g.start + int64(p.d.between(from, to)*float64(p.g.end-p.g.start))
}

// span returns between lo and hi days, fewer in a month that is cut short.
func (p *planner) span(lo, hi float64) float64 {
	return p.d.between(lo, hi) * min(1, float64(p.g.end-p.g.start)/(30*dayMS))
}

func (p *planner) fail(a *Attack, ms int64, who *account, src *source, dev *device, why string) {
	p.g.put(event{ms: ms, who: who, src: src, dev: dev, attack: a, service: "sso", failure: why, session: p.d.Uint64()})
}

// burst guesses one user's password, from one address or a few (T1110.001).
func (p *planner) burst(loud float64) {
	a := p.open(KindBurst, "T1110.001", loud)
	victim := take(&p.victims)
	dev := newDevice("", "", take(&p.agents))
	at := p.g.w.abroad(p.d, victim.city.lat, victim.city.lon, 500)
	var from []*source
	for range p.d.from(1, 4) {
		from = append(from, at.atHome(p.d))
		a.from(from[len(from)-1])
	}
	tries := int(scale(loud, 22, 260) * p.d.between(0.9, 1.1))
	length := scale(loud, 40, 8) * minuteMS
	t := p.during(0.6, 0.95)
	for i := range tries {
		p.fail(a, t+int64(length*(float64(i)+p.d.Float64())/float64(tries)), victim.account, from[i%len(from)], dev,
			badPassword)
	}
	a.Keys.Users = []string{victim.name}
	a.Keys.UserAgents = []string{dev.ua}
	a.Story = fmt.Sprintf("%d passwords guessed for %s within %.0f minutes from %d address(es) in %s", tries, victim.name,
		length/minuteMS, len(from), at.name)
}

// targets returns n accounts to spray; one in twelve has left the company.
func (p *planner) targets(n int) []*account {
	var out []*account
	for _, i := range p.d.Perm(len(p.g.people))[:min(n, len(p.g.people)*2/3)] {
		who := p.g.people[i].account
		if p.d.chance(1.0 / 12) {
			who = newAccount(fmt.Sprintf("former.%d", i), "")
		}
		out = append(out, who)
	}
	return out
}

// knock tries every target once or up to most times, anywhere in [from, to).
func (p *planner) knock(a *Attack, targets []*account, most int, from, to int64, src func() *source,
	dev *device) (tries int) {
	for _, who := range targets {
		for range p.d.from(1, most) {
			t := from + int64(p.d.Float64()*float64(to-from))
			why := badPassword
			if len(who.name) > 6 && who.name[:7] == "former." {
				why = unknownUser
			}
			p.fail(a, t, who, src(), dev, why)
			tries++
		}
	}
	return tries
}

// spray tries few passwords on many users from one source over days (T1110.003).
func (p *planner) spray(loud float64) {
	a := p.open(KindSpray, "T1110.003", loud)
	src, dev := p.rented(take(&p.nets)), newDevice("", "", take(&p.agents))
	targets := p.targets(int(scale(loud, 50, 160)))
	days := p.span(5, 11)
	from := p.during(0.15, 0.55)
	tries := p.knock(a, targets, p.d.from(1, 3), from, from+int64(days*dayMS), func() *source { return src }, dev)
	a.from(src)
	a.Keys.ASNs = []int{src.net.asn}
	a.Keys.UserAgents = []string{dev.ua}
	a.Story = fmt.Sprintf("%s tried %d passwords on %d users over %.0f days", src.address(), tries, len(targets), days)
	if loud < 1 && p.d.chance(0.5) {
		p.guessed(a, from+int64(days*dayMS), src, dev)
	}
}

// guessed ends a spray with one password that was right.
func (p *planner) guessed(a *Attack, ms int64, src *source, dev *device) {
	victim := take(&p.victims)
	p.g.put(event{ms: ms, who: victim.account, src: src, dev: dev, attack: a, service: "mail", session: p.d.Uint64()})
	a.Keys.Users = append(a.Keys.Users, victim.name)
	a.Story += "; " + victim.name + "'s was right"
}

// distributedSpray does the same from many addresses that share a user agent,
// and mostly a network.
func (p *planner) distributedSpray(loud float64) {
	a := p.open(KindDistributed, "T1110.003", loud)
	nets := []*network{take(&p.nets)}
	if loud < 0.7 && loud > 0.3 {
		nets = append(nets, take(&p.nets), take(&p.nets))
	}
	dev := newDevice("", "", take(&p.agents))
	var from []*source
	for i := range p.d.from(20, 60) {
		from = append(from, p.rented(nets[i%len(nets)]))
		a.from(from[i])
	}
	for _, n := range nets {
		a.Keys.ASNs = append(a.Keys.ASNs, n.asn)
	}
	targets := p.targets(int(scale(loud, 110, 400)))
	days := p.span(5, 10)
	begin := p.during(0.2, 0.6)
	tries := p.knock(a, targets, 2, begin, begin+int64(days*dayMS), func() *source { return pick(p.d, from) }, dev)
	a.Keys.UserAgents = []string{dev.ua}
	a.Story = fmt.Sprintf("%d addresses of %d network(s), one user agent, tried %d passwords on %d users over %.0f days",
		len(from), len(nets), tries, len(targets), days)
}

// weekdays returns the working days in [from, to].
func weekdays(from, to int) []int {
	var out []int
	for day := from; day <= to; day++ {
		if !weekend(day) {
			out = append(out, day)
		}
	}
	return out
}

func (p *planner) force(v *person, day int) {
	if v.forced == nil {
		v.forced = map[int]bool{}
	}
	v.forced[day] = true
}

// travel uses a stolen session far away while its owner works (T1078).
func (p *planner) travel(loud float64) {
	a := p.open(KindTravel, "T1078", loud)
	victim := take(&p.victims)
	end := int(p.g.end / dayMS)
	day := pick(p.d, weekdays(end-12, end-2))
	p.force(victim, day)
	at := p.g.w.abroad(p.d, victim.city.lat, victim.city.lon, scale(loud, 2200, 6000))
	src := at.atHome(p.d)
	dev := victim.laptop // a replayed session has its owner's user agent
	if loud > 0.5 {
		dev = newDevice("", "", take(&p.agents))
		a.Keys.UserAgents = []string{dev.ua}
	}
	a.from(src)
	a.Keys.Users = []string{victim.name}
	a.Story = fmt.Sprintf("%s's session, of %s, was used from %s while they worked", victim.name, victim.city.name,
		at.name)
	p.g.hooks[hookKey{victim.index, day}] = func(own []event) {
		for _, t := range p.anchors(own, src, 1, scale(loud, 2500, 30_000)) {
			p.use(a, victim, src, dev, t, p.d.from(1, 5))
		}
	}
}

// anchors picks n of the victim's own sign-ins and returns when the attacker
// follows each: as long after as a body moving at kmh would need.
func (p *planner) anchors(own []event, src *source, n int, kmh float64) []int64 {
	own = slices.DeleteFunc(own, func(e event) bool { return e.class != signin || e.failure != "" })
	slices.SortFunc(own, func(a, b event) int { return int(a.ms - b.ms) })
	var out []int64
	for i := range n {
		e := own[(2*i+1)*len(own)/(2*n+2)]
		km := distance(e.src.lat, e.src.lon, src.lat, src.lon)
		out = append(out, e.ms+int64(km/kmh*60*minuteMS))
	}
	return out
}

// use signs in n times within minutes.
func (p *planner) use(a *Attack, v *person, src *source, dev *device, ms int64, n int) {
	for range n {
		p.g.put(event{ms: ms, who: v.account, src: src, dev: dev, attack: a, service: pick(p.d, services[:]),
			session: p.d.Uint64()})
		ms += int64(p.d.between(20_000, 4*minuteMS))
	}
}

// takeover is the whole chain: a spray finds the password, the user is worn
// down with prompts, the account is used from abroad for days, and emptied.
func (p *planner) takeover() {
	a := p.open(KindTakeover, "T1078", 1)
	victim := take(&p.victims)
	end := int(p.g.end / dayMS)
	days := weekdays(end-7, end-2)
	first := p.d.IntN(len(days) - 1)
	at := p.g.w.abroad(p.d, victim.city.lat, victim.city.lon, 3000)
	n := take(&p.nets)
	src := newSource(n.address(p.d), n, at, at.lat, at.lon)
	dev := newDevice("", "", take(&p.agents))
	targets := p.targets(p.d.from(40, 90))
	begin := int64(days[first])*dayMS - 4*dayMS
	p.knock(a, targets, 2, begin, begin+3*dayMS, func() *source { return src }, dev)
	a.from(src)
	a.Keys.Users = []string{victim.name}
	a.Keys.ASNs = []int{n.asn}
	a.Keys.UserAgents = []string{dev.ua}
	a.Story = fmt.Sprintf("%s sprayed %d users, wore %s down with prompts, used the account from %s for two days and "+
		"emptied its files", src.address(), len(targets), victim.name, at.name)
	for i, day := range days[first : first+2] {
		p.force(victim, day)
		p.g.hooks[hookKey{victim.index, day}] = func(own []event) {
			for j, t := range p.anchors(own, src, 3, p.d.between(8_000, 40_000)) {
				if i == 0 && j == 0 {
					p.wearDown(a, victim, src, dev, t)
				}
				p.use(a, victim, src, dev, t, p.d.from(3, 8))
				if i == 0 && j == 1 {
					p.empty(a, victim, src, dev, t)
				}
			}
		}
	}
}

// wearDown sends prompts in the quarter hour before the user gives in (T1621).
func (p *planner) wearDown(a *Attack, v *person, src *source, dev *device, ms int64) {
	for range p.d.from(25, 60) {
		p.fail(a, ms-int64(p.d.between(10_000, 15*minuteMS)), v.account, src, dev, mfaDenied)
	}
}

// empty reads everything the account can reach within the hour.
func (p *planner) empty(a *Attack, v *person, src *source, dev *device, ms int64) {
	p.use(a, v, src, dev, ms, p.d.from(10, 14))
	for range p.d.from(200, 500) {
		t := ms + int64(p.d.between(minuteMS, 50*minuteMS))
		p.g.put(event{ms: t, who: v.account, src: src, dev: dev, attack: a, class: fileActivity,
			service: pick(p.d, fileNames[:]), session: p.d.Uint64()})
	}
}

// attackAgents are clients that no employee has: scripts and old browsers.
func attackAgents() []string {
	var out []string
	for v := 61; v < 85; v++ {
		out = append(out, fmt.Sprintf("Mozilla/5.0 (X11; Linux x86_64) Chrome/%d.0", v))
	}
	return append(out, "python-requests/2.28.1", "Go-http-client/1.1", "okhttp/4.9.3", "curl/7.88.1")
}
