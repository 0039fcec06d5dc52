package ingest

import (
	"context"
	"testing"
	"testing/synctest"
)

// silentStream is a stream whose server does not answer.
type silentStream struct{ *memStream }

func (silentStream) Info(ctx context.Context, _ string) (StreamInfo, error) {
	<-ctx.Done()
	return StreamInfo{}, ctx.Err()
}

func TestASourceThatHasReadNothingEndsWithoutAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		o := w.options(w.lake)
		o.Stream = silentStream{w.stream}
		r := w.run(o)
		synctest.Wait()
		if err := r.end(); err != nil {
			t.Error(err)
		}
	})
}
