package demo

import "math"

const (
	dayMS    = 24 * 60 * minuteMS
	minuteMS = 60_000
	flightKM = 600.0 // km/h, gate to gate

	scannerPerDay = 24 * 60 / 5
)

// minute is a local minute of a day at a city, in Unix milliseconds.
func minute(day int, at *city, m float64) int64 {
	return int64(day)*dayMS + int64((m-float64(at.offset))*minuteMS)
}

// put queues a sign-in.
func (g *generator) put(e event) {
	e.seq = g.seq
	g.seq++
	g.pending = append(g.pending, e)
}

// personDay queues what one person does on one local day.
func (g *generator) personDay(p *person, day int) {
	chance, share := p.attendance(day)
	if !g.d.chance(chance) {
		return
	}
	if g.d.chance(0.1) {
		p.home = p.city.atHome(g.d) // the provider hands out another address
	}
	n := g.perDay * p.weight * share
	if p.travelling(day) && !p.forced[day] {
		g.tripDay(p, day, n)
		return
	}
	from, to := float64(p.begin)+g.d.NormFloat64()*15, float64(p.end)+g.d.NormFloat64()*20
	desk := p.city.egress
	if weekend(day) || g.d.chance(p.remote) {
		desk = p.home
	}
	if p.vpn != nil && (p.veil || desk == p.home) && g.d.chance(0.6) {
		desk = p.vpn
	}
	g.arrive(p, day, from, desk)
	g.work(p, day, p.city, desk, from+1, to, n)
	g.evening(p, day, to)
}

// arrive is the first sign-in, with a forgotten password now and then:
// on Mondays, and after a holiday.
func (g *generator) arrive(p *person, day int, at float64, desk *source) {
	odds := 0.001
	if p.forgetful && weekday(day) == 1 {
		odds = 0.3
	}
	if p.holiday[1] > 0 && (day == p.holiday[1] || day == p.holiday[1]+1) {
		odds = 0.25
	}
	t := minute(day, p.city, at)
	if g.d.chance(odds) {
		tries := g.d.from(2, 6)
		for i := range tries {
			why := badPassword
			if i >= 4 {
				why = locked
			}
			g.put(event{ms: t, who: p.account, src: desk, dev: p.laptop, service: "sso", failure: why, session: g.d.Uint64()})
			t += int64(g.d.between(8_000, 70_000))
		}
	}
	g.put(event{ms: t, who: p.account, src: desk, dev: p.laptop, service: "sso", session: g.d.Uint64(), mfa: true})
}

// work spreads n sign-ins over [from, to) local minutes.
func (g *generator) work(p *person, day int, at *city, desk *source, from, to, n float64) {
	if to-from < 10 {
		return
	}
	mobile := at.onMobile(g.d)
	session := g.d.Uint64()
	count := int(math.Round(n + g.d.NormFloat64()*math.Sqrt(n)))
	for range max(count, 1) {
		m := g.d.between(from, to)
		if m > 12*60 && m < 13*60 && g.d.chance(0.6) {
			m = g.d.between(from, to) // lunch
		}
		e := event{ms: minute(day, at, m), who: p.account, src: desk, dev: p.laptop, service: pick(g.d, p.services),
			session: session, mfa: g.d.chance(0.3)}
		switch r := g.d.Float64(); {
		case r < 0.08:
			e.dev, e.src = p.phone, mobile
		case r < 0.12 && p.spare != nil:
			e.dev = p.spare
		case r < 0.15 && g.files:
			e.class, e.service, e.session = fileActivity, fileNames[g.d.IntN(len(fileNames))], g.d.Uint64()
		}
		if e.class == signin && g.d.chance(p.typo) {
			slip := e
			slip.ms -= int64(g.d.between(4_000, 40_000))
			slip.failure = badPassword
			g.put(slip)
		}
		g.put(e)
	}
}

// evening is a look at the phone, at home or out.
func (g *generator) evening(p *person, day int, from float64) {
	for range g.d.IntN(3) {
		src := p.home
		if g.d.chance(0.3) {
			src = p.city.onMobile(g.d)
		}
		m := g.d.between(from+45, 23*60)
		g.put(event{ms: minute(day, p.city, m), who: p.account, src: src, dev: p.phone, service: "mail",
			session: g.d.Uint64()})
	}
}

// tripDay: near places are flown to between a morning and an evening of work;
// far ones take the whole day.
func (g *generator) tripDay(p *person, day int, n float64) {
	from, to := p.city, p.trip.to
	leave, reach := p.home, p.trip.base
	switch day {
	case p.trip.out:
	case p.trip.back:
		from, to, leave, reach = to, from, reach, leave
	default:
		g.work(p, day, to, reach, float64(p.begin), float64(p.end), n)
		return
	}
	km := distance(from.lat, from.lon, to.lat, to.lon)
	if km > 2000 {
		return
	}
	begin := float64(p.begin)
	g.work(p, day, from, leave, begin, begin+90, n/4)
	landed := begin + 90 + 60*(km/flightKM+3) + float64(to.offset-from.offset)
	g.work(p, day, to, reach, landed, min(landed+180, 23*60), n/4)
}

// robotDay is regular, except for those that are broken, regularly.
func (g *generator) robotDay(r *robot, day int) {
	failure := ""
	if r.expired {
		failure = expired
	}
	for m := r.phase; m < 24*60; m += r.every {
		ms := int64(day)*dayMS + int64(m)*minuteMS + int64(g.d.between(0, 9_000))
		g.put(event{ms: ms, who: r.account, src: r.src, dev: r.dev, service: r.service, failure: failure,
			session: g.d.Uint64(), batch: true})
	}
	if r.storms < 0 {
		return
	}
	ms := int64(day)*dayMS + int64(r.storms)*60*minuteMS + int64(g.d.between(5, 15)*minuteMS)
	for range g.d.from(35, 65) {
		ms += int64(g.d.between(200, 3_000))
		g.put(event{ms: ms, who: r.account, src: r.src, dev: r.dev, service: r.service, failure: badPassword,
			session: g.d.Uint64(), batch: true})
	}
}

// scannerDay is the background of the internet: one address that knocks with
// the same well-known names day and night, none of which exists.
func (g *generator) scannerDay(day int) {
	for m := 0.0; m < 24*60; m += g.d.between(3, 7) {
		ms := int64(day)*dayMS + int64(m*minuteMS)
		g.put(event{ms: ms, who: pick(g.d, g.strangers), src: g.scanner, dev: g.scannerDev, service: "sso",
			failure: unknownUser, session: g.d.Uint64()})
	}
}

var fileNames = [...]string{"plan.docx", "budget.xlsx", "notes.md", "roadmap.pptx", "contract.pdf", "photo.png",
	"minutes.docx", "design.fig"}
