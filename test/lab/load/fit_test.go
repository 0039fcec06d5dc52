package load

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

func TestGrowthIsSeenThroughNoise(t *testing.T) {
	for name, c := range map[string]struct {
		slope       float64 // an hour
		first, last float64
	}{
		"still":     {0, 100, 100},
		"growing":   {10, 100, 140},
		"shrinking": {-10, 100, 60},
	} {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 2))
			var all []sample
			began := time.Now()
			for i := range 401 {
				at := float64(i) / 100
				v := 100 + c.slope*at + r.Float64() - 0.5
				if i%7 == 0 {
					v += 80 // a burst, as a merge of files is
				}
				all = append(all, sample{at: began.Add(time.Duration(at * float64(time.Hour))), rss: int64(v * 1000)})
			}
			first, last := growth(series(all, func(s sample) float64 { return float64(s.rss) / 1000 }))
			if math.Abs(first-c.first) > 1 || math.Abs(last-c.last) > 1 {
				t.Errorf("from %.2f to %.2f, want %.0f to %.0f", first, last, c.first, c.last)
			}
		})
	}
}

func TestNoSamplesAreNoGrowth(t *testing.T) {
	if first, last := growth(nil); first != 0 || last != 0 {
		t.Errorf("from %f to %f", first, last)
	}
	if first, last := growth([]point{{0, 5}}); first != 0 || last != 0 {
		t.Errorf("from %f to %f", first, last)
	}
}
