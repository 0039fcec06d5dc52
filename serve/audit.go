package serve

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// Entry is one line of the audit log.
type Entry struct {
	Time    time.Time         `json:"time"` // when it was asked
	Who     string            `json:"who"`  // name of the token, or local
	Role    Role              `json:"role"`
	Remote  string            `json:"remote"`
	Action  string            `json:"action"` // query, or noun and verb
	SQL     string            `json:"sql,omitempty"`
	Tables  []string          `json:"tables,omitempty"`
	Object  string            `json:"object,omitempty"`
	Args    map[string]string `json:"args,omitempty"`
	Rows    int64             `json:"rows"`
	Millis  int64             `json:"duration_ms"`
	Outcome Outcome           `json:"outcome"`
	Error   string            `json:"error,omitempty"`
}

// mostTables is how many tables one entry names.
const mostTables = 200

// name adds tables that are not among the entry's yet.
func (e *Entry) name(tables []string) {
	for _, t := range tables {
		if at, known := slices.BinarySearch(e.Tables, t); !known && len(e.Tables) < mostTables {
			e.Tables = slices.Insert(e.Tables, at, shortened(t))
		}
	}
}

// Outcome is how something ended.
type Outcome string

// The outcomes.
const (
	OutcomeOK       Outcome = "ok"
	OutcomeFailed   Outcome = "failed"
	OutcomeRefused  Outcome = "refused"  // the token's role does not include it
	OutcomeCanceled Outcome = "canceled" // whoever asked has gone
)

const (
	auditSync    = time.Second // written lines reach the disk this often
	maxAuditText = 32 << 10    // bytes of one text of a line
)

// AuditOptions say where the audit log is and how large it may be.
type AuditOptions struct {
	Path     string
	MaxBytes int64 // of one file; beyond it the file becomes Path.1
	Keep     int   // old files
	Logger   *slog.Logger
}

// Audit appends what was asked to a file of JSON lines that only its owner
// reads. A line is written when it is recorded and synced with its neighbours.
// Safe for concurrent use.
type Audit struct {
	o    AuditOptions
	quit chan struct{}
	done chan struct{}

	mu     sync.Mutex
	f      *os.File
	size   int64
	dirty  bool // written and not synced
	torn   bool // the file does not end with a line's end
	errors uint64
	failed bool // the last write failed; logged once
}

// OpenAudit opens the log, and begins a new line if the last one was cut off.
// The caller closes it.
func OpenAudit(o AuditOptions) (*Audit, error) {
	a := &Audit{o: o, quit: make(chan struct{}), done: make(chan struct{})}
	if err := a.open(); err != nil {
		return nil, err
	}
	go a.syncAll()
	return a, nil
}

func (a *Audit) open() error {
	f, err := os.OpenFile(a.o.Path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("open audit log: %w", err)
	}
	st, err := f.Stat()
	if err == nil {
		err = f.Chmod(0o600)
	}
	last := []byte{'\n'}
	if err == nil && st.Size() > 0 {
		_, err = f.ReadAt(last, st.Size()-1)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("open audit log %s: %w", a.o.Path, err), f.Close())
	}
	a.f, a.size, a.torn = f, st.Size(), last[0] != '\n'
	return nil
}

// Record appends one entry. That it could not be is logged and counted; what
// it tells of has happened already.
func (a *Audit) Record(e Entry) {
	e.SQL, e.Error = shortened(e.SQL), shortened(e.Error)
	e.Args = maps.Clone(e.Args)
	for k, v := range e.Args {
		e.Args[k] = shortened(v)
	}
	line, err := json.Marshal(e)
	a.mu.Lock()
	defer a.mu.Unlock()
	if err == nil {
		err = a.write(append(line, '\n'))
	}
	switch {
	case err == nil:
		a.failed = false
	default:
		a.errors++
		if !a.failed {
			a.failed = true
			a.o.Logger.Error("write the audit log; it is tried again with the next entry", "file", a.o.Path, "err", err)
		}
	}
}

func shortened(s string) string {
	if len(s) <= maxAuditText {
		return s
	}
	return fmt.Sprintf("%s... (%d bytes)", s[:maxAuditText], len(s))
}

func (a *Audit) write(line []byte) error {
	if a.f == nil || (a.size > 0 && a.size+int64(len(line)) > a.o.MaxBytes) {
		if err := a.rotate(); err != nil {
			return err
		}
	}
	if a.torn {
		line = append([]byte{'\n'}, line...)
	}
	n, err := a.f.Write(line)
	a.size += int64(n)
	a.dirty = true
	if err != nil {
		a.torn = n > 0 || a.torn
		return err // names the file
	}
	a.torn = false
	return nil
}

// rotate puts the file aside and begins a new one. Without a.f, an earlier
// rotation was cut short, and only the beginning is left to do.
func (a *Audit) rotate() error {
	if a.f == nil {
		return a.open()
	}
	err := errors.Join(a.f.Sync(), a.f.Close())
	a.f, a.dirty = nil, false
	if err != nil {
		return err
	}
	for i := a.o.Keep - 1; i >= 1; i-- {
		if err := os.Rename(a.old(i), a.old(i+1)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	if err := os.Rename(a.o.Path, a.old(1)); err != nil {
		return err
	}
	return errors.Join(a.open(), syncDir(filepath.Dir(a.o.Path)))
}

func (a *Audit) old(i int) string { return fmt.Sprintf("%s.%d", a.o.Path, i) }

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (a *Audit) syncAll() {
	defer close(a.done)
	tick := time.NewTicker(auditSync)
	defer tick.Stop()
	for {
		select {
		case <-a.quit:
			return
		case <-tick.C:
			if err := a.sync(); err != nil {
				a.o.Logger.Error("sync the audit log", "file", a.o.Path, "err", err)
			}
		}
	}
}

// sync leaves writers free meanwhile. A file that was put aside was synced.
func (a *Audit) sync() error {
	a.mu.Lock()
	f, dirty := a.f, a.dirty
	a.dirty = false
	a.mu.Unlock()
	if f == nil || !dirty {
		return nil
	}
	if err := f.Sync(); err != nil && !errors.Is(err, os.ErrClosed) {
		return err
	}
	return nil
}

// lost is how many entries could not be written.
func (a *Audit) lost() float64 {
	if a == nil {
		return 0
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return float64(a.errors)
}

// Close syncs and closes the log. Nothing is recorded afterwards.
func (a *Audit) Close() error {
	close(a.quit)
	<-a.done
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.f == nil {
		return nil
	}
	return errors.Join(a.f.Sync(), a.f.Close())
}
