package config

import (
	"time"

	"github.com/lakeward/lakeward/config/strict"
)

const (
	day  = 24 * time.Hour
	most = 1 << 50
)

// Type is the specification of the configuration's keys.
func Type() strict.Type[Config] {
	type C = Config
	return strict.Object(
		strict.F("data_dir", strict.NonEmpty(), func(c *C) *string { return &c.DataDir },
			"Directory of everything that is kept. Relative paths here and below are from the working directory.").
			Default("./data"),
		strict.F("nats", natsType(), func(c *C) *NATS { return &c.NATS }, "Where events come from."),
		strict.F("sources", strict.List(sourceType()), func(c *C) *[]Source { return &c.Sources },
			"What is read. Without any: stream `EVENTS`, subjects `events.>`, the subject's last token naming the table."),
		strict.F("tables", strict.Keyed(tableType(), func(t *Table) *strict.At[string] { return &t.Name }, tableNameProblem),
			func(c *C) *[]Table { return &c.Tables }, "What is declared about lake tables. Tables that are not named here "+
				"are inferred from their events."),
		strict.F("ingest", ingestType(), func(c *C) *Ingest { return &c.Ingest }, "Limits of events and batches."),
		strict.F("lake", lakeType(), func(c *C) *Lake { return &c.Lake }, "The lake tier: Iceberg tables of Parquet files."),
		strict.F("analytics", analyticsType(), func(c *C) *Analytics { return &c.Analytics },
			"The analytics tier: small results."),
		strict.F("mappings", strict.Object(strict.F("dir", strict.NonEmpty(), func(m *Mappings) *string { return &m.Dir },
			"Folder of a team's own mappings, beside those that ship. One of the same name replaces one that ships. They are "+
				"read at the start.").Default("./mappings.d")),
			func(c *C) *Mappings { return &c.Mappings }, "Mappings of raw events to OCSF."),
		strict.F("pipelines", pipelinesType(), func(c *C) *Pipelines { return &c.Pipelines },
			"Where pipelines are, and how they run."),
		strict.F("http", httpType(), func(c *C) *HTTP { return &c.HTTP }, "What listens."),
		strict.F("audit", auditType(), func(c *C) *Audit { return &c.Audit }, "The audit log: `audit.log` in `data_dir`, "+
			"one JSON line for each query and each change that came over HTTP."),
		strict.F("query", queryType(), func(c *C) *Query { return &c.Query }, "Bounds of ad-hoc SQL."),
		strict.F("memory", strict.Object(
			strict.F("budget", autoSize(), func(m *Memory) *int64 { return &m.Budget }, "Memory of the whole process, shared "+
				"by ingest, engine and caches (`lakeward config print` shows how), at least 256 MiB. `auto`: the container's "+
				"limit, or half of the host's memory, at most 32 GiB.").Default("auto"),
		), func(c *C) *Memory { return &c.Memory }, "Memory."),
		strict.F("log", strict.Object(
			strict.F("level", strict.Enum(Debug, Info, Warn, Error), func(l *Log) *Level { return &l.Level },
				"Least level that is logged.").Default("info"),
			strict.F("format", strict.Enum(LogText, LogJSON), func(l *Log) *LogFormat { return &l.Format },
				"Form of a log line.").Default("text"),
		), func(c *C) *Log { return &c.Log }, "Logs, on standard error."),
		strict.F("shutdown", strict.Object(
			strict.F("grace", strict.Duration(0, time.Hour), func(s *Shutdown) *time.Duration { return &s.Grace },
				"How long SIGTERM waits for batches to be committed and runs to end. A second signal leaves at once; neither "+
					"loses anything.").Default("30s"),
		), func(c *C) *Shutdown { return &c.Shutdown }, "The end."),
	)
}

func sourceType() strict.Type[Source] {
	type S = Source
	return strict.Object(
		strict.F("name", nameText(), func(s *S) *string { return &s.Name }, "Name, unique, for logs and metrics.").Needed(),
		strict.F("stream", strict.NonEmpty(), func(s *S) *string { return &s.Stream }, "JetStream stream.").Default("EVENTS"),
		strict.F("subject", filterText(), func(s *S) *string { return &s.Subject },
			"Subject filter; `*` is one token, `>` the rest.").Default("events.>"),
		strict.F("format", strict.Enum(FormatAuto, FormatJSON, FormatNDJSON, FormatCSV, FormatSyslog, FormatCEF, FormatLEEF,
			FormatKV, FormatArrow, FormatParquet),
			func(s *S) *Format { return &s.Format }, "How events are written in a message: `json` (one value or several), "+
				"`ndjson` (one a line), `csv` (with a header in each message; a log with a line `#Fields` too), `syslog` (RFC "+
				"5424 and 3164, with CEF or LEEF in it), `cef`, `leef`, `kv` (key=value words), `arrow` (a stream or file of "+
				"Arrow IPC), or `parquet`. `auto` decides by the header `Content-Type` (of CSV, Arrow and Parquet) and by how "+
				"each message begins: JSON, syslog, CEF, LEEF, Arrow or Parquet. A message may be compressed by gzip or zstd, "+
				"whatever its format.").Default("auto"),
		strict.F("mapping", strict.OneOrList(strict.Positioned(strict.Named(strict.NonEmpty(), "mapping"))),
			func(s *S) *[]strict.At[string] { return &s.Mapping }, "Mappings that turn events into rows of OCSF, such as "+
				"`okta` or `[windows, linux-auth]`; `auto` tries all that there are. The first that takes an event maps it, and "+
				"the class is the table: `lake.authentication`. Events that none takes go to the source's own table, as they "+
				"were sent. `lakeward mapping list` names all."),
		strict.F("table", tableText(), func(s *S) *string { return &s.Table },
			"Lake table. Without it the subject's last token names it."),
		strict.F("time", strict.Object(
			strict.F("path", strict.NonEmpty(), func(t *EventTime) *string { return &t.Path },
				"Dotted path of the event's time. Without it: `time`, `timestamp`, `@timestamp` and other usual names, then the "+
					"time of publishing. The column `time_source` says which it was."),
			strict.F("format", timeFormat(), func(t *EventTime) *string { return &t.Format },
				"`rfc3339`, `unix`, `unix_ms`, `unix_us`, `unix_ns`, or a layout of Go's package time (`2006-01-02 15:04:05`). "+
					"Without it: by what the value looks like. A time without an offset is UTC; one without a year is in the year "+
					"that brings it nearest to when its message was published."),
		), func(s *S) *EventTime { return &s.Time }, "Where an event's time is."),
		strict.F("metadata", strict.List(metadataName()), func(s *S) *[]string { return &s.Metadata },
			"Columns of what the stream says of a message: `subject`, `sequence`, `published`, and `headers.NAME` for a "+
				"header, in the struct `headers`. An event's own field of such a name is a column beside it, such as "+
				"`subject_text`. Without it: the column `stream_subject`, where the subject has more than the table's name tells."),
	)
}

func tableType() strict.Type[Table] {
	type T = Table
	return strict.Object(
		strict.F("columns", strict.Keyed(columnType(), func(c *Column) *strict.At[string] { return &c.Path }, pathProblem),
			func(t *T) *[]Column { return &t.Columns }, "Declared columns: dotted path and type (boolean, long, double, "+
				"string, binary, date, timestamptz, or `list<TYPE>`). Further columns are still inferred."),
		strict.F("bloom_columns", strict.List(strict.NonEmpty()), func(t *T) *[]string { return &t.Bloom },
			"Columns with a bloom filter, in place of `ingest.bloom_columns`."),
		strict.F("retention", ownRetention(), func(t *T) *Period { return &t.Retention },
			"How long the table's rows are kept, or `forever`, in place of `lake.retention`."),
		strict.F("repeats", strict.Object(
			strict.F("window", own(repeatsWindow(), latest), func(p *Period) *Period { return p },
				"How far back message ids of the table are found, or `latest`, in place of `ingest.repeats.window`."),
		), func(t *T) *Period { return &t.Repeats }, "Messages that are published again."),
		strict.F("lookup_columns", strict.List(strict.NonEmpty()), func(t *T) *[]string { return &t.Lookup },
			"Columns for looking up single values, in place of `lake.lookup_columns`."),
	)
}

func ingestType() strict.Type[Ingest] {
	type I = Ingest
	return strict.Object(
		strict.F("flush", strict.Object(
			strict.F("rows", strict.Int(1, 10_000_000), func(f *Flush) *int { return &f.Rows },
				"Rows of a batch.").Default("500000"),
			strict.F("bytes", strict.Size(1<<10, 1<<32), func(f *Flush) *int64 { return &f.Bytes },
				"Bytes of a batch in memory; batches of all sources together also stay within their share of `memory.budget`.").Default("128MiB"),
			strict.F("age", strict.Duration(100*time.Millisecond, time.Hour), func(f *Flush) *time.Duration { return &f.Age },
				"Age of a batch's first event: how long until an event can be queried.").Default("5s"),
		), func(i *I) *Flush { return &i.Flush }, "When a batch is committed; whichever is first. Memory pressure flushes "+
			"earlier."),
		strict.F("max_columns", strict.Int(8, 10_000), func(i *I) *int { return &i.MaxColumns },
			"Columns of a table, members of structs counted; what is beyond goes to the column `unmapped`. One event adds at "+
				"most half of those that are left.").Default("1000"),
		strict.F("max_tables", strict.Int(1, 100_000), func(i *I) *int { return &i.MaxTables },
			"Tables of events that one source feeds; events for others go to `lake.quarantine`.").Default("5000"),
		strict.F("max_depth", strict.Int(1, 64), func(i *I) *int { return &i.MaxDepth },
			"Nesting of structs; what is deeper goes to the column `unmapped`.").Default("16"),
		strict.F("max_event_bytes", strict.Size(1<<10, 64<<20), func(i *I) *int64 { return &i.MaxEventBytes },
			"Largest event; a larger one goes to `lake.quarantine`.").Default("8MiB"),
		strict.F("repeats", strict.Object(
			strict.F("window", repeatsWindow(), func(r *Repeats) *time.Duration { return &r.Window },
				"How long after a message was taken another with its id is dropped as its repeat. `latest`: for as long as it "+
					"is among the last 900,000 to 1,800,000 ids of the source's stream. Tables may say otherwise "+
					"(`tables.NAME.repeats.window`). See [repeats](#repeats).").Default(latest),
			strict.F("memory", repeatsMemory(), func(r *Repeats) *int64 { return &r.Memory },
				"Memory for the ids of windows, of all sources together; at most half of `memory.budget`, of which it is a "+
					"part. `auto`: an eighth of it, or nothing if there is no window.").Default("auto"),
		), func(i *I) *Repeats { return &i.Repeats }, "Messages that are published again, with the same message id "+
			"(`Nats-Msg-Id`)."),
		strict.F("bloom_columns", strict.List(strict.NonEmpty()), func(i *I) *[]string { return &i.Bloom },
			"Columns with a bloom filter, for looking up single values, such as `src_endpoint.ip`."),
	)
}

// lookupColumns are who and from where, in OCSF and as common sources name it.
const lookupColumns = "[user.name, actor.user.name, src_endpoint.ip, userPrincipalName, ipAddress, UserId, " +
	"ClientIP, userIdentity.userName, sourceIPAddress, TargetUserName, IpAddress]"

func lakeType() strict.Type[Lake] {
	type L = Lake
	return strict.Object(
		strict.F("warehouse", dirText(), func(l *L) *string { return &l.Warehouse },
			"Directory of the tables. Without it: `lake` in `data_dir`."),
		strict.F("catalog", databaseURL("sqlite"), func(l *L) *string { return &l.Catalog },
			"Iceberg SQL catalog: `sqlite:FILE`, or `postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=verify-full`, where "+
				"tables are made if they are missing. A URL takes libpq's parameters: `sslmode` (without it TLS is used only if "+
				"the server offers it), `sslrootcert`, `search_path`, several hosts with `target_session_attrs=read-write`. "+
				"Without it: `catalog.db` in the warehouse."),
		strict.F("lookup_columns", strict.List(strict.NonEmpty()), func(l *L) *[]string { return &l.Lookup },
			"Text columns for looking up single values: one user, one address. Those that a table has shape the files of "+
				"days that ended two days ago: rows of one value lie together, and a filter tells which part of a file can have "+
				"a value, so that `WHERE user.name = 'ada'` reads little. Files that are already shaped stay as they are when "+
				"this changes; `[]` leaves all in the order of time.").Default(lookupColumns),
		strict.F("retention", retention(), func(l *L) *time.Duration { return &l.Retention },
			"How long rows of events are kept, by `time`, or `forever`: a day goes as a whole, once its end is older than "+
				"this. Tables may say otherwise (`tables.NAME.retention`). Tables that pipelines write, and Lakeward's own "+
				"`ingest_skipped` and `ingest_removed`, are left alone.").Default("forever"),
		strict.F("quarantine_retention", ownRetention(), func(l *L) *Period { return &l.Quarantine },
			"How long rows of `lake.quarantine` are kept, by when they were published. Without it: as `lake.retention` says. "+
				"A row that is gone cannot be replayed."),
		strict.F("maintenance", maintenanceType(), func(l *L) *Maintenance { return &l.Maintenance },
			"How the lake is kept small and fast. By hand: `lakeward retain`, `compact`, `expire` and `orphans`."),
	)
}

func maintenanceType() strict.Type[Maintenance] {
	type M = Maintenance
	type S = Snapshots
	return strict.Object(
		strict.F("every", strict.Duration(0, day), func(m *M) *time.Duration { return &m.Every },
			"How often days beyond their retention are taken out, small files merged and old snapshots forgotten; `0s`: only "+
				"by command, orphaned files too.").Default("10m"),
		strict.F("file_size", strict.Size(1<<20, 1<<30), func(m *M) *int64 { return &m.FileSize },
			"Size that files are merged up to; those of at least half of it stay.").Default("128MiB"),
		strict.F("file_rows", strict.Int[int64](1000, 10_000_000), func(m *M) *int64 { return &m.FileRows },
			"Most rows of a merged file. They are in memory while it is written, so that `memory.budget` makes it fewer.").Default("1000000"),
		strict.F("snapshots", strict.Object(
			strict.F("age", strict.Duration(0, 366*day), func(s *S) *time.Duration { return &s.Age },
				"Snapshots younger than this are kept, for queries and pipelines that began on them.").Default("26h"),
			strict.F("least", strict.Int(1, 10_000), func(s *S) *int { return &s.Least },
				"Snapshots that are kept whatever their age.").Default("50"),
			strict.F("most", strict.Int(1, 10_000), func(s *S) *int { return &s.Most }, "Most snapshots that are kept: each "+
				"makes every commit a little dearer.").Default("500"),
		), func(m *M) *Snapshots { return &m.Snapshots }, "Which versions of a table are kept."),
		strict.F("orphans_every", strict.Duration(time.Second, 7*day), func(m *M) *time.Duration { return &m.OrphansEvery },
			"How often orphaned files are looked for and removed, which lists the files of every snapshot and all that is in "+
				"the warehouse: no more often than `every`, of which it is made a multiple.").Default("1h"),
		strict.F("orphan_grace", strict.Duration(time.Minute, 366*day), func(m *M) *time.Duration { return &m.OrphanGrace },
			"How long a file must have been of no table before it is removed; longer than the longest query.").Default("24h"),
	)
}

func analyticsType() strict.Type[Analytics] {
	type A = Analytics
	return strict.Object(
		strict.F("url", databaseURL("duckdb"), func(a *A) *string { return &a.URL },
			"Database: `duckdb:FILE`, or `postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=verify-full`, whose schema "+
				"`analytics` then holds the tables. A URL takes libpq's parameters, as that of `lake.catalog` does. Without it: "+
				"`databases/analytics.duckdb` in `data_dir`. Give a file elsewhere a folder of its own: the process that "+
				"evaluates pipelines may change what is in it."),
		strict.F("retention", retention(), func(a *A) *time.Duration { return &a.Retention },
			"How long rows are kept, by `time`, or `forever`.").Default("forever"),
		strict.F("read_limit", strict.Size(1<<20, 1<<40), func(a *A) *int64 { return &a.ReadLimit },
			"How much of analytics tables one statement of a person may copy into its worker; one that needs more is "+
				"refused, with what to do.").Default("256MiB"),
	)
}

func pipelinesType() strict.Type[Pipelines] {
	type P = Pipelines
	budget := strict.Object(
		strict.F("rows", strict.Int[int64](0, most), func(b *Budget) *int64 { return &b.Rows },
			"Rows of the lake that a run reads; 0 means no limit.").Default("2000000000"),
		strict.F("bytes", strict.Size(0, most), func(b *Budget) *int64 { return &b.Bytes },
			"Bytes of data files that a run reads; `0B` means no limit.").Default("256GiB"),
		strict.F("time", strict.Duration(0, 7*day), func(b *Budget) *time.Duration { return &b.Time },
			"How long a run takes; `0s` means no limit.").Default("30m"),
	)
	return strict.Object(
		strict.F("dir", strict.NonEmpty(), func(p *P) *string { return &p.Dir }, "Folder of pipelines. It is watched; a "+
			"broken file leaves the others, and its own last good version, alone.").Default("./pipelines.d"),
		strict.F("poll", strict.Duration(time.Second, time.Hour), func(p *P) *time.Duration { return &p.Poll },
			"How often the folder is read again even if nothing was signalled.").Default("10s"),
		strict.F("settle", strict.Duration(0, 7*day), func(p *P) *time.Duration { return &p.Settle },
			"How long before its logical time a run's window ends, because data arrives late (ours).").Default("15m"),
		strict.F("lateness", strict.Duration(0, 31*day), func(p *P) *time.Duration { return &p.Lateness },
			"How long late events re-open the windows that they belong to (ours).").Default("48h"),
		strict.F("catch_up", strict.Duration(0, 366*day), func(p *P) *time.Duration { return &p.CatchUp },
			"How far back missed runs are made after downtime. Older ones: `lakeward pipeline backfill`.").Default("24h"),
		strict.F("max_runs", strict.Int(1, 64), func(p *P) *int { return &p.MaxRuns },
			"Runs at the same time, of different pipelines.").Default("1"),
		strict.F("allow_damaged", strict.Bool(), func(p *P) *bool { return &p.AllowDamaged },
			"Run without the lake's damaged files, with a warning in the log. Otherwise a run that would read one fails, and "+
				"names it.").Default("false"),
		strict.F("plan_timeout", strict.Duration(0, 7*day), func(p *P) *time.Duration { return &p.PlanTime },
			"How long `pipeline plan`, `pipeline explain`, `explain` of a finding, or the tests of one pipeline take; `0s` "+
				"means no limit.").Default("15m"),
		strict.F("budget", budget, func(p *P) *Budget { return &p.Budget }, "What one run may use, unless its pipeline "+
			"says otherwise. A run beyond it writes nothing and says so."),
	)
}

func queryType() strict.Type[Query] {
	type Q = Query
	return strict.Object(
		strict.F("max_rows", strict.Int[int64](1, most), func(q *Q) *int64 { return &q.MaxRows },
			"Rows of a result; more is an error.").Default("10000000"),
		strict.F("timeout", strict.Duration(time.Second, day), func(q *Q) *time.Duration { return &q.Timeout },
			"How long a query takes.").Default("5m"),
		strict.F("max_bytes", strict.Size(1<<10, most), func(q *Q) *int64 { return &q.MaxBytes },
			"Bytes of a result; more is an error.").Default("4GiB"),
		strict.F("max_spill", strict.Size(1<<20, most), func(q *Q) *int64 { return &q.MaxSpill },
			"Disk below `data_dir` for intermediate results that exceed the engine's share of `memory.budget`, of queries, "+
				"pipelines and merges together; what needs more fails.").Default("16GiB"),
		strict.F("max_running", strict.Int(1, 1000), func(q *Q) *int { return &q.MaxRunning },
			"Queries at the same time, each in a worker of its own. They share the part queries of memory.budget.").Default("4"),
		strict.F("max_waiting", strict.Int(0, 1000), func(q *Q) *int { return &q.MaxWaiting },
			"Queries that wait, within their timeout, for another to end; one more is refused (503, `Retry-After`).").Default("16"),
	)
}
