package spec

import (
	"time"

	"github.com/lakeward/lakeward/config/strict"
)

// anomalyType is the detectors. Defaults are those that the field documents;
// "ours" marks a choice of this project.
func anomalyType() strict.Type[Anomaly] {
	type A = Anomaly
	branch := func(m Method, doc string, init func(*A), of string, fields ...strict.Field[A]) strict.Branch[A] {
		return strict.Branch[A]{Key: string(m), Text: doc, Fields: append(commonFields(of), fields...),
			Init: func(a *A) { a.Method = m; init(a) }, Is: func(a *A) bool { return a.Method == m }}
	}
	deviation := func(a *A) { a.Deviation = &Deviation{} }
	novelty := func(a *A) { a.Novelty = &Novelty{} }
	return strict.Switch("anomaly", "method",
		branch(MethodRobustZ, "How far a value is from its baseline's centre, in spreads. M = 0.6745 (x - median) / MAD; with MAD = 0, (x - median) / (1.253314 mean|x - median|) (Iglewicz and Hoaglin 1993). With both zero only `min_delta` decides, and the finding says `degenerate`. Score: 100 (1 - 2^-(|M| / threshold)) (ours).",
			deviation, "The baseline step.", append(deviationFields(),
				strict.F("threshold", strict.Float(0.1, 1000), func(a *A) *float64 { return &a.Deviation.Threshold }, "|M| from which a value is unusual.").Default("3.5"),
				strict.F("direction", strict.Enum(Up, Down, Both), func(a *A) *Direction { return &a.Deviation.Direction }, "The side on which a value is unusual (ours: up).").Default("up"))...),
		branch(MethodPoisson, "How improbable a count is: P(X >= k) for X Poisson with the baseline's mean as its rate, at least half an event in all the values seen.",
			deviation, "The baseline step.", append(deviationFields(),
				strict.F("threshold", strict.Float(1e-300, 0.5), func(a *A) *float64 { return &a.Deviation.Threshold }, "Probability of the upper tail at or below which a count is unusual (ours).").Default("0.0001"))...),
		branch(MethodFirstSeen, "The first use of a value by an entity within the look-back, once the entity itself has been known for the learning period. A pause of the entity of more than a week does not count towards the look-back (ours): so rows of the look-back and at least 180d more are read. Score: 100 (1 - 2^-(1 + log2(n) / 2)), n being how many values are new to it in the window (ours).",
			novelty, "A `read` or `sql` step.", append(noveltyFields("Without it, as Microsoft's UEBA: 90d for countries, 30d for browsers, providers and devices, otherwise 180d."),
				strict.F("peers", strict.Bool(), func(a *A) *bool { return &a.Novelty.Peers }, "Whether an entity that has not been known for long is judged against all others: a value that nobody used before is raised, for a lower score (ours). Service principals by which a cloud acts on its own are left out.").Default("true"))...),
		branch(MethodRare, "A value that is improbable for its entity: p = (N_c + a) / (N + a K), unusual if ln p is below its mean less `threshold` standard deviations, both weighted by count. Where all its values are as likely, 0.5 stands for the deviation, and the score stays below critical (ours). Pauses as for `first_seen`.",
			novelty, "A `read` or `sql` step.", append(noveltyFields("Without it: 30d (ours)."),
				strict.F("smoothing", strict.Float(0.001, 1000), func(a *A) *float64 { return &a.Novelty.Smoothing }, "a, added to every count.").Default("2"),
				strict.F("threshold", strict.Float(0.1, 100), func(a *A) *float64 { return &a.Novelty.Threshold }, "Standard deviations of ln p.").Default("2"),
				strict.F("max_p", strict.Float(0, 1), func(a *A) *float64 { return &a.Novelty.MaxP }, "Share of the entity's earlier uses from which a value is not rare, however the others are spread (ours).").Default("0.05"),
				strict.F("once", strict.Duration(0, longest), func(a *A) *time.Duration { return &a.Novelty.Once }, "One finding a value in so long: what was used within it, when the entity was known already, is not raised again (ours).").Default("30d"))...),
		branch(MethodTravel, "Consecutive sign-ins of an entity that are too far apart for the time between them: great-circle distance less both accuracy radii, over the time, zero of which counts as 0.0001 h. One finding an entity and day. Thresholds as Elastic's (Panther: 900 km/h).",
			func(a *A) { a.Travel = &Travel{} }, "A `read` or `sql` step.", travelFields()...),
		branch(MethodSpray, "One source that tries many accounts. Low and slow (ours): u distinct users over the look-back, U = min(1, ln(1+u) / ln 51), H = entropy of attempts over users / log2 u; 0.5 U + 0.2 (1 - success rate) + 0.3 H at least `min_score`. Short (Elastic's rule): `short`, in a sliding window. A success that follows escalates.",
			func(a *A) { a.Spray = &Spray{} }, "A `read` or `sql` step.", sprayFields()...),
		branch(MethodBruteForce, "Guessing at one account, in a sliding window (Elastic's rule); with `address` also one account from more than 30 addresses with 100 failures in 30 minutes; with `group` also credential stuffing (10 users, 30 failures, 5 addresses, more users than addresses, 10 minutes) and distributed guessing (5 addresses, 8 users, 25 failures, at most 5 a user and 2 users an address). Each rule has limits of its own. One campaign is one finding, whatever windows it crosses: a day without ends it (ours).",
			func(a *A) { a.BruteForce = &BruteForce{} }, "A `read` or `sql` step.", bruteFields()...),
	)
}

func commonFields(of string) []strict.Field[Anomaly] {
	type A = Anomaly
	return []strict.Field[A]{
		strict.F("of", step(), func(a *A) *Text { return &a.Of }, of).Needed(),
		strict.F("method", strict.Enum(MethodRobustZ, MethodPoisson, MethodFirstSeen, MethodRare, MethodTravel, MethodSpray, MethodBruteForce), func(a *A) *Method { return &a.Method }, "The method.").Needed(),
		strict.F("technique", technique(), func(a *A) *string { return &a.Technique }, "MITRE ATT&CK technique, such as `T1110.003`."),
		strict.F("reason", strict.Positioned(checkedText("template", templateProblem)), func(a *A) *Text { return &a.Reason }, "Sentence of the finding, with `{entity}`, `{observed}`, `{expected}`, a measure's `{NAME.observed}` and `{NAME.expected}`, and the method's own names. Without it: the method's sentence."),
		strict.F("entity_type", strict.Text(), func(a *A) *string { return &a.EntityType }, "`entity_type` of the findings. Without it: the baseline's, or from the entity's column. Sources of `spray` name their own."),
		strict.F("max_score", strict.Float(1, 100), func(a *A) *float64 { return &a.MaxScore }, "Highest score of a finding, and so its highest severity: below 20 informational, 40 low, 70 medium, 90 high, above critical.").Default("100"),
	}
}

func deviationFields() []strict.Field[Anomaly] {
	type A = Anomaly
	bound := strict.Via(strict.Float(-most, most), func(b *Bound) *float64 { return &b.Min })
	return []strict.Field[A]{
		strict.F("at_least", strict.Keyed(bound, func(b *Bound) *Text { return &b.Measure }, anyKey), func(a *A) *[]Bound { return &a.Deviation.AtLeast }, "Measures and the least values that they must have, such as `{failures: 5}`."),
		strict.F("min_delta", strict.Float(0, most), func(a *A) *float64 { return &a.Deviation.MinDelta }, "Least difference from the usual value. Zero: none, and then a value that has no spread behind it raises nothing.").Default("0"),
		strict.F("measures", strict.OneOrList(strict.Named(text(), "measure")), func(a *A) *[]Text { return &a.Deviation.Measures }, "The measures that may raise a finding. Without it: all of the baseline's."),
	}
}

func noveltyFields(lookbackDefault string) []strict.Field[Anomaly] {
	type A = Anomaly
	return []strict.Field[A]{
		strict.F("entity", strict.OneOrList(column()), func(a *A) *[]Text { return &a.Novelty.Entity }, "Column of whom it is about; several are one combined entity.").Needed(),
		strict.F("value", strict.OneOrList(column()), func(a *A) *[]Text { return &a.Novelty.Values }, "Column of what is used; several are one combined value.").Needed(),
		strict.F("lookback", strict.Duration(time.Hour, longest), func(a *A) *time.Duration { return &a.Novelty.Lookback }, "How far back uses are remembered. "+lookbackDefault),
		strict.F("learning", strict.Duration(0, longest), func(a *A) *time.Duration { return &a.Novelty.Learning }, "How long an entity must have been known (ours).").Default("14d"),
	}
}

func allowedType() strict.Type[Allowed] {
	type A = Allowed
	return strict.Object(
		strict.F("table", table(), func(a *A) *Text { return &a.Table }, "`lake.NAME` or `analytics.NAME`. Where it does not exist yet no network is allowed.").Needed(),
		strict.F("key", column(), func(a *A) *Text { return &a.Key }, "Column that equals `network`.").Needed(),
	)
}

func travelFields() []strict.Field[Anomaly] {
	type A = Anomaly
	return []strict.Field[A]{
		strict.F("entity", strict.OneOrList(column()), func(a *A) *[]Text { return &a.Travel.Entity }, "Column of whom it is about.").Default("user.name"),
		strict.F("lat", column(), func(a *A) *Text { return &a.Travel.Lat }, "Column of the latitude, degrees.").Default("src_endpoint.location.lat"),
		strict.F("lon", column(), func(a *A) *Text { return &a.Travel.Lon }, "Column of the longitude, degrees.").Default("src_endpoint.location.long"),
		strict.F("address", column(), func(a *A) *Text { return &a.Travel.Address }, "Column of the address; the same address elsewhere is no travel.").Default("src_endpoint.ip"),
		strict.F("radius", strict.Named(text(), "expression"), func(a *A) *Text { return &a.Travel.Radius }, "Accuracy of the position, km."),
		strict.F("place", strict.Named(text(), "expression"), func(a *A) *Text { return &a.Travel.Place }, "Name of the place, for people; two positions of one name in one country are one place."),
		strict.F("country", strict.Named(text(), "expression"), func(a *A) *Text { return &a.Travel.Country }, "Country of the place. Without it: the column `country` beside `lat`, if there is one. A name without a country is no place."),
		strict.F("success", condition(), func(a *A) *Text { return &a.Travel.Success }, "Condition of the rows that count. Without it: all of the step's."),
		strict.F("familiar", condition(), func(a *A) *Text { return &a.Travel.Familiar }, "Condition of rows from networks that are allowed, such as your own VPN, relays and satellites: they lower a finding to information and never become the place that others are measured from."),
		strict.F("allowed", strict.Pointer(allowedType()), func(a *A) **Allowed { return &a.Travel.Allowed }, "Where the networks stand that are your own, such as a VPN's, by what `network` says of them: rows from there are as those of `familiar`."),
		strict.F("speed", strict.Quantity("speed", "km/h", "800km/h", 1, 100_000), func(a *A) *float64 { return &a.Travel.SpeedKmh }, "Speed from which it is impossible.").Default("800km/h"),
		strict.F("distance", strict.Quantity("distance", "km", "500km", 0, 20_100), func(a *A) *float64 { return &a.Travel.DistanceKm }, "Distance below which nothing is raised.").Default("500km"),
		strict.F("network", column(), func(a *A) *Text { return &a.Travel.Network }, "Column of the network, such as the AS number. With it a jump between two spots (a network at a place) that the entity has used on `habit_days` earlier days is a habit (a phone beside a desk, a VPN), and is information only; a day on which a new spot was one end of a jump that was raised does not count (ours)."),
		strict.F("habit_days", strict.Int(1, 366), func(a *A) *int { return &a.Travel.HabitDays }, "Earlier days that make a network a habit (ours).").Default("3"),
		strict.F("habit_window", strict.Duration(day, longest), func(a *A) *time.Duration { return &a.Travel.HabitWindow }, "How far back habits are looked for (ours).").Default("30d"),
	}
}

func sprayFields() []strict.Field[Anomaly] {
	type A = Anomaly
	short := strict.Object(
		strict.F("users", strict.Int(2, 1_000_000), func(b *Burst) *int { return &b.Users }, "Distinct accounts.").Default("15"),
		strict.F("attempts", strict.Int(2, 1_000_000_000), func(b *Burst) *int { return &b.Attempts }, "Failures.").Default("15"),
		strict.F("window", strict.Duration(second, day), func(b *Burst) *time.Duration { return &b.Window }, "Width of the sliding window.").Default("30m"),
	)
	return []strict.Field[A]{
		strict.F("account", column(), func(a *A) *Text { return &a.Spray.Account }, "Column of the account that is tried.").Default("user.name"),
		strict.F("sources", strict.Keyed(strict.Via(strict.Named(text(), "expression"), func(o *Origin) *Text { return &o.Expr }), func(o *Origin) *Text { return &o.Type }, sourceTypeProblem), func(a *A) *[]Origin { return &a.Spray.Sources }, "What can be the one source, from the narrowest: an entity type and its column. A spray from many addresses with one user agent is one spray, so name address, network and user agent where there are.").Default("{ip: src_endpoint.ip}"),
		strict.F("success", condition(), func(a *A) *Text { return &a.Spray.Success }, "Condition of a sign-in that succeeded.").Default("status = 'Success'"),
		strict.F("failure", condition(), func(a *A) *Text { return &a.Spray.Failure }, "Condition of a sign-in that failed.").Default("status = 'Failure'"),
		strict.F("lookback", strict.Duration(time.Hour, longest), func(a *A) *time.Duration { return &a.Spray.Lookback }, "How far back attempts are counted.").Default("30d"),
		strict.F("min_users", strict.Int(2, 1_000_000), func(a *A) *int { return &a.Spray.MinUsers }, "Low and slow: distinct accounts (ours).").Default("10"),
		strict.F("attempts_per_user", strict.Float(1, 1000), func(a *A) *float64 { return &a.Spray.AttemptsPerUser }, "Low and slow: at most so many attempts an account, on average.").Default("5"),
		strict.F("min_days", strict.Int(1, 366), func(a *A) *int { return &a.Spray.MinDays }, "Low and slow: days with attempts.").Default("3"),
		strict.F("min_score", strict.Float(0, 1), func(a *A) *float64 { return &a.Spray.MinScore }, "Low and slow: least score (ours).").Default("0.6"),
		strict.F("known_accounts", strict.Bool(), func(a *A) *bool { return &a.Spray.KnownAccounts }, "Count only accounts that exist, that is, succeeded somewhere in the look-back (ours).").Default("false"),
		strict.F("short", short, func(a *A) *Burst { return &a.Spray.Short }, "The short rule."),
	}
}

func bruteFields() []strict.Field[Anomaly] {
	type A = Anomaly
	return []strict.Field[A]{
		strict.F("account", column(), func(a *A) *Text { return &a.BruteForce.Account }, "Column of the account.").Default("user.name"),
		strict.F("address", column(), func(a *A) *Text { return &a.BruteForce.Address }, "Column of the address that attempts come from; with it, the rules over many addresses."),
		strict.F("group", strict.Named(text(), "expression"), func(a *A) *Text { return &a.BruteForce.Group }, "What attempts from several addresses have in common, such as the user agent; with it, the rules over many accounts. Needs `address`."),
		strict.F("failure", condition(), func(a *A) *Text { return &a.BruteForce.Failure }, "Condition of an attempt that failed.").Default("status = 'Failure'"),
		strict.F("attempts", strict.Int(2, 1_000_000), func(a *A) *int { return &a.BruteForce.Attempts }, "Failures of one account.").Default("30"),
		strict.F("window", strict.Duration(second, day), func(a *A) *time.Duration { return &a.BruteForce.Window }, "Width of the sliding window.").Default("5m"),
	}
}
