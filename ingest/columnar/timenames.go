package columnar

import (
	"strings"
	"time"
)

// usualTime is a key at the top of an event that usually has the event's time.
type usualTime struct {
	name  string   // as it is usually written; case does not matter
	below []string // dotted paths within its value, if that is an object
	// weak: the value may well be another time, so that one that no event can
	// have is passed over instead of being a reason for quarantine.
	weak bool
	// object: a time is only below it.
	object bool
}

// The places of what is not a name of usualTimes.
const (
	timePrio   = 1  // the key time
	pairPrio   = 17 // the time of a pair [time, event]
	maxTimeKey = 40 // bytes of the longest name
)

// usualTimes are the usual places of an event's time, the first before those
// that follow. The place of a name is its index. Where a system writes the time
// at which an event happened and the one at which it was made known, the first
// comes first.
func usualTimes() []usualTime {
	var systemTime, system, event []string
	for _, attribute := range [...]string{".#attributes.SystemTime", ".@SystemTime", ".SystemTime",
		"_attributes.SystemTime", "",
		".attributes.SystemTime", ".@attributes.SystemTime", ".-SystemTime", "._SystemTime", ".$.SystemTime"} {
		if at, ok := strings.CutPrefix(attribute, "."); ok {
			systemTime = append(systemTime, at)
		}
		system = append(system, "TimeCreated"+attribute)
		event = append(event, "System.TimeCreated"+attribute)
	}
	strong := []usualTime{
		0:        {},
		timePrio: {name: "time"},
		2:        {name: "timestamp"}, 3: {name: "@timestamp"}, 4: {name: "eventTime"},
		5: {name: "TimeGenerated"}, 6: {name: "ts"}, 7: {name: "_time"}, 8: {name: "datetime"},
		9: {name: "createdDateTime"}, 10: {name: "activityDateTime"}, 11: {name: "CreationTime"}, 12: {name: "UtcTime"},
		13: {name: "TimeCreated", below: append(systemTime, "value")}, 14: {name: "eventTimestamp"}, 15: {name: "published"},
		16:       {name: "created_at"},
		pairPrio: {name: "[0]"},
	}
	weak := []usualTime{
		// Windows event logs as EVTX tools, Winlogbeat and NXLog write them.
		{name: "Event", below: append(event, "timestamp", "UTCTimestamp", "time", "created", "start")},
		{name: "System", below: system}, {name: "TimeCreated_attributes", below: []string{"SystemTime"}},
		{name: "winlog", below: []string{"time_created", "event_data.UtcTime", "system.TimeCreated.SystemTime"}},
		// Kubernetes: audit, then events.
		{name: "requestReceivedTimestamp"}, {name: "stageTimestamp"}, {name: "lastTimestamp"}, {name: "firstTimestamp"},
		{name: "metadata", below: []string{"eventCreationTime", "creationTimestamp", "original_time", "logged_time"}},
		// AWS: Route 53 Resolver, API Gateway, GuardDuty, VPC flow logs.
		{name: "query_timestamp"}, {name: "requestTimeEpoch"}, {name: "requestTime"},
		{name: "service", below: []string{"eventLastSeen", "eventFirstSeen"}},
		// Google: Workspace, Cloud audit; Cloudflare; Auth0; OpenTelemetry; journald; osquery.
		{name: "id", below: []string{"time"}},
		{name: "protoPayload", below: []string{"timestamp", "requestMetadata.requestAttributes.time"}},
		{name: "receiveTimestamp"}, {name: "EdgeStartTimestamp"},
		{name: "data", below: []string{"date", "timestamp", "time"}},
		{name: "detail", below: []string{"eventTime", "timestamp"}},
		{name: "timeUnixNano"}, {name: "observedTimeUnixNano"},
		{name: "_SOURCE_REALTIME_TIMESTAMP"}, {name: "__REALTIME_TIMESTAMP"},
		{name: "unixTime"}, {name: "calendarTime"},
		{name: "state", below: []string{"created_at", "status_time"}},
		{name: "issue", below: []string{"created"}},
		// CEF and LEEF, as ingest/format takes them apart.
		{name: "extension", below: []string{"rt", "end", "start", "deviceReceiptTime"}},
		{name: "attributes", below: []string{"devTime"}},
		// Further spellings.
		{name: "timestamp_ms"}, {name: "timestamp_utc"}, {name: "UTCTimestamp"}, {name: "_timestamp"},
		{name: "log_time"}, {name: "log_date"}, {name: "log_timestamp"}, {name: "syslog_timestamp"}, {name: "event_date"},
		{name: "event_datetime"},
		{name: "occurred_at"}, {name: "messageTime"}, {name: "generatedDateTime"}, {name: "effective_at"},
		{name: "CreationDate"}, {name: "date (utc)"}, {name: "date and time"},
		{name: "created"}, {name: "created_on"}, {name: "date_create"}, {name: "date"},
		{name: "start_time"}, {name: "start_date"}, {name: "start"}, {name: "first_seen_time"}, {name: "p_event_time"},
		// Security Hub without CreatedAt; nginx, Python, MongoDB, Palo Alto, ArcSight.
		{name: "UpdatedAt"}, {name: "LastObservedAt"}, {name: "FirstObservedAt"},
		{name: "time_iso8601"}, {name: "time_local"}, {name: "asctime"}, {name: "t", object: true},
		{name: "generated_time"}, {name: "receive_time"}, {name: "deviceReceiptTime"}, {name: "EventReceivedTime"},
	}
	for i := range weak {
		weak[i].weak = true
	}
	all := append(strong, weak...)
	for i := range all {
		if all[i].below == nil { // as MongoDB exports times
			all[i].below = []string{"$date", "$date.$numberLong", "$numberLong"}
		}
	}
	return all
}

// timePlaces finds the place of a name, as foldTimeKey has it, among usualTimes.
func timePlaces(usual []usualTime) map[string]uint8 {
	places := make(map[string]uint8, len(usual))
	for i, u := range usual {
		var folded [maxTimeKey]byte
		if key := foldTimeKey(&folded, []byte(u.name)); i > 0 && i != pairPrio && places[string(key)] == 0 {
			places[string(key)] = uint8(i)
		}
	}
	return places
}

// foldTimeKey writes a name without what people spell in several ways: case,
// and what joins words (event_time, Event Time, event-time, eventTime).
func foldTimeKey(into *[maxTimeKey]byte, name []byte) []byte {
	out := into[:0]
	for i, c := range name {
		switch {
		case c >= 'A' && c <= 'Z':
			c |= 0x20
		case i > 0 && (c == '_' || c == '-' || c == ' '):
			continue
		}
		out = append(out, c)
	}
	return out
}

// timePriority is the place of a key among the usual names of an event's time,
// from 1; 0 for any other name.
func timePriority(places map[string]uint8, name []byte) uint8 {
	if len(name) > maxTimeKey {
		return 0
	}
	var folded [maxTimeKey]byte
	return places[string(foldTimeKey(&folded, name))]
}

// learnTimes prepares what finding times needs.
func (b *Batch) learnTimes() {
	b.usual = usualTimes()
	b.timePlace = timePlaces(b.usual)
	b.below = make([][][]string, len(b.usual))
	b.otherHalf, b.timeOther = make([]uint8, len(b.usual)), otherHalfOf(b.timePath)
	for i, u := range b.usual {
		b.otherHalf[i] = timePriority(b.timePlace, []byte(otherHalf(u.name)))
		for _, path := range u.below {
			b.below[i] = append(b.below[i], strings.Split(path, "."))
		}
	}
	b.misses = make([]uint64, len(b.usual)+1)
	b.layoutYear = layoutHasYear(b.o.TimeFormat)
}

// layoutHasYear tells whether two years look different in a layout.
func layoutHasYear(layout string) bool {
	at := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
	return at.Format(layout) != at.AddDate(10, 0, 0).Format(layout)
}

// pair moves from the bracket of [time, event] to the event. Anything else
// stays where it is.
func (b *Batch) pair() bool {
	s := &b.s
	from := s.p
	at, ok := s.pair()
	if ok {
		b.candidate(pairPrio, span{}, at)
		return true
	}
	s.p, s.nesting, s.fault = from, 0, ""
	return false
}

// countMiss notes that the event at hand has the time of publishing.
func (b *Batch) countMiss() {
	if b.unread == noPlace {
		b.misses[len(b.misses)-1]++
		return
	}
	b.misses[b.unread]++
}

// TimeMiss counts events that have the time at which they were published.
type TimeMiss struct {
	Path   string // of what was there and is not a time; empty: nothing was
	Events uint64
}

// TimeMisses are the events without a time of their own, by the usual path, or
// the configured one, at which the first thing stood that is not a time.
func (b *Batch) TimeMisses() (out []TimeMiss) {
	for i, n := range b.misses {
		switch {
		case n == 0:
		case b.timePath != nil:
			out = append(out, TimeMiss{b.o.TimePath, n})
		case i == len(b.usual):
			out = append(out, TimeMiss{"", n})
		default:
			out = append(out, TimeMiss{b.usual[i].name, n})
		}
	}
	return out
}
