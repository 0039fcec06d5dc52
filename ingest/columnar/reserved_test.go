package columnar

import (
	"slices"
	"strings"
	"testing"

	"github.com/lakeward/lakeward/tiers"
)

// TestNamesOfLakewardsOwnInAnyCase: SQL knows no case, so a column beside one
// of Lakeward's own that differs only in case would make the table unreadable,
// and a value within it would pretend to be what Lakeward says.
func TestNamesOfLakewardsOwnInAnyCase(t *testing.T) {
	m := Meta{Seq: 1, Published: published, Subject: []byte("events.acme.a"),
		Header: []byte("NATS/1.0\r\nhost: a\r\n\r\n")}
	tests := []struct {
		event    string
		metadata []string
		want     string // the columns with a value, but for those that every row has
	}{
		{`{"Stream_Subject":"mine"}`, nil, "stream_subject=events.acme.a stream_subject_text=mine"},
		{`{"stream_subject":{"a":1}}`, nil, "stream_subject=events.acme.a stream_subject_object"},
		{`{"STREAM_SUBJECT":"mine"}`, []string{MetaSubject}, "subject=events.acme.a stream_subject_text=mine"},
		{`{"Subject":"mine"}`, []string{MetaSubject}, "subject=events.acme.a subject_text=mine"},
		{`{"Headers":{"Host":"mine","tenant":"mine"}}`, []string{"headers.host", "headers.tenant"},
			"headers headers.host=a headers_object"},
		{`{"HEADERS.tenant":"mine"}`, []string{"headers.host", "headers.tenant"}, "unmapped headers headers.host=a"},
		{`{"a":1}`, []string{"headers.host", "headers.Host"}, "headers headers.host=a a"},
		{`{"Time_Source":"mine","INGEST_TIME":"mine"}`, []string{}, "time_source_text=mine ingest_time_text=mine"},
		{`{"Event_ID":"mine","_EVENT_ID":"mine"}`, []string{}, "Event_ID=mine _event_id_text=mine"},
	}
	for _, tt := range tests {
		b := NewBatch(tiers.Schema{}, Options{Metadata: tt.metadata})
		if err := b.Append(m, published, []byte(tt.event)); err != nil {
			t.Errorf("%s: %v", tt.event, err)
			continue
		}
		if got := filled(b); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.event, got, tt.want)
		}
		checkRow(t, b, 0, []byte(tt.event))
		b.Reset(withIDs(b.Schema()))
		if err := b.Append(m, published, []byte(tt.event)); err != nil || sorted(filled(b)) != sorted(tt.want) {
			t.Errorf("%s, the table known: %s, want %s; %v", tt.event, filled(b), tt.want, err)
		}
	}
}

// filled are the columns of the first row with a value, those of texts with it.
func filled(b *Batch) string {
	var out []string
	for _, c := range b.t.Columns {
		switch c.Name {
		case tiers.ColTime, tiers.ColIngestTime, tiers.ColStreamSeq, b.idName, tiers.ColTimeSource:
			continue
		}
		switch {
		case !c.Has(0):
			continue
		case c.Kind == tiers.KindString && c.Name != tiers.ColUnmapped:
			out = append(out, c.Name+"="+string(c.Bytes(0)))
		default:
			out = append(out, c.Name)
		}
		if host := c.Member("host"); c.Name == MetaHeaders && host.Has(0) {
			out = append(out, "headers.host="+string(host.Bytes(0)))
		}
	}
	return strings.Join(out, " ")
}

func sorted(words string) string {
	s := strings.Fields(words)
	slices.Sort(s)
	return strings.Join(s, " ")
}

// TestDeclaredNamesInAnyCase: a declaration is of the column of that name,
// however the table spells it.
func TestDeclaredNamesInAnyCase(t *testing.T) {
	text := tiers.Type{Kind: tiers.KindString}
	declared := tiers.Schema{Fields: []tiers.Field{{Name: "User", Type: text}, {Name: "Event_ID", Type: text}}}
	b := NewBatch(tiers.Schema{}, Options{Declared: declared})
	add(t, b, `{"user":"ada","event_id":"x"}`)
	if got := types(b.Schema()); got != "User string; Event_ID string" || b.Schema().EventID() != tiers.ColOwnEventID {
		t.Errorf("schema %s, ids in %s", got, b.Schema().EventID())
	}
	known := withIDs(tiers.Schema{Fields: append(tiers.BaseFields(), tiers.Field{Name: "user", Type: text},
		tiers.Field{Name: "Subject", Type: text})})
	b = NewBatch(known, Options{Declared: declared, Metadata: []string{MetaSubject}})
	if got := types(b.Schema()); got != "user string; Subject string" {
		t.Errorf("schema of a table that was there before: %s", got)
	}
}
