package worker

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"time"
)

// relay logs the lines of JSON that a worker logs.
type relay struct {
	log  *slog.Logger
	name string

	mu    sync.Mutex
	left  []byte
	lines int
	since time.Time // the first of these lines
}

const (
	mostLine  = 64 << 10 // bytes
	mostLines = 500      // within a minute; what is more is left out
)

// may counts a line and reports whether it should be logged.
func (r *relay) may() bool {
	if now := time.Now(); now.Sub(r.since) > time.Minute {
		r.lines, r.since = 0, now
	}
	r.lines++
	if r.lines == mostLines {
		r.log.Warn("an engine worker logs too much; the rest of this minute is left out", "worker", r.name)
	}
	return r.lines < mostLines
}

// Write implements io.Writer.
func (r *relay) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.left = append(r.left, b...)
	for {
		line, rest, whole := bytes.Cut(r.left, []byte("\n"))
		if !whole {
			break
		}
		r.left = rest
		if r.may() {
			r.line(line)
		}
	}
	if len(r.left) > mostLine {
		r.left = nil
	}
	return len(b), nil
}

func (r *relay) line(b []byte) {
	var fields map[string]any
	if json.Unmarshal(b, &fields) != nil {
		return
	}
	var level slog.Level
	text, _ := fields[slog.LevelKey].(string)
	if level.UnmarshalText([]byte(text)) != nil {
		level = slog.LevelInfo
	}
	msg, _ := fields[slog.MessageKey].(string)
	args := []any{"worker", r.name}
	for k, v := range fields {
		if k != slog.LevelKey && k != slog.MessageKey && k != slog.TimeKey {
			args = append(args, k, v)
		}
	}
	r.log.Log(context.Background(), level, msg, args...)
}
