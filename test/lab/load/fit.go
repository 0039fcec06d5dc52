package load

import (
	"slices"
	"time"
)

// point is a sample: hours since the first, and the value.
type point struct{ at, value float64 }

// line is a fit that outliers do not move: the median of the slopes between
// all pairs of points (Theil and Sen), and the median of what it leaves.
type line struct{ slope, start float64 }

func fit(points []point) line {
	var slopes []float64
	for i, p := range points {
		for _, q := range points[:i] {
			if p.at != q.at {
				slopes = append(slopes, (p.value-q.value)/(p.at-q.at))
			}
		}
	}
	if len(slopes) == 0 {
		return line{}
	}
	l := line{slope: median(slopes)}
	rest := make([]float64, len(points))
	for i, p := range points {
		rest[i] = p.value - l.slope*p.at
	}
	l.start = median(rest)
	return l
}

func (l line) value(at float64) float64 { return l.start + l.slope*at }

// growth is the fitted value at the first and at the last point.
func growth(points []point) (first, last float64) {
	if len(points) == 0 {
		return 0, 0
	}
	l := fit(points)
	return l.value(points[0].at), l.value(points[len(points)-1].at)
}

// sample is the daemon at one moment.
type sample struct {
	at         time.Time
	rss        int64 // bytes
	goroutines int
	files      int // descriptors
}

// warm leaves out the first part of the samples, while caches fill.
func warm(all []sample, part float64) []sample { return all[int(float64(len(all))*part):] }

// series are the points of one value.
func series(all []sample, of func(sample) float64) []point {
	out := make([]point, len(all))
	for i, s := range all {
		out[i] = point{s.at.Sub(all[0].at).Hours(), of(s)}
	}
	return slices.Clip(out)
}
