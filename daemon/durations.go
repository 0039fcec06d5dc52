package daemon

import (
	"runtime"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/lakeward/lakeward/internal/version"
)

// durations are how long things took, as metrics.
type durations struct {
	commits *prometheus.HistogramVec // by source
	runs    *prometheus.HistogramVec // by pipeline and status
}

func newDurations() *durations {
	return &durations{
		commits: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "lakeward_ingest_commit_duration_seconds",
			Help:    "How long a commit of a source's batch to a table took, until it was known to be done.",
			Buckets: prometheus.ExponentialBuckets(0.005, 2, 14), // to 41 s
		}, []string{"source"}),
		runs: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "lakeward_pipeline_run_duration_seconds",
			Help:    "How long a scheduled run of a pipeline took, with the writing of its output.",
			Buckets: prometheus.ExponentialBuckets(0.05, 2, 16), // to 27 minutes
		}, []string{"pipeline", "status"}),
	}
}

// buildInfo is 1, with the version in its labels.
func buildInfo() prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "lakeward_build_info", Help: "1; the labels say which Lakeward this is.",
		ConstLabels: prometheus.Labels{"version": version.Number, "build": version.String(), "go": runtime.Version()},
	}, func() float64 { return 1 })
}
