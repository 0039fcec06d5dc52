package serve

import (
	"cmp"
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// collector turns the daemon's Status into metrics when they are asked for,
// so that nothing on the way of an event knows of Prometheus.
type collector struct {
	backend Backend
	timeout time.Duration
}

// NewCollector exposes the backend's status as metrics.
func NewCollector(b Backend) prometheus.Collector {
	return &collector{backend: b, timeout: 5 * time.Second}
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("lakeward_"+name, help, labels, nil)
}

// Describe sends nothing: which sources and pipelines there are changes.
func (c *collector) Describe(chan<- *prometheus.Desc) {}

// Collect reads one status.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), c.timeout)
	defer cancel()
	st, err := c.backend.Status(ctx)
	if err != nil {
		out <- prometheus.NewInvalidMetric(desc("ready", "1 if the daemon is ready."), err)
		return
	}
	gauge(out, desc("ready", "1 if the daemon is ready."), flag(st.Ready))
	collectDamage(out, st.Damaged)
	gauge(out, desc("lake_tables_unreadable", "Tables of the lake of which nothing can be read, because their metadata "+
		"is missing or damaged."), float64(len(st.Unreadable)))
	collectMemory(out, st.Memory)
	for kind, n := range st.WorkersEnded {
		out <- prometheus.MustNewConstMetric(desc("engine_workers_ended_total", "Engine workers that ended by themselves "+
			"or for a limit, and failed a statement or run.", "worker"), prometheus.CounterValue, float64(n), kind)
	}
	for _, s := range st.Sources {
		collectSource(out, s)
	}
	for _, d := range st.Disks {
		l := []string{"use", "path"}
		gauge(out, desc("disk_writable", "1 if a small file could be written, synced and removed.", l...),
			flag(d.Error == ""), d.Use, d.Path)
		gauge(out, desc("disk_free_bytes", "What is left for the daemon's user.", l...), float64(d.Free), d.Use, d.Path)
		gauge(out, desc("disk_size_bytes", "Size of the file system.", l...), float64(d.Size), d.Use, d.Path)
	}
	for _, p := range st.Pipelines {
		l := []string{"pipeline"}
		gauge(out, desc("pipeline_active", "1 if a good version of the pipeline is scheduled.", l...), flag(p.Active), p.Name)
		gauge(out, desc("pipeline_problems", "Problems of the file as it is in the folder.", l...), float64(len(p.Problems)),
			p.Name)
		gauge(out, desc("pipeline_generation_info", "Hash of the active specification.", "pipeline", "hash"), 1, p.Name,
			p.Generation)
		if !p.Known() {
			continue
		}
		gauge(out, desc("pipeline_last_run_timestamp_seconds", "When the last run ended.", l...), seconds(p.LastRun), p.Name)
		gauge(out, desc("pipeline_last_run_success", "1 if the last run succeeded.", l...), flag(p.LastStatus == "succeeded"),
			p.Name)
	}
}

// collectDamage is there with the value 0 too, so that an alert can tell it
// from a daemon that does not answer.
func collectDamage(out chan<- prometheus.Metric, files []Damaged) {
	var rows int64
	for _, d := range files {
		rows += d.Rows
	}
	gauge(out, desc("lake_files_damaged", "Data files of current snapshots that are missing or are not what was "+
		"committed, as far as they were examined."), float64(len(files)))
	gauge(out, desc("lake_rows_damaged", "Rows of these files, which queries leave out."), float64(rows))
}

func collectMemory(out chan<- prometheus.Metric, m Memory) {
	for _, p := range m.Parts {
		gauge(out, desc("memory_budget_bytes", "Parts of memory.budget; total is all of it.", "part"), float64(p.Budget),
			p.Name)
		if p.Used >= 0 {
			gauge(out, desc("memory_used_bytes", "What the parts hold, where that is known; total is the resident set.", "part"),
				float64(p.Used), p.Name)
		}
	}
	gauge(out, desc("memory_spill_bytes", "Intermediate results of queries, pipelines and merges on disk; at most "+
		"query.max_spill."), float64(m.Spill))
}

func collectSource(out chan<- prometheus.Metric, s Source) {
	l := []string{"source"}
	for _, m := range []struct {
		name, help string
		value      uint64
	}{
		{"ingest_events_total", "Events committed to the lake since the start.", s.Events},
		{"ingest_bytes_total", "Bytes of the messages committed since the start.", s.Bytes},
		{"ingest_quarantined_total", "Events put into lake.quarantine since the start.", s.Quarantined},
		{"ingest_repeats_total", "Events that were already in the lake.", s.Repeats},
		{"ingest_gaps_total", "Stream sequences that were gone before they could be read.", s.Gaps},
		{"ingest_commits_total", "Commits to the lake since the start.", s.Commits},
		{"ingest_conflicts_total", "Commits refused because another writer was first.", s.Conflicts},
		{"ingest_fenced_total", "Times that another daemon committed first, so that what was read was dropped and read " +
			"again.", s.Fenced},
		{"ingest_retries_total", "Steps towards a commit that failed, changed nothing and were tried again.", s.Retries},
		{"ingest_batches_divided_total", "Batches that could not be written whole, and were divided until the events that " +
			"cannot be written were known.", s.Divided},
		{"ingest_unmapped_total", "Events that no rule of the source's mappings took; they are in the source's own table.",
			s.Unmapped},
		{"ingest_events_refused_total", "Events that cannot be written whatever is tried; lake.quarantine has them.",
			s.Refused},
	} {
		out <- prometheus.MustNewConstMetric(desc(m.name, m.help, l...), prometheus.CounterValue, float64(m.value), s.Name)
	}
	for path, n := range s.TimeMisses {
		out <- prometheus.MustNewConstMetric(desc("ingest_time_unread_total", "Events with the time of publishing since "+
			"the start, by the path at which something stood that is not a time; none: nothing was there.", "source", "path"),
			prometheus.CounterValue, float64(n), s.Name, cmp.Or(path, "none"))
	}
	for reason, n := range s.Misfits {
		out <- prometheus.MustNewConstMetric(desc("ingest_misfit_values_total", "Values that are not, or not only, in the "+
			"column of their path: lakeward tables misfits says which.", "source", "reason"),
			prometheus.CounterValue, float64(n), s.Name, reason)
	}
	gauge(out, desc("ingest_tables", "Tables of events that the source feeds.", l...), float64(s.Tables), s.Name)
	gauge(out, desc("ingest_tables_max", "Tables that it may feed: ingest.max_tables.", l...), float64(s.MaxTables),
		s.Name)
	lag := float64(0)
	if s.Last > s.Committed {
		lag = float64(s.Last - s.Committed)
	}
	gauge(out, desc("ingest_lag_messages", "Messages of the stream that are not committed yet.", l...), lag, s.Name)
	gauge(out, desc("ingest_last_commit_timestamp_seconds", "When the last commit was made.", l...), seconds(s.LastCommit),
		s.Name)
	gauge(out, desc("ingest_failing_since_timestamp_seconds", "Since when all that is tried towards the next commit "+
		"fails; 0 if it does not.", l...), seconds(s.Failing), s.Name)
	gauge(out, desc("source_state_info", "State of the source.", "source", "state"), 1, s.Name, s.State)
	gauge(out, desc("source_standby", "1 while another daemon commits the source.", l...), flag(s.State == "standby"),
		s.Name)
}

func gauge(out chan<- prometheus.Metric, d *prometheus.Desc, v float64, labels ...string) {
	out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func flag(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}

// serverMetrics are what the server itself counts.
type serverMetrics struct {
	registry *prometheus.Registry
	denied   *prometheus.CounterVec // by reason
	busy     prometheus.Counter
	evicted  prometheus.Counter
	refused  *prometheus.CounterVec   // by limit
	queries  *prometheus.HistogramVec // by outcome
}

func newServerMetrics(s *Server) *serverMetrics {
	m := &serverMetrics{
		registry: prometheus.NewRegistry(),
		denied: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "lakeward_http_denied_total",
			Help: "Requests without a token (missing), with a wrong one (wrong), with one wrong token too many from the " +
				"address (blocked), or beyond the token's role (role)."}, []string{"reason"}),
		busy: prometheus.NewCounter(prometheus.CounterOpts{Name: "lakeward_http_busy_total",
			Help: "Requests refused because http.max_requests, or half of them for one token, were being answered."}),
		evicted: prometheus.NewCounter(prometheus.CounterOpts{Name: "lakeward_http_connections_evicted_total",
			Help: "Connections closed because http.max_connections were open; the one that had waited longest for a request " +
				"is closed."}),
		refused: newRefusals(),
		queries: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "lakeward_query_duration_seconds",
			Help:    "How long people's statements took, with the waiting and the sending of the answer.",
			Buckets: prometheus.ExponentialBuckets(0.005, 2, 16)}, []string{"outcome"}), // to 164 s
	}
	for _, reason := range []string{"missing", "wrong", "blocked", "role"} {
		m.denied.WithLabelValues(reason)
	}
	m.registry.MustRegister(m.denied, m.busy, m.evicted, m.refused, m.queries,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "lakeward_http_connections", Help: "Open connections."}, func() float64 { return float64(s.conns.count()) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "lakeward_audit_lost_total", Help: "Entries that could not be written to the audit log."}, s.opts.Audit.lost))
	if s.cert != nil {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "lakeward_http_certificate_expiry_timestamp_seconds", Help: "When the certificate expires."},
			func() float64 { return seconds(s.cert.Get().Leaf.NotAfter) }))
	}
	return m
}
