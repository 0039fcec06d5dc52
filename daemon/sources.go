package daemon

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/lakeward/lakeward/config"
	"github.com/lakeward/lakeward/ingest"
	"github.com/lakeward/lakeward/ingest/format"
	"github.com/lakeward/lakeward/ingest/jetstream"
	"github.com/lakeward/lakeward/serve"
	"github.com/lakeward/lakeward/tiers"
)

// openStream opens a source's stream. A stream of our own server is made as
// the source describes it, and pruned to what is not yet committed.
// consumer names its reader.
func openStream(ctx context.Context, cfg config.Config, conn *jetstream.Conn, s config.Source, consumer string) (
	*jetstream.Stream, error) {
	return conn.Stream(ctx, s.Subject, jetstream.StreamOptions{
		Name: s.Stream, Subjects: subjectsOf(cfg, s.Stream), Create: !cfg.NATS.External(),
		MaxBytes: cfg.NATS.Embedded.MaxBytes, Prune: !cfg.NATS.External(), Keep: cfg.NATS.Embedded.Keep,
		Duplicates: duplicates(cfg), ReadAhead: cfg.Memory.Shares().ReadAhead / int64(len(cfg.Sources)),
		Consumer: consumer,
	})
}

// What the server's memory of a message id takes, and how many come in a second
// at most, about.
const (
	idBytes   = 150
	idsSecond = 100_000
)

// duplicates is for how long our own server remembers message ids, in half of
// its share of memory. What it has forgotten is a repeat that ingest drops.
func duplicates(cfg config.Config) time.Duration {
	if cfg.NATS.External() {
		return 0
	}
	seconds := cfg.Memory.Shares().Stream / 2 / (idBytes * idsSecond)
	return min(max(time.Duration(seconds)*time.Second, time.Second), 2*time.Minute)
}

// subjectsOf are the subjects of a stream that several sources may share.
func subjectsOf(cfg config.Config, stream string) []string {
	var out []string
	for _, s := range cfg.Sources {
		if s.Stream == stream {
			out = append(out, s.Subject)
		}
	}
	return out
}

func openSource(ctx context.Context, cfg config.Config, k *core, conn *jetstream.Conn, s config.Source) (*ingest.Source,
	error) {
	stream, err := openStream(ctx, cfg, conn, s, consumerName(s.Name, k.holder))
	if err != nil {
		return nil, err
	}
	in := cfg.Ingest
	written, err := format.Named(string(s.Format))
	if err != nil {
		return nil, fmt.Errorf("source %s: %w", s.Name, err)
	}
	mapped, err := mappingsOf(s, k.mappings)
	if err != nil {
		return nil, err
	}
	return ingest.New(ingest.Options{
		Mappings: mapped, Known: k.mappings,
		Name: s.Name, Filter: s.Subject, Stream: stream, Lake: k.lake,
		Table: s.Table, Format: written, TimePath: s.Time.Path, TimeFormat: s.Time.Format, Metadata: s.Metadata,
		Flush:     ingest.Flush{Rows: in.Flush.Rows, Bytes: in.Flush.Bytes, Age: in.Flush.Age},
		Memory:    k.batches,
		MaxTables: in.MaxTables,
		Limits:    ingest.Limits{MaxColumns: in.MaxColumns, MaxDepth: in.MaxDepth, MaxEventBytes: in.MaxEventBytes},
		Tables: func(table string) ingest.TableOptions {
			return ingest.TableOptions{Declared: declared(cfg, table), Bloom: cfg.BloomColumns(table),
				Repeats: cfg.RepeatsOf(table)}
		},
		WindowBytes: cfg.Memory.IDs / int64(len(cfg.Sources)*max(len(cfg.RepeatWindows()), 1)),
		Catalog:     k.lake.CheckCatalog,
		Lease:       k.lease(ingest.LeaseName(tiers.Mark{Stream: s.Stream, Filter: s.Subject}.Key()), ingest.LeasePatience),
		Committed:   func(took time.Duration) { k.durations.commits.WithLabelValues(s.Name).Observe(took.Seconds()) },
		Grace:       sourcesGrace(cfg.Shutdown.Grace), SyncDelay: syncDelay(cfg.NATS), Logger: k.log,
	}), nil
}

// syncDelay is how long a message waits for the stream's own disk before it is
// committed. Without it a power failure could leave the stream behind the lake,
// which looks like a stream that was restored from an older copy.
func syncDelay(n config.NATS) time.Duration {
	if n.External() || n.Embedded.Sync == config.SyncAlways {
		return 0
	}
	return 2 * n.Embedded.SyncInterval
}

// declared are the columns that the configuration declares of a table, nested
// where their paths are.
func declared(cfg config.Config, table string) tiers.Schema {
	var out tiers.Schema
	t, ok := cfg.Table(table)
	if !ok {
		return out
	}
	for _, c := range t.Columns {
		out.Fields = tiers.Nest(out.Fields, c.Path.Value, c.Type)
	}
	return out
}

func sourceStatus(s ingest.Status) serve.Source {
	missed := map[string]uint64{}
	for _, m := range s.TimeMisses {
		missed[m.Path] = m.Events
	}
	return serve.Source{
		Unmapped: s.Unmapped, LooksLike: s.LooksLike,
		TimeMisses: missed, Misfits: misfitCounts(s.Misfits), Tables: s.Tables, MaxTables: s.MaxTables,
		Name: s.Name, Stream: s.Stream, State: s.State, Reason: s.Reason, Events: s.Events, Bytes: s.Bytes,
		Quarantined: s.Quarantined, Repeats: s.Repeats, Gaps: s.Gaps, Commits: s.Commits, Conflicts: s.Conflicts,
		Fenced: s.Fenced, Holder: s.Holder,
		Retries: s.Retries, Divided: s.Divided, Refused: s.Refused, Failing: s.Failing,
		Committed: s.Committed, Last: s.Last, LastCommit: s.LastCommit,
	}
}

func misfitCounts(in map[tiers.MisfitReason]uint64) map[string]uint64 {
	out := make(map[string]uint64, len(in))
	for reason, n := range in {
		out[string(reason)] = n
	}
	return out
}

// verify proves on the running daemon's streams and lake.
func (a *Daemon) verify(ctx context.Context, deep bool) (serve.Report, error) {
	return verifySources(ctx, a.core, a.conn, deep)
}

// verifyOffline proves on a data directory that no daemon has.
func verifyOffline(ctx context.Context, k *core, deep bool) (rep serve.Report, err error) {
	err = offlineConn(ctx, k, func(conn *jetstream.Conn) (err error) {
		rep, err = verifySources(ctx, k, conn, deep)
		return err
	})
	return rep, err
}

// offlineConn lends a connection to the streams of a data directory that no
// daemon has.
func offlineConn(ctx context.Context, k *core, f func(*jetstream.Conn) error) (err error) {
	cfg := k.cfg
	cfg.NATS.Embedded.Host, cfg.NATS.Embedded.Port = "127.0.0.1", -1
	server, conn, err := connect(ctx, cfg, k.log)
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, conn.Close())
		if server != nil {
			err = errors.Join(err, server.Close())
		}
	}()
	return f(conn)
}

// withSources lends the running sources.
func (a *Daemon) withSources(_ context.Context, f func([]*openedSource) error) error {
	return f(a.sources.list())
}

// offlineSources opens the sources of a data directory that no daemon has.
func offlineSources(ctx context.Context, k *core, f func([]*openedSource) error) error {
	return offlineConn(ctx, k, func(conn *jetstream.Conn) error {
		var out []*openedSource
		for _, s := range k.cfg.Sources {
			src, err := openSource(ctx, k.cfg, k, conn, s)
			if err != nil {
				return fmt.Errorf("open source %s: %w", s.Name, err)
			}
			out = append(out, &openedSource{Source: src, cfg: s})
		}
		return f(out)
	})
}

func verifySources(ctx context.Context, k *core, conn *jetstream.Conn, deep bool) (serve.Report, error) {
	var text strings.Builder
	var all []ingest.VerifyReport
	ok := true
	if err := k.lake.CheckManifests(ctx); err != nil {
		return serve.Report{}, fmt.Errorf("verify the lake: %w", err)
	}
	cfg := k.cfg
	cfg.Sources = k.sourceConfigs()
	for _, s := range cfg.Sources {
		stream, err := openStream(ctx, cfg, conn, s, "")
		if err != nil {
			return serve.Report{}, fmt.Errorf("verify source %s: %w", s.Name, err)
		}
		r, err := ingest.Verify(ctx, ingest.VerifyOptions{Lake: k.lake, Stream: stream, StreamName: s.Stream,
			Filter: s.Subject, Catalog: k.lake.CheckCatalog, Deep: deep})
		if err != nil {
			return serve.Report{}, fmt.Errorf("verify source %s: %w", s.Name, err)
		}
		text.WriteString(r.String())
		all = append(all, r)
		ok = ok && r.Complete()
	}
	rep, err := report(text.String(), all)
	rep.Failed = !ok
	return rep, err
}
