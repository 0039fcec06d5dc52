package daemon

import (
	"context"
	"time"

	"github.com/lakeward/lakeward/tiers"
)

// retainEvery is how often old rows of the analytics tier are looked for.
const retainEvery = time.Hour

// retain deletes the analytics tier's rows that are older than its retention,
// now and every hour until ctx ends.
func (a *Daemon) retain(ctx context.Context) error {
	if a.cfg.Analytics.Retention <= 0 {
		return nil
	}
	tick := time.NewTicker(retainEvery)
	defer tick.Stop()
	for {
		if a.heldByClock() != "" {
			a.log.Warn("no old rows of the analytics tier are removed, because the clock has leapt; it is tried again in an " +
				"hour")
		} else if err := a.retainOnce(ctx, time.Now().UTC()); err != nil {
			a.log.Error("remove old rows of the analytics tier; it is tried again in an hour", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (a *Daemon) retainOnce(ctx context.Context, now time.Time) error {
	tables, err := a.analytics.Tables(ctx)
	if err != nil {
		return err
	}
	for _, t := range tables {
		column := tiers.ColTime
		if _, ok := t.Schema.Lookup(column); !ok {
			column = tiers.ColWindowEnd
		}
		n, err := a.analytics.Retain(ctx, t.Name, column, now.Add(-a.cfg.Analytics.Retention))
		if err != nil {
			return err
		}
		if n > 0 {
			a.log.Info("removed old rows", "table", "analytics."+t.Name, "rows", n)
		}
	}
	return nil
}
