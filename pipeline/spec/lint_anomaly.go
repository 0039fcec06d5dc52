package spec

import (
	"strings"
	"time"

	"github.com/lakeward/lakeward/config/strict"
)

func (l *linter) anomaly(a *Anomaly, earlier []Step) {
	if d := a.Deviation; d != nil {
		l.deviation(a, d, l.ref(a.Of, earlier, KindBaseline))
		return
	}
	l.ref(a.Of, earlier, KindRead, KindSQL)
	entity := ""
	switch {
	case a.Novelty != nil:
		entity = first(a.Novelty.Entity)
		l.novelty(a)
	case a.Travel != nil:
		entity = first(a.Travel.Entity)
		if t := a.Travel; t.Allowed != nil && t.Network.Value == "" {
			l.report(t.Allowed.Key.Pos, "`allowed` needs `network`", "name the column of the network, such as `network: src_endpoint.autonomous_system.number`")
		}
	case a.BruteForce != nil:
		entity = a.BruteForce.Account.Value
		if b := a.BruteForce; b.Group.Value != "" && b.Address.Value == "" {
			l.report(b.Group.Pos, "`group` needs `address`", "name the address's column, or remove `group`")
		}
	case a.Spray != nil:
		entity = a.Spray.Account.Value
		if len(a.Spray.Sources) == 0 {
			l.report(a.Of.Pos, "the spray has no sources", "name one under `sources`, such as `ip: src_endpoint.ip`")
		}
	}
	if a.EntityType == "" && entity != "" {
		a.EntityType = EntityType(entity)
	}
}

func first(ts []Text) string {
	if len(ts) == 0 {
		return ""
	}
	return ts[0].Value
}

func (l *linter) deviation(a *Anomaly, d *Deviation, of *Step) {
	if a.Method == MethodPoisson {
		d.Direction = Up
	}
	if of == nil || of.Baseline == nil {
		return
	}
	if a.EntityType == "" {
		a.EntityType = of.Baseline.EntityType
	}
	var names []string
	for _, m := range of.Baseline.Measures {
		names = append(names, m.Name.Value)
	}
	known := func(m Text) {
		for _, n := range names {
			if n == m.Value {
				return
			}
		}
		l.report(m.Pos, "the baseline `"+of.Name.Value+"` has no measure `"+m.Value+"`", strict.Suggest(m.Value, names))
	}
	for _, b := range d.AtLeast {
		known(b.Measure)
	}
	for _, m := range d.Measures {
		known(m)
	}
}

// Look-backs of first uses, as Microsoft's UEBA documents them.
const (
	lookbackCountry = 90 * day
	lookbackClient  = 30 * day
	lookbackOther   = 180 * day
	lookbackRare    = 30 * day // ours
)

func (l *linter) novelty(a *Anomaly) {
	n := a.Novelty
	if n.Lookback == 0 {
		n.Lookback = defaultLookback(a.Method, first(n.Values))
	}
	if n.Learning >= n.Lookback && n.Lookback > 0 {
		l.report(a.Of.Pos, "`learning` is not shorter than `lookback`, so nothing would ever be raised", "lengthen `lookback` or shorten `learning`")
	}
}

func defaultLookback(m Method, value string) time.Duration {
	if m == MethodRare {
		return lookbackRare
	}
	value = strings.ToLower(value)
	for _, w := range []string{"country"} {
		if strings.Contains(value, w) {
			return lookbackCountry
		}
	}
	for _, w := range []string{"user_agent", "browser", "provider", "isp", "autonomous_system", "device"} {
		if strings.Contains(value, w) {
			return lookbackClient
		}
	}
	return lookbackOther
}
