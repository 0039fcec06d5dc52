package demo

import (
	"math"
	"math/rand/v2"
)

// dice is one deterministic source of chance.
type dice struct{ *rand.Rand }

func newDice(seed, stream uint64) dice { return dice{rand.New(rand.NewPCG(seed, stream))} }

func (d dice) chance(p float64) bool { return d.Float64() < p }

// between returns a value in [lo, hi).
func (d dice) between(lo, hi float64) float64 { return lo + (hi-lo)*d.Float64() }

// from returns a whole number in [lo, hi].
func (d dice) from(lo, hi int) int { return lo + d.IntN(hi-lo+1) }

func pick[T any](d dice, of []T) T { return of[d.IntN(len(of))] }

// city is a place with an access provider, a mobile carrier and perhaps an
// office. offset is minutes east of UTC in November.
type city struct {
	name, country string
	lat, lon      float64
	offset        int
	hub           [2]float64 // where its mobile carrier's gateway is thought to be
	office        bool
	home, mobile  *network
	egress        *source // of the office
}

// network is one autonomous system with its own block of addresses. Numbers
// are of the private range and addresses of the shared and benchmarking
// ranges (RFC 6996, 6598, 2544), so that nobody real is accused.
type network struct {
	asn  int
	name string
	base uint32
	mask uint32 // size - 1
}

func (n *network) address(d dice) uint32 { return n.base | d.Uint32()&n.mask }

// source is where a sign-in comes from, rendered once.
type source struct {
	ip       uint32
	net      *network
	at       *city
	lat, lon float64
	json     []byte
}

// device is what a user signs in with, rendered once.
type device struct {
	ua   string
	json []byte
}

// world is everything that exists before anybody signs in.
type world struct {
	offices []*city // where people work
	cities  []*city // all
	vpn     []*source
	veil    []*source  // exits of a consumer VPN
	hosting []*network // data centres for rent
	clouds  []*source  // where service accounts run
	next    int        // number of the next network
}

func newWorld(d dice) *world {
	w := &world{next: 64512}
	for i := range geography {
		c := geography[i]
		c.home = w.network(c.name+" Broadband", 0x6440_0000+uint32(i)<<15, 0x7fff)
		c.mobile = w.network(c.country+" Mobile "+c.name, 0x6450_0000+uint32(i)<<12, 0x3f)
		w.cities = append(w.cities, &c)
		if c.office {
			site := w.network("Fjordline "+c.name, 0xC612_0000+uint32(i)<<8, 0xff)
			c.egress = newSource(site.base|10, site, &c, c.lat, c.lon)
			w.offices = append(w.offices, &c)
		}
	}
	corp := w.network("Fjordline Corporate VPN", 0xC613_0000, 0xff)
	veil := w.network("Veil VPN", 0x6460_0000, 0xfff)
	for _, c := range w.cities {
		switch c.name {
		case "Frankfurt", "Ashburn", "Singapore":
			w.vpn = append(w.vpn, newSource(corp.base|uint32(len(w.vpn)+1), corp, c, c.lat, c.lon))
		}
		if c.office || c.name == "Amsterdam" {
			w.veil = append(w.veil, newSource(veil.address(d), veil, c, c.lat, c.lon))
		}
	}
	cloud := w.network("Cumulus Cloud", 0x6461_0000, 0xffff)
	for range 12 {
		c := pick(d, w.offices)
		w.clouds = append(w.clouds, newSource(cloud.address(d), cloud, c, c.lat, c.lon))
	}
	for i, name := range hostingNames {
		w.hosting = append(w.hosting, w.network(name, 0x6470_0000+uint32(i)<<14, 0x3fff))
	}
	return w
}

func (w *world) network(name string, base, mask uint32) *network {
	n := &network{asn: w.next, name: name, base: base, mask: mask}
	w.next++
	return n
}

// nearestVPN is the corporate exit that a client in c would be given.
func (w *world) nearestVPN(c *city) *source {
	best := w.vpn[0]
	for _, v := range w.vpn {
		if distance(v.lat, v.lon, c.lat, c.lon) < distance(best.lat, best.lon, c.lat, c.lon) {
			best = v
		}
	}
	return best
}

// atHome is a household's or hotel's line; geolocation is right within a few km.
func (c *city) atHome(d dice) *source {
	return newSource(c.home.address(d), c.home, c, c.lat+d.NormFloat64()*0.04, c.lon+d.NormFloat64()*0.04)
}

// onMobile is one of the carrier's few gateways, shared by many people, and
// located in the city, near it, or at the carrier's hub.
func (c *city) onMobile(d dice) *source {
	lat, lon := c.lat+d.NormFloat64()*0.25, c.lon+d.NormFloat64()*0.25
	if d.chance(0.3) {
		lat, lon = c.hub[0], c.hub[1]
	}
	return newSource(c.mobile.address(d), c.mobile, c, lat, lon)
}

// abroad returns a city at least km away from a point.
func (w *world) abroad(d dice, lat, lon, km float64) *city {
	for {
		c := pick(d, w.cities)
		if distance(lat, lon, c.lat, c.lon) >= km {
			return c
		}
	}
}

// distance is the great circle in km (haversine; mean radius 6371 km).
func distance(lat1, lon1, lat2, lon2 float64) float64 {
	const rad = math.Pi / 180
	s, t := math.Sin((lat2-lat1)*rad/2), math.Sin((lon2-lon1)*rad/2)
	h := s*s + math.Cos(lat1*rad)*math.Cos(lat2*rad)*t*t
	return 2 * 6371 * math.Asin(math.Sqrt(min(1, h)))
}

var hostingNames = [...]string{
	"Borealis Hosting", "Quickrack", "Nimbus Rent", "Tundra Servers", "Coldaisle",
	"Redpine Colo", "Offgrid Hosting", "Bitharbour", "Saltmine DC", "Gantry Cloud",
	"Lowtide VPS", "Ironwood Net", "Greymoor Hosting", "Pallet Servers", "Dockside VPS", "Kettle Hosting",
}

var geography = [...]city{
	{name: "Munich", country: "DE", lat: 48.137, lon: 11.575, offset: 60, hub: [2]float64{50.110, 8.682}, office: true},
	{name: "London", country: "GB", lat: 51.507, lon: -0.128, offset: 0, hub: [2]float64{51.455, -0.969}, office: true},
	{name: "Manchester", country: "GB", lat: 53.481, lon: -2.242, offset: 0, hub: [2]float64{51.507, -0.128},
		office: true},
	{name: "Madrid", country: "ES", lat: 40.417, lon: -3.704, offset: 60, hub: [2]float64{40.530, -3.640}, office: true},
	{name: "Warsaw", country: "PL", lat: 52.230, lon: 21.012, offset: 60, hub: [2]float64{52.409, 16.920}, office: true},
	{name: "New York", country: "US", lat: 40.713, lon: -74.006, offset: -300, hub: [2]float64{39.044, -77.487},
		office: true},
	{name: "Austin", country: "US", lat: 30.267, lon: -97.743, offset: -360, hub: [2]float64{32.777, -96.797},
		office: true},
	{name: "San Francisco", country: "US", lat: 37.775, lon: -122.419, offset: -480, hub: [2]float64{37.335, -121.893},
		office: true},
	{name: "Toronto", country: "CA", lat: 43.653, lon: -79.383, offset: -300, hub: [2]float64{45.502, -73.567},
		office: true},
	{name: "Bengaluru", country: "IN", lat: 12.972, lon: 77.594, offset: 330, hub: [2]float64{13.083, 80.270},
		office: true},
	{name: "Singapore", country: "SG", lat: 1.352, lon: 103.820, offset: 480, hub: [2]float64{1.352, 103.820},
		office: true},
	{name: "Sydney", country: "AU", lat: -33.869, lon: 151.209, offset: 660, hub: [2]float64{-35.281, 149.130},
		office: true},
	{name: "Frankfurt", country: "DE", lat: 50.110, lon: 8.682, offset: 60, hub: [2]float64{50.110, 8.682}},
	{name: "Ashburn", country: "US", lat: 39.044, lon: -77.487, offset: -300, hub: [2]float64{39.044, -77.487}},
	{name: "Amsterdam", country: "NL", lat: 52.370, lon: 4.895, offset: 60, hub: [2]float64{52.090, 5.122}},
	{name: "Sao Paulo", country: "BR", lat: -23.551, lon: -46.633, offset: -180, hub: [2]float64{-22.907, -43.173}},
	{name: "Lagos", country: "NG", lat: 6.524, lon: 3.379, offset: 60, hub: [2]float64{6.524, 3.379}},
	{name: "Bucharest", country: "RO", lat: 44.427, lon: 26.102, offset: 120, hub: [2]float64{44.427, 26.102}},
	{name: "Hong Kong", country: "HK", lat: 22.320, lon: 114.170, offset: 480, hub: [2]float64{22.320, 114.170}},
	{name: "Johannesburg", country: "ZA", lat: -26.204, lon: 28.047, offset: 120, hub: [2]float64{-25.747, 28.229}},
	{name: "Jakarta", country: "ID", lat: -6.208, lon: 106.846, offset: 420, hub: [2]float64{-6.208, 106.846}},
	{name: "Mexico City", country: "MX", lat: 19.433, lon: -99.133, offset: -360, hub: [2]float64{19.433, -99.133}},
}
