// Package tiers is the domain: tables, data files, snapshots, marks, and the
// classes of error that decide what a caller does next. It imports no storage.
package tiers

import (
	"fmt"
	"strings"
)

// Kind is the type of a column's values.
type Kind uint8

// The kinds that a lake column can have, with their Iceberg types.
const (
	KindInvalid   Kind = iota
	KindBool           // boolean
	KindLong           // long
	KindDouble         // double
	KindString         // string
	KindBinary         // binary
	KindDate           // date
	KindTimestamp      // timestamptz, UTC microseconds
	KindStruct         // struct
	KindList           // list
	KindDecimal        // decimal(P,S)
)

var kindNames = [...]string{"invalid", "boolean", "long", "double", "string", "binary", "date", "timestamptz", "struct",
	"list", "decimal"}

// String returns the Iceberg name of the kind.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// ParseKind returns the scalar kind with the given Iceberg name.
func ParseKind(name string) (Kind, bool) {
	for k := KindBool; k <= KindTimestamp; k++ {
		if kindNames[k] == name {
			return k, true
		}
	}
	return KindInvalid, false
}

// Type is the type of a field. Fields is set for structs, Elem for lists,
// Precision and Scale (digits, and those of them after the point) for decimals.
type Type struct {
	Kind             Kind
	Fields           []Field
	Elem             *Field
	Precision, Scale int
}

// Field is a column, or a member of a struct, or the element of a list
// (named "element"). ID is the Iceberg field id; zero means not yet assigned.
type Field struct {
	ID       int
	Name     string
	Type     Type
	Required bool
	Doc      string
}

// Schema is a table's columns in order.
type Schema struct {
	ID     int
	Fields []Field
	// NamesStable says that a name has been one field's, and a field's only name, in
	// every schema that the table had: its files can be read by names.
	NamesStable bool
}

// Lookup returns the field at a dotted path such as src_endpoint.ip.
func (s Schema) Lookup(path string) (Field, bool) {
	fields := s.Fields
	for {
		name, rest, more := strings.Cut(path, ".")
		f, ok := find(fields, name)
		if !ok || !more {
			return f, ok
		}
		if f.Type.Kind != KindStruct {
			return Field{}, false
		}
		fields, path = f.Type.Fields, rest
	}
}

func find(fields []Field, name string) (Field, bool) {
	for _, f := range fields {
		if f.Name == name {
			return f, true
		}
	}
	return Field{}, false
}

// String renders the type the way Iceberg writes it.
func (t Type) String() string {
	switch t.Kind {
	case KindStruct:
		parts := make([]string, len(t.Fields))
		for i, f := range t.Fields {
			parts[i] = f.Name + ": " + f.Type.String()
		}
		return "struct<" + strings.Join(parts, ", ") + ">"
	case KindList:
		if t.Elem == nil {
			return "list<?>"
		}
		return "list<" + t.Elem.Type.String() + ">"
	case KindDecimal:
		return fmt.Sprintf("decimal(%d,%d)", t.Precision, t.Scale)
	default:
		return t.Kind.String()
	}
}

// The columns that every row of the lake carries.
const (
	ColTime       = "time"        // event time, UTC microseconds
	ColIngestTime = "ingest_time" // when the daemon decoded it, UTC microseconds
	ColStreamSeq  = "stream_seq"  // sequence in its JetStream stream
	ColEventID    = "event_id"    // message id, or one made of stream and sequence; see ingest/columnar
	ColUnmapped   = "unmapped"    // JSON of what does not fit a column
	ColTimeSource = "time_source" // path in the event that its time came from, or "received"

	// ColOwnEventID is what ColEventID is called in a table whose events have a
	// field event_id of their own.
	ColOwnEventID = "_event_id"
)

// ColStreamSubject is the subject of an event's message. A table of events has
// it from the first message on whose subject the table's name does not tell.
const ColStreamSubject = "stream_subject"

// EventID is the name of Lakeward's column event_id in a table of events:
// ColOwnEventID, or ColEventID. An event's own field is never required.
func (s Schema) EventID() string {
	if f, ok := find(s.Fields, ColOwnEventID); ok && f.Required {
		return ColOwnEventID
	}
	return ColEventID
}

// TimeSourceField returns the column that says where an event's time came from,
// without an id. Tables of events have it; those of bookkeeping do not.
func TimeSourceField() Field {
	return Field{Name: ColTimeSource, Type: Type{Kind: KindString}, Doc: "path that time came from, or received"}
}

// BaseFields returns the columns that every table of events starts with,
// without ids. Tables written by pipelines need not have them.
func BaseFields() []Field {
	return []Field{
		{Name: ColTime, Type: Type{Kind: KindTimestamp}, Required: true, Doc: "event time, UTC"},
		{Name: ColIngestTime, Type: Type{Kind: KindTimestamp}, Required: true, Doc: "time of decoding, UTC"},
		{Name: ColStreamSeq, Type: Type{Kind: KindLong}, Required: true, Doc: "sequence in the stream"},
		{Name: ColEventID, Type: Type{Kind: KindString}, Required: true, Doc: "message id, or hash of stream and sequence"},
		{Name: ColUnmapped, Type: Type{Kind: KindString}, Doc: "JSON of what does not fit a column"},
	}
}
