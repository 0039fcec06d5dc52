package ingest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func (r *running) state(want string) Status {
	r.w.Helper()
	r.until(func(s Status) bool { return s.State == want })
	return r.Status()
}

// fill publishes messages with ids from "PREFIX0" on, one in five of them bad.
func (w *world) fill(prefix string, n int) {
	for i := range n {
		data := fmt.Sprintf(`{"n":%d}`, i)
		if i%5 == 4 {
			data = "bad"
		}
		w.stream.publish(fmt.Sprint("events.t", i%2), fmt.Sprint(prefix, i), data)
	}
}

func TestAStreamThatIsAnotherOneHaltsUntilItIsReset(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(w *world)
		reason string
		reset  ResetRequest
		rows   int // in the end, quarantine included
		next   uint64
	}{
		"made anew": {func(w *world) { w.stream.recreate(); w.fill("b", 10) }, "made anew",
			ResetRequest{Mode: FromStart}, 30, 1},
		"made anew, the old part left out": {func(w *world) { w.stream.recreate(); w.fill("b", 10) }, "made anew",
			ResetRequest{Mode: FromSeq, Seq: 6}, 25, 6},
		"restored from an older copy": {func(w *world) { w.stream.rollBack(12) }, "restored from an older copy",
			ResetRequest{Mode: FromNow}, 20, 13},
		"restored, and gone on beyond the mark": {func(w *world) { w.stream.rollBack(12); w.fill("b", 10) },
			"has gone on since",
			ResetRequest{Mode: FromTime, Time: time.Date(2026, 11, 2, 12, 30, 0, 0, time.UTC)}, 30, 13},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.fill("a", 20)
				r := w.run(w.options(w.lake))
				r.caughtUp()
				began := time.Now()
				tc.change(w)
				if st := r.state(Halted); !strings.Contains(st.Reason, tc.reason) ||
					!strings.Contains(st.Reason, "source reset events") {
					t.Errorf("the reason is %q", st.Reason)
				}
				if took := time.Since(began); took > 5*time.Second {
					t.Errorf("halted after %s", took)
				}
				tc.reset.By, tc.reset.Reason = "ada@host", "a test"
				p, err := r.PlanReset(t.Context(), tc.reset)
				if err != nil || p.New.Seq+1 != tc.next || p.Trouble == "" {
					t.Fatalf("plan %+v, %v", p, err)
				}
				if _, err := r.Reset(t.Context(), tc.reset); err != nil {
					t.Fatal(err)
				}
				r.caughtUp()
				w.fill("c", 10)
				r.caughtUp()
				if err := r.end(); err != nil {
					t.Fatal(err)
				}
				got := len(w.rows("t0")) + len(w.rows("t1")) + len(w.rows(Quarantine))
				if got != tc.rows+10 {
					t.Errorf("%d rows, want %d\n%s", got, tc.rows+10, w.content())
				}
				rep := w.verify()
				if len(rep.Earlier) != 1 || rep.Earlier[0].Messages != 20 || rep.Earlier[0].Reset.By != "ada@host" ||
					Count(rep.LeftOut) != tc.next-1 {
					t.Errorf("verify:\n%s", rep)
				}
				w.drain(w.options(w.lake)) // a restart changes nothing
				if again := w.content(); strings.Count(again, "\n") < tc.rows+10 {
					t.Errorf("after a restart:\n%s", again)
				}
				in, err := New(w.options(w.lake)).Inspect(t.Context(), "EVENTS")
				if err != nil || len(in.Resets) != 1 || in.Lag != 0 || len(in.Gaps) != 0 || in.Quarantined == 0 {
					t.Errorf("inspection %v\n%s", err, in)
				}
			})
		})
	}
}

// TestAResetThatIsCutShortIsFinishedByAnother fails each operation of a reset
// in turn.
func TestAResetThatIsCutShortIsFinishedByAnother(t *testing.T) {
	ops := 0 // of a reset without a fault, which is the first one
	for kind := range faults {
		for at := min(ops, 1); at <= ops; at++ {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.fill("a", 20)
				w.drain(w.options(w.lake))
				w.stream.recreate()
				w.fill("b", 20)
				l := newFaultyLake(w.lake, at, kind)
				ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
				defer stop()
				o := w.options(l)
				_, err := New(o).Reset(ctx, ResetRequest{Mode: FromStart})
				if ops == 0 {
					ops = l.n
				}
				if err != nil { // the person does it again
					if _, err = New(w.options(w.lake)).Reset(t.Context(), ResetRequest{Mode: FromStart}); err != nil {
						t.Fatalf("%s at %d (%s): %v", kind, at, l.names[at-1], err)
					}
				}
				w.drain(w.options(w.lake))
				if got := len(w.rows("t0")) + len(w.rows("t1")) + len(w.rows(Quarantine)); got != 40 {
					t.Errorf("%s at %d: %d rows, want 40\n%s", kind, at, got, w.content())
				}
				w.verify()
			})
			if t.Failed() {
				return
			}
		}
	}
	if ops < 7 {
		t.Errorf("only %d operations", ops)
	}
}

func TestAHalfResetHalts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.fill("a", 20)
		w.drain(w.options(w.lake))
		w.stream.recreate()
		w.fill("b", 20)
		l := newFaultyLake(w.lake, 0, crashAfter)
		for l.at = 1; ; l.at++ {
			l.n, l.dead = 0, make(chan struct{})
			ctx, stop := context.WithTimeout(t.Context(), time.Minute)
			_, err := New(w.options(l)).Reset(ctx, ResetRequest{Mode: FromStart})
			stop()
			if err == nil || l.names[len(l.names)-1] == "commit quarantine" {
				break
			}
		}
		r := w.run(w.options(w.lake))
		if st := r.state(Halted); !strings.Contains(st.Reason, "not finished") {
			t.Errorf("the reason is %q", st.Reason)
		}
		in, err := r.Inspect(t.Context(), "EVENTS")
		if err != nil || !strings.Contains(in.Remedy, "finish the reset") {
			t.Errorf("%v\n%s", err, in)
		}
		if err := r.end(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestResetsThatMakeNoSense(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s := New(w.options(w.lake))
		if _, err := s.PlanReset(t.Context(), ResetRequest{Mode: FromStart}); !errors.Is(err, ErrReset) {
			t.Errorf("without marks: %v", err)
		}
		w.fill("a", 5)
		w.drain(w.options(w.lake))
		for _, r := range []ResetRequest{{Mode: FromSeq}, {Mode: FromSeq, Seq: 7}, {Mode: "back"},
			{Mode: FromStart, Created: time.Unix(1, 0)}} {
			if _, err := s.PlanReset(t.Context(), r); !errors.Is(err, ErrReset) {
				t.Errorf("%+v: %v", r, err)
			}
		}
		if p, err := s.PlanReset(t.Context(), ResetRequest{Mode: FromNow}); err != nil || p.Trouble != "" || p.New.Seq != 5 {
			t.Errorf("%+v, %v", p, err)
		}
	})
}
