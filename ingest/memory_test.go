package ingest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lakeward/lakeward/tiers"
)

func TestUnderPressureTheLargestBatchIsClosedAndTheOldestOfEquals(t *testing.T) {
	old, young := time.Unix(1, 0), time.Unix(2, 0)
	for name, c := range map[string]struct {
		mine, other           int64
		mineSince, otherSince time.Time
		close, pressed        bool
	}{
		"room for both":       {10, 10, old, young, false, false},
		"mine is larger":      {70, 40, young, old, true, false},
		"the other is larger": {40, 70, old, young, false, true},
		"mine is older":       {50, 50, old, young, true, false},
		"the other is older":  {50, 50, young, old, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			m := NewMemory(300) // of which 100 may fill
			a, b := m.open(), m.open()
			b.filling(c.other, c.otherSince)
			if got := a.filling(c.mine, c.mineSince); got != c.close {
				t.Errorf("close mine: %v", got)
			}
			pressed := false
			select {
			case <-b.press:
				pressed = true
			default:
			}
			if pressed != c.pressed {
				t.Errorf("the other is told: %v", pressed)
			}
		})
	}
}

func TestASourceWaitsUntilMemoryIsGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMemory(300)
		a, b := m.open(), m.open()
		a.update(func(h *holding) { h.sealed = 200 })
		b.update(func(h *holding) { h.sealed = 100 })
		done := make(chan error)
		go func() { done <- a.wait(t.Context()) }()
		synctest.Wait()
		select {
		case err := <-done:
			t.Fatalf("it does not wait: %v", err)
		default:
		}
		b.close()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if used := m.Used(); used != 200 {
			t.Errorf("%d bytes are in use", used)
		}
	})
}

func TestWhoWaitsForMemoryGoesWithItsContext(t *testing.T) {
	m := NewMemory(1)
	c := m.open()
	c.update(func(h *holding) { h.sealed = 1 })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.wait(ctx); err == nil {
		t.Error("no error")
	}
}

// wideEvent has one of many columns: as columns, it takes a slot of each.
func wideEvent(n int) string { return fmt.Sprintf(`{"column_%d":%d}`, n*7%900, n) }

func TestShortEventsOfWideAndManyTablesStayWithinTheirMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		const events = 12_000
		for n := range events {
			w.stream.publish("events.sparse", "", wideEvent(n))
			w.stream.publish(fmt.Sprintf("events.table_%d", n%40), "", fmt.Sprintf(`{"n":%d}`, n))
		}
		o := w.options(w.lake)
		o.Flush = Flush{Rows: 1 << 20, Bytes: 1 << 30, Age: time.Second}
		o.Memory = NewMemory(24 << 20)
		peak := int64(0)
		o.Lake = watchedLake{w.lake, func() { peak = max(peak, o.Memory.Used()) }}
		st := w.drain(o)
		if st.Events != 2*events || st.Quarantined != 0 {
			t.Fatalf("%d events, %d in quarantine", st.Events, st.Quarantined)
		}
		if peak == 0 || peak > o.Memory.Limit() {
			t.Errorf("%d bytes were held, of %d", peak, o.Memory.Limit())
		}
		if used := o.Memory.Used(); used != 0 {
			t.Errorf("at the end %d bytes are held", used)
		}
	})
}

// watchedLake calls at each file that is written: all memory is in use then.
type watchedLake struct {
	tiers.Lake
	at func()
}

func (l watchedLake) Open(ctx context.Context, name string) (tiers.Table, error) {
	t, err := l.Lake.Open(ctx, name)
	return watchedTable{t, l.at}, err
}

func (l watchedLake) Create(ctx context.Context, name string, s tiers.Schema, o tiers.Options) (tiers.Table, error) {
	t, err := l.Lake.Create(ctx, name, s, o)
	return watchedTable{t, l.at}, err
}

type watchedTable struct {
	tiers.Table
	at func()
}

func (t watchedTable) WriteNew(ctx context.Context, f tiers.DataFile, data []byte) (tiers.DataFile, error) {
	t.at()
	return t.Table.WriteNew(ctx, f, data)
}

func TestAMessageThatIsTooLargeAsColumnsGoesToQuarantineInPart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var lines strings.Builder
		const events = 40_000
		for n := range events {
			lines.WriteString(wideEvent(n) + "\n")
		}
		w.stream.publish("events.sparse", "", lines.String())
		w.stream.publish("events.sparse", "", `{"column_1":1}`)
		o := w.options(w.lake)
		o.Memory = NewMemory(24 << 20)
		st := w.drain(o)
		if st.Events == 1 || st.Quarantined == 0 || st.Events+st.Quarantined != events+1 {
			t.Errorf("%d events and %d in quarantine, of %d", st.Events, st.Quarantined, events+1)
		}
		if r := w.verify(); !r.OK() {
			t.Errorf("%v", r)
		}
	})
}

func TestABatchThatNobodyFillsAgainIsLetGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for table := range 10 {
			for n := range 2000 {
				w.stream.publish(fmt.Sprintf("events.table_%d", table), "", fmt.Sprintf(`{"n":%d,"text":"%0500d"}`, n, n))
			}
		}
		o := w.options(w.lake)
		o.Flush = Flush{Rows: 1000, Bytes: 1 << 30, Age: time.Second}
		o.Memory = NewMemory(1 << 30)
		peak := int64(0)
		o.Lake = watchedLake{w.lake, func() { peak = max(peak, o.Memory.Used()) }}
		if st := w.drain(o); st.Events != 20_000 {
			t.Fatalf("%d events", st.Events)
		}
		if peak > 8<<20 { // ten tables' batches are 10 MiB
			t.Errorf("%d bytes were held", peak)
		}
	})
}
