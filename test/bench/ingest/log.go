package main

import (
	"bytes"
	"encoding/json"
	"sync"
	"time"
)

// readyLine is the daemon's line of log that says that it takes events.
type readyLine struct {
	Time time.Time `json:"time"`
	Msg  string    `json:"msg"`
	HTTP string    `json:"http"`
}

const readyMessage = "ready to take events"

// lines keeps a daemon's log, and finds the line that it is ready.
type lines struct {
	mu    sync.Mutex
	all   bytes.Buffer
	read  int // of all: what was looked at
	ready chan readyLine
}

func newLines() *lines { return &lines{ready: make(chan readyLine, 1)} }

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all.Write(p)
	for {
		line, _, ok := bytes.Cut(l.all.Bytes()[l.read:], []byte("\n"))
		if !ok {
			return len(p), nil
		}
		l.read += len(line) + 1
		var r readyLine
		if json.Unmarshal(line, &r) == nil && r.Msg == readyMessage {
			select {
			case l.ready <- r:
			default:
			}
		}
	}
}

func (l *lines) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.String()
}
