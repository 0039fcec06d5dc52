// Package format takes messages apart into events: one file for each form that
// publishers write. A new one is a file here and a line in All.
package format

import (
	"fmt"
	"iter"

	"github.com/lakeward/lakeward/ingest/columnar"
)

// A Format says how the events of a message are written.
type Format interface {
	// Name is what a configuration calls it.
	Name() string
	// Events yields the events of a message, each as one JSON value that
	// columnar.Batch.Append reads, valid until the next. What is yielded with an
	// error is a part that cannot be an event, or, with a *Whole, the message. A
	// message without events yields nothing. It keeps no state, so that a message replayed later has the same
	// events.
	Events(data []byte) iter.Seq2[[]byte, error]
}

// All are the formats, the default first.
func All() []Format {
	return []Format{auto{}, text{"json"}, text{"ndjson"}, table{}, lines{"syslog", appendSyslog}, lines{"cef", appendCEF},
		lines{"leef", appendLEEF}, lines{"kv", appendPairs}, arrow(), parquet()}
}

// Named is the format of that name; empty: the default.
func Named(name string) (Format, error) {
	all := All()
	if name == "" {
		return all[0], nil
	}
	for _, f := range all {
		if f.Name() == name {
			return f, nil
		}
	}
	return nil, fmt.Errorf("unknown format %q", name)
}

// JSON tells whether a message of a format is JSON, and how columnar.Split takes
// it apart: without an allocation, as Events cannot.
func JSON(f Format, data []byte) (how string, is bool) {
	switch f := f.(type) {
	case text:
		return f.name, true
	case auto:
		return f.Name(), len(data) == 0 || data[0] == '{' || other(data) == nil
	}
	return "", false
}

// text is JSON, as columnar.Split has it.
type text struct{ name string }

func (t text) Name() string { return t.name }

func (t text) Events(data []byte) iter.Seq2[[]byte, error] { return columnar.Split(t.name, data) }
