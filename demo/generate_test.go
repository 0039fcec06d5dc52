package demo

import (
	"encoding/json"
	"errors"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

var testEnd = time.Date(2026, 11, 24, 9, 30, 0, 0, time.UTC)

func small(seed uint64) Options {
	return Options{Seed: seed, End: testEnd, Days: 30, Users: 300, Events: 90_000}
}

type row struct {
	Time   time.Time `json:"time"`
	Status string    `json:"status"`
	Detail string    `json:"status_detail"`
	User   struct {
		Name string `json:"name"`
		Type string `json:"type"`
	} `json:"user"`
	Src struct {
		IP       string `json:"ip"`
		Location struct {
			Country   string
			Lat, Long float64
		} `json:"location"`
		AS struct {
			Number int
			Name   string
		} `json:"autonomous_system"`
	} `json:"src_endpoint"`
	HTTP struct {
		Agent string `json:"user_agent"`
	} `json:"http_request"`
	Metadata struct {
		UID string `json:"uid"`
	} `json:"metadata"`
}

func generate(t *testing.T, o Options) (Truth, []row) {
	t.Helper()
	var rows []row
	truth, err := Generate(o, func(subject, id string, at time.Time, text []byte) error {
		if subject != SubjectSignin {
			if !json.Valid(text) {
				t.Fatalf("%s: invalid JSON %s", subject, text)
			}
			return nil
		}
		var r row
		if err := json.Unmarshal(text, &r); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if !r.Time.Equal(at) || r.Metadata.UID != id {
			t.Fatalf("time %v, id %s differ from %s", at, id, text)
		}
		rows = append(rows, r)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return truth, rows
}

func digest(t *testing.T, o Options) (uint64, int) {
	t.Helper()
	h, n := fnv.New64a(), 0
	ids := map[string]bool{}
	last := time.Time{}
	_, err := Generate(o, func(subject, id string, at time.Time, text []byte) error {
		h.Write([]byte(subject + id))
		h.Write(text)
		if at.Before(last) {
			t.Fatalf("event %d at %v comes after %v", n, at, last)
		}
		last = at
		ids[id] = true
		n++
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(ids) != n {
		t.Fatalf("%d message ids for %d events", len(ids), n)
	}
	return h.Sum64(), n
}

func TestSameSeedSameMonth(t *testing.T) {
	a, n := digest(t, small(1))
	b, _ := digest(t, small(1))
	c, _ := digest(t, small(2))
	if a != b || a == c {
		t.Fatalf("digests %x %x of one seed, %x of another", a, b, c)
	}
	if n < 90_000 || n > 99_000 {
		t.Fatalf("%d events, want 90,000 to 99,000", n)
	}
}

func TestAsManyEventsAsWantedWheneverTheMonthEnds(t *testing.T) {
	for day := range 7 {
		o := small(uint64(day))
		o.End = testEnd.AddDate(0, 0, day).Add(time.Duration(day*3) * time.Hour)
		if _, n := digest(t, o); n < o.Events || n > o.Events*11/10 {
			t.Errorf("end %v: %d events of %d", o.End, n, o.Events)
		}
	}
}

func TestPeopleKeepWorkingHours(t *testing.T) {
	truth, rows := generate(t, small(3))
	offset := map[string]int{"DE": 60, "GB": 0, "IN": 330, "PL": 60}
	var day, night, total, failed, weekendRows int
	for _, r := range rows {
		if r.Time.Before(truth.Start) || !r.Time.Before(truth.End) {
			t.Fatalf("%v is outside of the month", r.Time)
		}
		if r.User.Type != "User" {
			continue
		}
		total++
		if r.Status == "Failure" {
			failed++
		}
		at, ok := offset[r.Src.Location.Country]
		if !ok {
			continue
		}
		local := r.Time.Add(time.Duration(at) * time.Minute)
		if wd := local.Weekday(); wd == time.Saturday || wd == time.Sunday {
			weekendRows++
		}
		switch h := local.Hour(); {
		case h >= 7 && h < 19:
			day++
		case h < 5:
			night++
		}
	}
	if day < 10*night || weekendRows*15 > total {
		t.Errorf("%d by day, %d by night, %d of %d on weekends", day, night, weekendRows, total)
	}
	if rate := float64(failed) / float64(total); rate < 0.005 || rate > 0.1 {
		t.Errorf("failure rate of people %.3f", rate)
	}
}

func TestTruthNamesWhatTheEventsShow(t *testing.T) {
	truth, rows := generate(t, small(4))
	if len(truth.Attacks) != bursts+sprays+distributed+travels+takeovers {
		t.Fatalf("%d attacks", len(truth.Attacks))
	}
	for _, a := range truth.Attacks {
		seen, users, succeeded := 0, map[string]bool{}, false
		for _, r := range rows {
			if r.Time.Before(a.Start) || r.Time.After(a.End) || !slices.Contains(a.Keys.IPs, r.Src.IP) {
				continue
			}
			seen++
			users[r.User.Name] = true
			succeeded = succeeded || r.Status == "Success"
		}
		if a.Events == 0 || seen == 0 || seen > a.Events || a.Start.Before(truth.Start) || !a.End.Before(truth.End) {
			t.Errorf("%s: %d events, %d seen, %v to %v", a.ID, a.Events, seen, a.Start, a.End)
		}
		for _, u := range a.Keys.Users {
			if !users[u] {
				t.Errorf("%s: %s does not occur", a.ID, u)
			}
		}
		if want := a.Kind == KindTravel || a.Kind == KindTakeover; want && !succeeded {
			t.Errorf("%s: no success", a.ID)
		}
		if strings.Contains(a.Kind, "spray") && len(users) < 40 {
			t.Errorf("%s: only %d users", a.ID, len(users))
		}
	}
}

// No aircraft explains a planted journey, and every traveller's flight is one
// that an aircraft explains.
func TestOnlyAttackersTravelFasterThanAircraft(t *testing.T) {
	truth, rows := generate(t, small(5))
	planted, known := map[string]bool{}, map[int]bool{}
	for _, a := range truth.Attacks {
		for _, u := range a.Keys.Users {
			planted[u] = a.Kind == KindTravel || a.Kind == KindTakeover
		}
	}
	for _, k := range truth.Known {
		known[k.ASN] = strings.Contains(k.What, "VPN")
	}
	last, flew := map[string]row{}, map[string]bool{}
	for _, r := range rows {
		if r.Status != "Success" || r.User.Type != "User" || known[r.Src.AS.Number] {
			continue
		}
		if l, ok := last[r.User.Name]; ok {
			km := distance(l.Src.Location.Lat, l.Src.Location.Long, r.Src.Location.Lat, r.Src.Location.Long)
			if hours := r.Time.Sub(l.Time).Hours(); km > 700 && km > 1000*hours {
				flew[r.User.Name] = true
				if _, ok := planted[r.User.Name]; !ok {
					t.Errorf("%s: %.0f km in %.2f h without an attack", r.User.Name, km, hours)
				}
			}
		}
		last[r.User.Name] = r
	}
	for u, want := range planted {
		if want && !flew[u] {
			t.Errorf("%s: planted journey does not show", u)
		}
	}
}

func TestOptionsAreRefusedAllAtOnce(t *testing.T) {
	_, err := Generate(Options{Days: 3, Users: 5}, nil)
	for _, want := range []string{"end", "days", "users"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not name %s", err, want)
		}
	}
}

func TestEmitErrorEndsTheRun(t *testing.T) {
	stop := errors.New("full")
	_, err := Generate(small(1), func(string, string, time.Time, []byte) error { return stop })
	if !errors.Is(err, stop) {
		t.Fatal(err)
	}
}

func TestSigninBenchMakesExactlyN(t *testing.T) {
	for _, n := range []int{0, 1, 100, 60_000, 200_000} {
		t.Run(strconv.Itoa(n), func(t *testing.T) {
			got, size := 0, 0
			err := SigninBench(n, 7, func(subject, _ string, _ time.Time, text []byte) error {
				if subject != SubjectSignin {
					t.Fatal(subject)
				}
				got++
				size += len(text)
				return nil
			})
			if err != nil || got != n {
				t.Fatalf("%d events, %v", got, err)
			}
			t.Logf("%d bytes an event", size/max(got, 1))
		})
	}
}

func BenchmarkGenerate(b *testing.B) {
	for b.Loop() {
		truth, err := Generate(Options{Seed: 1, End: testEnd}, func(string, string, time.Time, []byte) error { return nil })
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(truth.Events), "events")
	}
	b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s/month")
}
