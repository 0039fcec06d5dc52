package columnar

import (
	"bytes"
	"slices"
	"strings"

	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/parquetfile"
)

// Names of Options.Metadata; headers follow their prefix.
const (
	MetaSubject   = "subject"
	MetaSequence  = "sequence"
	MetaPublished = "published"
	MetaHeaders   = "headers"
)

// What is kept of a message's header, which is its publisher's text.
const (
	maxHeaders     = 64 << 10 // bytes that are looked at
	maxHeaderValue = 1 << 10  // bytes of a value
)

// metaColumn is a column of what the stream says of a message.
type metaColumn struct {
	name string
	up   *parquetfile.Column // the struct headers; nil: the column is at the top
	col  *parquetfile.Column
}

// metadataFields are the columns that metadata asks for.
func metadataFields(names []string) (out []tiers.Field) {
	for _, name := range names {
		kind := tiers.KindString
		switch name {
		case MetaSequence:
			kind = tiers.KindLong
		case MetaPublished:
			kind = tiers.KindTimestamp
		}
		path := []string{name}
		if header, ok := strings.CutPrefix(name, MetaHeaders+"."); ok {
			path = []string{MetaHeaders, header}
		}
		f := tiers.Field{Name: path[len(path)-1], Type: tiers.Type{Kind: kind}, Doc: "of the message: " + name}
		if len(path) > 1 {
			f = tiers.Field{Name: MetaHeaders, Type: tiers.Type{Kind: tiers.KindStruct, Fields: []tiers.Field{f}}}
		}
		out = withDeclared(out, []tiers.Field{f})
	}
	return out
}

// bindMetadata finds the columns. A column of the table that has another type
// stays as it is.
func (b *Batch) bindMetadata() {
	b.meta, b.subject = b.meta[:0], nil
	for _, name := range b.o.Metadata {
		m := metaColumn{name: name}
		at := b.root.fold[name]
		if header, ok := strings.CutPrefix(name, MetaHeaders+"."); ok {
			up := b.root.fold[MetaHeaders]
			if up == nil || up.keys == nil {
				continue
			}
			m.up, m.name, at = up.col, header, up.fold[strings.ToLower(header)]
		}
		want := metadataFields([]string{name})[0].Type.Kind
		if want == tiers.KindStruct {
			want = tiers.KindString
		}
		if at == nil || at.col.Kind != want ||
			slices.ContainsFunc(b.meta, func(c metaColumn) bool { return c.col == at.col }) {
			continue
		}
		m.col = at.col
		b.meta = append(b.meta, m)
	}
}

// metadataNames are the names at the top that belong to metadata, in lower case.
func (b *Batch) metadataNames() map[string]bool {
	names := map[string]bool{}
	for _, f := range metadataFields(b.o.Metadata) {
		names[strings.ToLower(f.Name)] = true
	}
	return names
}

// setMetadata writes what the stream says of the row's message.
func (b *Batch) setMetadata(row int, m Meta) {
	if b.o.Metadata == nil {
		if len(m.Subject) > 0 && b.defaultSubject() {
			b.subject.SetBytes(row, m.Subject)
		}
		return
	}
	for _, c := range b.meta {
		switch {
		case c.up != nil:
			if value, ok := HeaderValue(m.Header, c.name); ok {
				c.up.SetStruct(row)
				c.col.SetBytes(row, value)
			}
		case c.name == MetaSubject:
			c.col.SetBytes(row, m.Subject)
		case c.name == MetaSequence:
			c.col.SetInt(row, int64(m.Seq))
		case c.name == MetaPublished:
			c.col.SetInt(row, m.Published.UnixMicro())
		}
	}
}

// defaultSubject makes the column stream_subject when the first subject comes
// that the table's name does not tell.
func (b *Batch) defaultSubject() bool {
	if b.subject == nil {
		b.subject = b.subjectNode().col
	}
	return b.subject.Kind == tiers.KindString
}

// subjectNode is the column stream_subject, made if it is missing.
func (b *Batch) subjectNode() *node {
	n := b.root.fold[tiers.ColStreamSubject]
	if n == nil {
		n = b.add(b.root, tiers.Field{Name: tiers.ColStreamSubject, Type: tiers.Type{Kind: tiers.KindString}})
		n.doc = "subject of the message"
	}
	return n
}

// IsHeader tells a name of Options.Metadata that is a header's.
func IsHeader(name string) bool { return strings.HasPrefix(name, MetaHeaders+".") }

// KeptHeader is what is looked at of a message's header.
func KeptHeader(header []byte) []byte { return header[:min(len(header), maxHeaders)] }

// HeaderValue is the first value of a header by name, whatever its case: at
// most maxHeaderValue bytes, in UTF-8.
func HeaderValue(headers []byte, name string) (value []byte, ok bool) {
	headers = KeptHeader(headers)
	for len(headers) > 0 {
		var line []byte
		line, headers, _ = bytes.Cut(headers, []byte("\r\n"))
		if len(line) <= len(name) || line[len(name)] != ':' || !bytes.EqualFold(line[:len(name)], []byte(name)) {
			continue
		}
		value = bytes.TrimSpace(line[len(name)+1:])
		value = bytes.ToValidUTF8(value[:min(len(value), maxHeaderValue)], []byte("\uFFFD"))
		return value, true
	}
	return nil, false
}
