package demo

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// Finding is what a pipeline raised, as far as scoring needs it.
type Finding struct {
	Pipeline    string
	Detector    string
	EntityType  string // such as user.name, src_endpoint.ip
	Entity      string
	Time        time.Time
	WindowStart time.Time // zero: Time alone counts
	WindowEnd   time.Time // exclusive
	Score       float64   // 0 to 100
	Severity    string    // informational findings are not scored at all
}

// Tolerance is how far outside an attack's times a finding may lie.
const Tolerance = time.Hour

// longWindow is the length from which a window no longer says when something
// happened to a user: its Time must then lie in the attack.
const longWindow = 24 * time.Hour

// Outcome is one planted attack with the findings that touch it.
type Outcome struct {
	*Attack
	Findings []Finding // by time
}

// Found says that at least one finding touches the attack.
func (o Outcome) Found() bool { return len(o.Findings) > 0 }

// Tally counts attacks of one kind.
type Tally struct {
	Kind                   string
	Planted, Found, Missed int
}

// Report is the outcome of Score. A finding may touch several attacks.
type Report struct {
	Outcomes []Outcome // in order of planting
	Kinds    []Tally   // in order of planting
	False    []Finding // touch nothing that was planted
	Alerts   int       // findings that are not informational
	True     int       // of them, those that touch an attack
	Risk     []RiskPlace
	TopN     int
}

// RiskPlace is where a taken-over user stands among the riskiest entities.
type RiskPlace struct {
	User  string
	Place int // from 1; 0: not in the list
}

// Score compares findings with the truth. The rule: a finding touches an
// attack if it names one of the attack's keys of its entity's type (user, IP
// address or a network that contains it and is not wider than a /16, ASN, user
// agent), and its window, or its time if it has none, overlaps the attack's
// times widened by Tolerance. For a user and a window longer than a day, the
// finding's time must lie there instead. Recall is attacks touched by all
// attacks; precision is findings that touch one by all findings. Informational
// findings count for neither.
func Score(t Truth, findings []Finding) Report {
	var r Report
	for _, a := range t.Attacks {
		r.Outcomes = append(r.Outcomes, Outcome{Attack: a})
	}
	findings = slices.Clone(findings)
	slices.SortStableFunc(findings, func(a, b Finding) int {
		return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Entity, b.Entity))
	})
	for _, f := range findings {
		if strings.EqualFold(f.Severity, "informational") {
			continue
		}
		r.Alerts++
		touches := false
		for i := range r.Outcomes {
			if o := &r.Outcomes[i]; Touches(o.Attack, f) {
				o.Findings = append(o.Findings, f)
				touches = true
			}
		}
		if touches {
			r.True++
		} else {
			r.False = append(r.False, f)
		}
	}
	r.tally()
	return r
}

// RankRisk notes where the users of planted takeovers stand in ranked, the
// entities by falling risk at the end. All must be within the first topN.
func (r *Report) RankRisk(ranked []string, topN int) {
	r.TopN, r.Risk = topN, nil
	for _, o := range r.Outcomes {
		if o.Kind != KindTakeover {
			continue
		}
		for _, user := range o.Keys.Users {
			r.Risk = append(r.Risk, RiskPlace{user, slices.Index(ranked, user) + 1})
		}
	}
}

// RiskHolds says that RankRisk found every taken-over user within its topN.
func (r *Report) RiskHolds() bool {
	for _, p := range r.Risk {
		if p.Place == 0 || p.Place > r.TopN {
			return false
		}
	}
	return len(r.Risk) > 0
}

func (r *Report) tally() {
	for _, o := range r.Outcomes {
		i := slices.IndexFunc(r.Kinds, func(t Tally) bool { return t.Kind == o.Kind })
		if i < 0 {
			i = len(r.Kinds)
			r.Kinds = append(r.Kinds, Tally{Kind: o.Kind})
		}
		r.Kinds[i].Planted++
		if o.Found() {
			r.Kinds[i].Found++
		} else {
			r.Kinds[i].Missed++
		}
	}
}

// Recall is found by planted attacks, 0 to 1; 1 if nothing was planted.
func (r *Report) Recall() float64 {
	found := 0
	for _, k := range r.Kinds {
		found += k.Found
	}
	return share(found, len(r.Outcomes))
}

// Precision is true by all alerts, 0 to 1; 1 if there was no alert.
func (r *Report) Precision() float64 { return share(r.True, r.Alerts) }

func share(part, whole int) float64 {
	if whole == 0 {
		return 1
	}
	return float64(part) / float64(whole)
}

// Touches is the matching rule that Score documents.
func Touches(a *Attack, f Finding) bool {
	kind := entityKind(f.EntityType)
	if !names(a.Keys, kind, f.Entity) {
		return false
	}
	from, to := f.WindowStart, f.WindowEnd
	if from.IsZero() || !to.After(from) || kind == ofUser && to.Sub(from) > longWindow {
		from, to = f.Time, f.Time.Add(1)
	}
	return from.Before(a.End.Add(Tolerance)) && to.After(a.Start.Add(-Tolerance))
}

type keyKind uint8

const (
	ofNothing keyKind = iota
	ofUser
	ofIP
	ofASN
	ofAgent
)

// entityKind reads the type from the name of the entity's column.
func entityKind(column string) keyKind {
	column = strings.ToLower(column)
	has := func(parts ...string) bool {
		return slices.ContainsFunc(parts, func(p string) bool { return strings.Contains(column, p) })
	}
	switch {
	case has("agent", "fingerprint"):
		return ofAgent
	case has("asn", "autonomous", "as_number"):
		return ofASN
	case has("user", "account", "identity", "actor"):
		return ofUser
	case has("ip", "addr", "endpoint", "network", "subnet", "source"):
		return ofIP
	default:
		return ofNothing
	}
}

func names(k Keys, kind keyKind, entity string) bool {
	switch kind {
	case ofUser:
		return slices.Contains(k.Users, entity)
	case ofAgent:
		return slices.Contains(k.UserAgents, entity)
	case ofASN:
		n, err := strconv.Atoi(strings.TrimPrefix(strings.ToUpper(entity), "AS"))
		return err == nil && slices.Contains(k.ASNs, n)
	case ofIP:
		return namesIP(k.IPs, entity)
	default:
		return false
	}
}

func namesIP(ips []string, entity string) bool {
	prefix, err := netip.ParsePrefix(entity)
	if err != nil {
		return slices.Contains(ips, entity)
	}
	return prefix.Bits() >= 16 && slices.ContainsFunc(ips, func(ip string) bool {
		at, err := netip.ParseAddr(ip)
		return err == nil && prefix.Contains(at)
	})
}

// Print writes what was planted, found, missed and raised for nothing.
func (r *Report) Print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "KIND\tPLANTED\tFOUND\tMISSED")
	for _, k := range r.Kinds {
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\n", k.Kind, k.Planted, k.Found, k.Missed)
	}
	fmt.Fprintln(t, "\nATTACK\tINTENSITY\tSTART (UTC)\tFINDINGS\tBY\tSTORY")
	for _, o := range r.Outcomes {
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%s\t%s\n", o.ID, o.Intensity, o.Start.UTC().Format("01-02 15:04"), len(o.Findings),
			by(o.Findings), o.Story)
	}
	r.printFalse(t)
	for _, p := range r.Risk {
		place := "not in the list"
		if p.Place > 0 {
			place = "place " + strconv.Itoa(p.Place)
		}
		fmt.Fprintf(t, "risk of %s, taken over: %s (wanted: first %d)\n", p.User, place, r.TopN)
	}
	fmt.Fprintf(t, "recall %.3f, precision %.3f (%d alerts, %d of them for nothing)\n", r.Recall(), r.Precision(),
		r.Alerts, len(r.False))
	if err := t.Flush(); err != nil {
		return fmt.Errorf("print report: %w", err)
	}
	return nil
}

// by names the pipelines, or says that the attack was missed.
func by(findings []Finding) string {
	if len(findings) == 0 {
		return "MISSED"
	}
	var out []string
	for _, f := range findings {
		if !slices.Contains(out, f.Pipeline) {
			out = append(out, f.Pipeline)
		}
	}
	return strings.Join(out, ",")
}

// printFalse lists up to 20 false findings by falling score, and how many each pipeline has.
func (r *Report) printFalse(w io.Writer) {
	if len(r.False) == 0 {
		return
	}
	counts := map[string]int{}
	for _, f := range r.False {
		counts[f.Pipeline]++
	}
	fmt.Fprintln(w, "\nRAISED FOR NOTHING\tCOUNT")
	for _, p := range slices.Sorted(maps.Keys(counts)) {
		fmt.Fprintf(w, "%s\t%d\n", p, counts[p])
	}
	worst := slices.Clone(r.False)
	slices.SortStableFunc(worst, func(a, b Finding) int { return cmp.Compare(b.Score, a.Score) })
	fmt.Fprintln(w, "\nWORST OF THEM\tENTITY\tTIME (UTC)\tSCORE\tSEVERITY")
	for _, f := range worst[:min(20, len(worst))] {
		fmt.Fprintf(w, "%s\t%s\t%s\t%.0f\t%s\n", f.Pipeline, f.Entity, f.Time.UTC().Format("01-02 15:04"), f.Score,
			f.Severity)
	}
	fmt.Fprintln(w)
}
