package pipeline

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// TimeError is a plan, an explanation or a test that took too long. It wraps
// context.DeadlineExceeded.
type TimeError struct {
	What  string
	Limit time.Duration
}

// Error says what took too long, and what to do.
func (e *TimeError) Error() string {
	return fmt.Sprintf("%s: it took longer than pipelines.plan_timeout, %s, and was ended; nothing was kept. "+
		"Take a shorter time or fewer rows, or raise the limit", e.What, e.Limit)
}

// Unwrap is the class of error.
func (e *TimeError) Unwrap() error { return context.DeadlineExceeded }

// Within does f, which keeps nothing, within a limit of time; 0 means no limit.
func Within(ctx context.Context, limit time.Duration, what string, f func(context.Context) error) error {
	if limit <= 0 {
		return f(ctx)
	}
	over := &TimeError{what, limit}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, over)
	defer cancel()
	err := f(ctx)
	if err != nil && errors.Is(context.Cause(ctx), over) {
		return over
	}
	return err
}
