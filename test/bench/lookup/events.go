package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/parquetfile"
)

const (
	offices   = 400 // each behind one address
	machines  = 500 // of the users who are programs, the most active ones
	carriers  = 12  // of phones, each with a pool of shared addresses
	pool      = 2048
	lease     = 12 // days for which a home keeps its address
	sprayers  = 25 // addresses that try one password on many users, each on three days
	tail      = 2.5
	perSprays = 150 // one event in so many is of a sprayer
)

// company is who signs in from where; everything follows from the seed. Users
// are as active as a power law has it: the first of 120,000 makes about a
// hundredth of all events, half of them less than 1 in 200,000 each.
type company struct {
	users int
	days  int
	seed  uint64
}

func (c company) hash(parts ...uint64) uint64 {
	h := c.seed
	for _, p := range parts {
		h = (h ^ p) * 0x9E3779B97F4A7C15
		h ^= h >> 29
	}
	return h * 0xBF58476D1CE4E5B9 >> 11
}

func name(user int) string { return fmt.Sprintf("user%06d", user) }

func v4(a, b, c, d uint64) string {
	return netip.AddrFrom4([4]byte{byte(a), byte(b), byte(c), byte(d)}).String()
}

// office is the address that a whole office shares.
func office(n uint64) string { return v4(198, 18, n>>8, n) }

// sprayer is the address of an attacker.
func sprayer(n uint64) string { return v4(203, 0, 113, n) }

// home is a user's address at home on a day; it changes with the lease.
func (c company) home(user, day int) string {
	h := c.hash(1, uint64(user), uint64((day+user)/lease))
	return v4(24+h%60, h>>8, h>>16, h>>24)
}

// phone is the address that a carrier gives for some hours.
func (c company) phone(user, day, hour int) string {
	carrier := c.hash(2, uint64(user)) % carriers
	at := c.hash(3, uint64(user), uint64(day), uint64(hour/6)) % pool
	return v4(100, 64+carrier, at>>8, at)
}

// server is one of the few addresses of a program.
func (c company) server(user int, n uint64) string {
	h := c.hash(4, uint64(user), n%3)
	return v4(10, h, h>>8, h>>16)
}

func scalar(k tiers.Kind) tiers.Type { return tiers.Type{Kind: k} }

func field(name string, k tiers.Kind) tiers.Field { return tiers.Field{Name: name, Type: scalar(k)} }

func record(name string, fields ...tiers.Field) tiers.Field {
	return tiers.Field{Name: name, Type: tiers.Type{Kind: tiers.KindStruct, Fields: fields}}
}

func schema() tiers.Schema {
	return tiers.Schema{Fields: append(tiers.BaseFields(),
		field("class_uid", tiers.KindLong), field("status", tiers.KindString), field("status_detail", tiers.KindString),
		record("user", field("name", tiers.KindString), field("uid", tiers.KindString), field("email_addr", tiers.KindString),
			field("type", tiers.KindString)),
		record("src_endpoint", field("ip", tiers.KindString), field("port", tiers.KindLong),
			record("location", field("city", tiers.KindString), field("country", tiers.KindString),
				field("lat", tiers.KindDouble), field("long", tiers.KindDouble))),
		record("http_request", field("user_agent", tiers.KindString)), record("service", field("name", tiers.KindString)),
		field("auth_protocol", tiers.KindString), field("is_mfa", tiers.KindBool),
		record("session", field("uid", tiers.KindString)))}
}

var services = []string{"mail", "files", "chat", "crm", "build", "wiki", "vpn", "payroll"}

// hours is how many of a hundred events are in each hour of the day.
var hours = [24]int{1, 1, 1, 1, 1, 1, 2, 5, 9, 10, 9, 7, 6, 8, 9, 8, 7, 5, 3, 2, 1, 1, 1, 1}

// fill adds n sign-ins of a part of a day in the order of their time. first is
// the sequence of the first.
func (c company) fill(t *parquetfile.Table, base time.Time, day int, from, to time.Duration, first int64, n int) {
	rnd := rand.New(rand.NewPCG(c.seed, uint64(day)<<32|uint64(from/time.Minute)))
	times := make([]int64, n)
	var total int
	lo, hi := int(from/time.Hour), int(to/time.Hour)
	for h := lo; h < hi; h++ {
		total += hours[h]
	}
	for i := range times {
		at, h := rnd.IntN(total), lo
		for ; at >= hours[h]; h++ {
			at -= hours[h]
		}
		times[i] = int64(h)*3600e6 + rnd.Int64N(3600e6)
	}
	slices.Sort(times)
	w := newWriter(t)
	midnight := base.AddDate(0, 0, day).UnixMicro()
	for i, at := range times {
		w.row(c, rnd, day, int(at/3600e6), midnight+at, first+int64(i))
	}
}

// writer holds the columns, so that no name is looked up for each row.
type writer struct {
	t                                                  *parquetfile.Table
	time, ingest, seq, id, class, status, detail       *parquetfile.Column
	user, uname, uid, mail, utype                      *parquetfile.Column
	src, ip, port, loc, city, country, lat, long       *parquetfile.Column
	http, agent, service, sname, protocol, mfa, s, sid *parquetfile.Column
	buf                                                []byte
}

func newWriter(t *parquetfile.Table) *writer {
	w := &writer{t: t}
	w.time, w.ingest, w.seq, w.id = t.Column(tiers.ColTime), t.Column(tiers.ColIngestTime), t.Column(tiers.ColStreamSeq),
		t.Column(tiers.ColEventID)
	w.class, w.status, w.detail = t.Column("class_uid"), t.Column("status"), t.Column("status_detail")
	w.user = t.Column("user")
	w.uname, w.uid, w.mail, w.utype = w.user.Member("name"), w.user.Member("uid"), w.user.Member("email_addr"),
		w.user.Member("type")
	w.src = t.Column("src_endpoint")
	w.ip, w.port, w.loc = w.src.Member("ip"), w.src.Member("port"), w.src.Member("location")
	w.city, w.country, w.lat, w.long = w.loc.Member("city"), w.loc.Member("country"), w.loc.Member("lat"),
		w.loc.Member("long")
	w.http, w.service, w.s = t.Column("http_request"), t.Column("service"), t.Column("session")
	w.agent, w.sname, w.sid = w.http.Member("user_agent"), w.service.Member("name"), w.s.Member("uid")
	w.protocol, w.mfa = t.Column("auth_protocol"), t.Column("is_mfa")
	return w
}

// place is where an event comes from.
type place struct {
	ip   string
	city uint64
}

// pick draws a user, and from where they sign in.
func (c company) pick(rnd *rand.Rand, day, hour int) (user int, at place, attack bool) {
	user = int(math.Pow(rnd.Float64(), tail) * float64(c.users))
	own := c.hash(5, uint64(user)) % 200
	switch kind := rnd.IntN(100); {
	case rnd.IntN(perSprays) == 0:
		n := uint64(day/3*7+rnd.IntN(2)) % sprayers
		return rnd.IntN(c.users), place{sprayer(n), 200 + n}, true
	case user < machines:
		return user, place{c.server(user, rnd.Uint64()), own}, false
	case kind < 15:
		return user, place{c.phone(user, day, hour), own}, false
	case kind < 45 || user%5 == 0: // every fifth works at home
		return user, place{c.home(user, day), own}, false
	default:
		return user, place{office(c.hash(6, uint64(user)) % offices), own}, false
	}
}

func (w *writer) hex(v uint64) []byte {
	w.buf = strconv.AppendUint(w.buf[:0], v|1<<52, 16)
	return w.buf
}

func (w *writer) row(c company, rnd *rand.Rand, day, hour int, at, seq int64) {
	i := w.t.N
	w.t.N++
	user, from, attack := c.pick(rnd, day, hour)
	w.time.SetInt(i, at)
	w.ingest.SetInt(i, at+800_000+seq%4000)
	w.seq.SetInt(i, seq)
	w.id.SetBytes(i, w.hex(c.hash(7, uint64(seq))))
	w.class.SetInt(i, 3002)
	if attack || rnd.IntN(40) == 0 {
		w.status.SetString(i, "Failure")
		w.detail.SetString(i, "InvalidPassword")
	} else {
		w.status.SetString(i, "Success")
	}
	n := name(user)
	w.user.SetStruct(i)
	w.uname.SetString(i, n)
	w.uid.SetBytes(i, w.hex(c.hash(8, uint64(user))))
	w.mail.SetBytes(i, append(append(w.buf[:0], n...), "@example.com"...))
	w.utype.SetString(i, map[bool]string{true: "Service", false: "User"}[user < machines])
	w.src.SetStruct(i)
	w.ip.SetString(i, from.ip)
	w.port.SetInt(i, 1024+rnd.Int64N(64000))
	w.loc.SetStruct(i)
	w.city.SetBytes(i, strconv.AppendUint(append(w.buf[:0], "City "...), from.city, 10))
	w.country.SetBytes(i, strconv.AppendUint(append(w.buf[:0], 'C'), from.city%23, 10))
	w.lat.SetDouble(i, 60-float64(from.city*37%1000)/10)
	w.long.SetDouble(i, float64(from.city*91%3400)/10-170)
	w.http.SetStruct(i)
	w.agent.SetBytes(i, strconv.AppendUint(append(w.buf[:0], "Mozilla/5.0 (X11; Linux x86_64) client/"...),
		c.hash(9, uint64(user), uint64(rnd.IntN(2)))%60, 10))
	w.service.SetStruct(i)
	w.sname.SetString(i, services[rnd.IntN(len(services))])
	w.protocol.SetString(i, "OIDC")
	w.mfa.SetBool(i, rnd.IntN(3) == 0)
	w.s.SetStruct(i)
	w.sid.SetBytes(i, w.hex(c.hash(10, uint64(user), uint64(day), uint64(hour/4))))
}
