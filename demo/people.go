package demo

import (
	"fmt"
	"math"
	"strconv"
)

// person is one employee. Days are counted since 1970-01-01; minutes are of
// the local day.
type person struct {
	*account
	index       int
	criticality string
	role        string
	city        *city
	laptop      *device
	phone       *device
	spare       *device // nil: none
	home        *source
	vpn         *source // nil: never uses one
	veil        bool    // vpn is a consumer's, switched on by habit
	begin, end  int
	remote      float64 // share of days at home
	weekend     float64 // chance of working on a weekend day
	typo        float64
	forgetful   bool
	weight      float64 // activity relative to the mean
	joins       int
	holiday     [2]int // [from, to)
	trip        trip
	services    []string
	forced      map[int]bool // days on which the plot needs them at their desk
}

type trip struct {
	to        *city
	base      *source
	out, back int // days of the two flights; to == nil: no trip
}

// robot is a service account.
type robot struct {
	*account
	src     *source
	dev     *device
	every   int // minutes
	phase   int
	expired bool // its password ran out long ago and nobody noticed
	storms  int  // hour of the nightly retry storm; -1: none
	service string
}

var (
	firstNames = [...]string{"ada", "ben", "carla", "deniz", "elif", "femi", "greta", "hana", "igor", "june", "kofi",
		"lena", "milo", "nora", "omar", "priya", "quinn", "rosa", "sven", "tara", "uma", "viktor", "wanda", "xenia", "yusuf",
		"zoe"}
	lastNames = [...]string{"abbott", "berg", "costa", "dahl", "eriksen", "fuchs", "gomez", "haddad", "ito", "jensen",
		"kaur", "lopez", "meyer", "novak", "okafor", "patel", "quist", "rossi", "silva", "tanaka", "ueda", "varga", "weber",
		"xu", "yilmaz", "zhang"}
	services = [...]string{"mail", "chat", "wiki", "drive", "crm", "hr", "git", "ci", "tickets", "finance", "calendar",
		"vpn-portal"}
	roles = [...]string{"engineering", "sales", "support", "finance", "marketing", "operations"}
)

func newPerson(d dice, w *world, i, first, last int) *person {
	name := pick(d, firstNames[:]) + "." + pick(d, lastNames[:]) + strconv.Itoa(i)
	p := &person{account: newAccount(name, "User"), index: i, city: pick(d, w.offices), joins: first}
	p.role, p.criticality = rank(d)
	p.devices(d, i)
	p.home = p.city.atHome(d)
	p.begin = int(60 * (8.6 + d.NormFloat64()*0.8))
	p.begin = min(max(p.begin, 6*60), 11*60)
	p.end = p.begin + d.from(8*60, 9*60+30)
	p.remote = d.Float64() * 0.7
	p.weekend = 0.02 + 0.05*d.Float64()*d.Float64()
	p.typo = 0.004 + 0.02*d.Float64()*d.Float64()
	p.forgetful = d.chance(0.12)
	p.weight = math.Exp(d.NormFloat64()*0.35 - 0.06)
	switch {
	case d.chance(0.22):
		p.vpn = w.nearestVPN(p.city)
	case d.chance(0.012):
		p.vpn, p.veil = pick(d, w.veil), true
	}
	if d.chance(0.02) {
		p.joins = d.from(first, last)
	}
	if d.chance(0.18) {
		from := d.from(first, last)
		p.holiday = [2]int{from, from + d.from(3, 10)}
	}
	if d.chance(0.12) {
		p.plansTrip(d, w, first, last)
	}
	for _, at := range d.Perm(len(services))[:d.from(4, 9)] {
		p.services = append(p.services, services[at])
	}
	return p
}

func rank(d dice) (role, criticality string) {
	switch r := d.Float64(); {
	case r < 0.015:
		return "administrator", "extreme"
	case r < 0.025:
		return "executive", "extreme"
	case r < 0.13:
		return pick(d, roles[:]), "high"
	case r < 0.75:
		return pick(d, roles[:]), "medium"
	default:
		return pick(d, roles[:]), "low"
	}
}

func (p *person) devices(d dice, i int) {
	major := d.from(138, 142)
	id := fmt.Sprintf("d%05d", i)
	if d.chance(0.7) {
		p.laptop = newDevice(id+"a", "Windows 11", fmt.Sprintf("Mozilla/5.0 (Windows NT 10.0) Edg/%d", major))
	} else {
		p.laptop = newDevice(id+"a", "macOS 15", fmt.Sprintf("Mozilla/5.0 (Macintosh) Chrome/%d", major))
	}
	if d.chance(0.5) {
		p.phone = newDevice(id+"b", "iOS 19", "Mozilla/5.0 (iPhone; iOS 19) Safari/605")
	} else {
		p.phone = newDevice(id+"b", "Android 16", fmt.Sprintf("Mozilla/5.0 (Android 16) Chrome/%d", major))
	}
	if d.chance(0.15) {
		p.spare = newDevice(id+"c", "Windows 11", fmt.Sprintf("Mozilla/5.0 (Windows NT 10.0) Firefox/%d", major))
	}
}

func (p *person) plansTrip(d dice, w *world, first, last int) {
	to := pick(d, w.cities)
	if to == p.city {
		return
	}
	out := d.from(first, last)
	p.trip = trip{to: to, base: to.atHome(d), out: out, back: out + d.from(2, 7)}
}

func (p *person) away(day int) bool {
	return day < p.joins || day >= p.holiday[0] && day < p.holiday[1]
}

func (p *person) travelling(day int) bool {
	return p.trip.to != nil && day >= p.trip.out && day <= p.trip.back
}

// settled people make clear victims: no trip, holiday or VPN explains the attacker.
func (p *person) settled(first int) bool {
	return p.trip.to == nil && p.holiday[1] == 0 && p.vpn == nil && p.joins == first && p.criticality != "low"
}

// attendance is the chance that a person signs in on a day, and how much of a
// full day's activity that is.
func (p *person) attendance(day int) (chance, share float64) {
	if p.away(day) {
		return 0, 0
	}
	if p.forced[day] {
		return 1, 1
	}
	if weekend(day) {
		return p.weekend, 0.25
	}
	return 0.94, 1
}

// weekday counts from Sunday, 0; 1970-01-01 was a Thursday.
func weekday(day int) int  { return (day + 4) % 7 }
func weekend(day int) bool { return weekday(day) == 0 || weekday(day) == 6 }

func newRobot(d dice, w *world, i int) *robot {
	name := "svc-" + pick(d, services[:]) + "-" + strconv.Itoa(i)
	r := &robot{account: newAccount(name, "Service"), src: pick(d, w.clouds), storms: -1, service: pick(d, services[:])}
	r.dev = newDevice("", "", "svc-client/"+strconv.Itoa(d.from(2, 6)))
	r.every = pick(d, []int{15, 30, 60})
	r.phase = d.IntN(r.every)
	switch {
	case i%20 == 7:
		r.expired = true
	case i%20 == 13:
		r.storms = d.from(1, 4)
	}
	return r
}
