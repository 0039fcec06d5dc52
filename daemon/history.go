package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/lakeward/lakeward/internal/disks"
	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/serve"
	"github.com/lakeward/lakeward/tiers"
)

// historyPause is the pause between two attempts to read the history.
const historyPause = 2 * time.Second

// history holds how far each pipeline had run when the daemon was started.
type history struct {
	read  func(context.Context) (map[string]time.Time, error) // last logical time of each pipeline
	disks func() []disks.State                                // as they are now
	log   *slog.Logger

	mu  sync.Mutex
	err error // why it cannot be read for now; nil: that is not so
}

// unread returns why no pipeline runs by the clock yet, or nil if they do.
func (h *history) unread() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.err
}

func (h *history) note(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.err = err
}

// await reads the history, and retries while it cannot be read. An error that will
// not pass, such as a corrupt or newer file, ends the retries, except for the first
// error: the disk may have recovered since. The map is nil if ctx ended.
func (h *history) await(ctx context.Context) (map[string]time.Time, error) {
	defer h.note(nil)
	doubted := false
	for said := false; ; said = true {
		done, err := h.read(ctx)
		if err == nil {
			return done, nil
		}
		if ctx.Err() != nil {
			return nil, nil
		}
		passes := h.passes(err)
		if !passes && doubted {
			return nil, err
		}
		doubted = !passes
		h.note(err)
		if !said {
			h.log.Warn("no pipeline runs until the history can be read", "error", err)
		}
		select {
		case <-time.After(historyPause):
		case <-ctx.Done():
			return nil, nil
		}
	}
}

// passes reports whether an error may go away by itself.
func (h *history) passes(err error) bool {
	for _, class := range []error{tiers.ErrAway, query.ErrMemory, query.ErrUnavailable} {
		if errors.Is(err, class) {
			return true
		}
	}
	return disks.Failing(h.disks()) != nil
}

// sayUnread adds to the status that the history of the pipelines cannot be read,
// if err says so. The daemon stays ready if a tier is away or the engine's memory
// is taken: it works on without.
func sayUnread(st *serve.Status, err error) {
	switch {
	case err == nil:
	case errors.Is(err, tiers.ErrAway):
		st.Degraded = append(st.Degraded, fmt.Sprintf("%v; events go on into the lake, pipelines wait and go on by "+
			"themselves", err))
	case errors.Is(err, query.ErrMemory):
		st.Degraded = append(st.Degraded, fmt.Sprintf("the history of the pipelines cannot be read at the moment; events "+
			"go on into the lake, and what waits for it goes on by itself: %v", err))
	default:
		st.Reasons = append(st.Reasons, fmt.Sprintf("the history of the pipelines cannot be read: %v", err))
	}
}
