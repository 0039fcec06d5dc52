// Package config turns a YAML file and the environment into a typed Config.
// It reports every mistake at once, each with its position and a remedy.
package config

import (
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/lakeward/lakeward/config/strict"
	"github.com/lakeward/lakeward/tiers"
)

// Problems are mistakes, as an error of one line each.
type Problems = strict.Problems

// Secret is text that formatting and logging mask.
type Secret = strict.Secret

// Config is everything that can be set, with defaults filled in. It is not
// changed after Load.
type Config struct {
	DataDir   string
	NATS      NATS
	Sources   []Source // at least one
	Tables    []Table
	Ingest    Ingest
	Lake      Lake
	Analytics Analytics
	Pipelines Pipelines
	Mappings  Mappings
	HTTP      HTTP
	Audit     Audit
	Query     Query
	Memory    Memory
	Log       Log
	Shutdown  Shutdown
}

// NATS says where events come from.
type NATS struct {
	URL      string // empty: the embedded server; several are separated by commas
	Embedded Embedded
	Creds    string // file
	NKey     string // file with the seed
	User     string
	Password Secret
	Token    Secret
	TLS      TLS
}

// External reports whether a server of one's own is used.
func (n NATS) External() bool { return n.URL != "" }

// Embedded is the server inside the process.
type Embedded struct {
	Host         string
	Port         int // -1: any free one
	StoreDir     string
	Sync         Sync
	SyncInterval time.Duration // with SyncInterval
	MaxPayload   int64         // bytes
	MaxBytes     int64         // of the store; 0: as the disk allows
	Keep         int64         // messages kept after they are committed
	Insecure     bool          // allow a Host that is not loopback without TLS and Users
	TLS          KeyPair
	Users        []NATSUser
}

// NATSUser may use the embedded server: a name with a password, or the holder
// of the seed of a public NKey.
type NATSUser struct {
	User     string
	Password Secret
	NKey     string
	Role     NATSRole
	Subjects []string // that NATSPublish may publish on; empty: those of the sources
}

// NATSRole is what a user of the embedded server may do.
type NATSRole string

// The roles of users.
const (
	NATSPublish NATSRole = "publish"
	NATSRead    NATSRole = "read"
	NATSAdmin   NATSRole = "admin"
)

// Sync says when the embedded server's writes reach the disk.
type Sync string

// The ways to sync.
const (
	SyncInterval Sync = "interval"
	SyncAlways   Sync = "always"
)

// TLS are the files of a TLS connection.
type TLS struct{ CA, Cert, Key string }

// Format is how a message is encoded.
type Format string

// The formats. Auto decides by each message.
const (
	FormatAuto    Format = "auto"
	FormatJSON    Format = "json"
	FormatNDJSON  Format = "ndjson"
	FormatCSV     Format = "csv"
	FormatSyslog  Format = "syslog"
	FormatCEF     Format = "cef"
	FormatLEEF    Format = "leef"
	FormatKV      Format = "kv"
	FormatArrow   Format = "arrow"
	FormatParquet Format = "parquet"
)

// Source is one stream's subjects and the tables that they feed.
type Source struct {
	Name    string
	Stream  string
	Subject string // filter
	Format  Format
	Mapping []strict.At[string] // names; empty: none
	Table   string              // empty: the subject's last token names it
	Time    EventTime
	// Metadata are the columns of what the stream says of a message; empty: the
	// subject, where the table's name does not tell it.
	Metadata []string
}

// EventTime says where an event's time is.
type EventTime struct {
	Path   string // dotted; empty: the usual names
	Format string // rfc3339, unix, unix_ms, unix_us, unix_ns, or a layout; empty: by what it looks like
}

// Table is what is declared about one lake table.
type Table struct {
	Name      strict.At[string]
	Columns   []Column
	Bloom     []string
	Lookup    []string
	Retention Period
	Repeats   Period // how far back repeats are found
}

// Period is a length of time, if it is said here.
type Period struct {
	Said   bool
	Length time.Duration // 0: for ever or, of repeats, as far as the latest ids reach
}

// Column is a declared column.
type Column struct {
	Path strict.At[string] // dotted for members of structs
	Type tiers.Type
}

// Ingest bounds events and batches.
type Ingest struct {
	Flush         Flush
	MaxColumns    int // leaves of a table
	MaxTables     int // that a source feeds
	MaxDepth      int // of structs
	MaxEventBytes int64
	Bloom         []string
	Repeats       Repeats
}

// Repeats says how far back repeats are found.
type Repeats struct {
	Window time.Duration // 0: as far as the latest ids reach
	Memory int64         // bytes for the ids of windows; 0: a part of the budget
}

// Flush says when a batch is committed; whichever is first.
type Flush struct {
	Rows  int
	Bytes int64
	Age   time.Duration
}

// Lake is the lake tier.
type Lake struct {
	Warehouse   string   // directory
	Catalog     string   // sqlite:FILE, or a postgres:// URL, which may hold a password
	Lookup      []string // columns for looking up single values
	Retention   time.Duration
	Quarantine  Period
	Maintenance Maintenance
}

// Maintenance keeps the lake small.
type Maintenance struct {
	Every        time.Duration // 0: only by command
	FileSize     int64         // that files are merged up to
	FileRows     int64         // most rows of a file that a merge makes
	Snapshots    Snapshots
	OrphansEvery time.Duration // in the first round after so long
	OrphanGrace  time.Duration
}

// Snapshots says which versions of a table are kept.
type Snapshots struct {
	Age         time.Duration
	Least, Most int
}

// CatalogAt is where the lake finds its catalog: a SQLite file, or a
// postgres:// URL.
func (l Lake) CatalogAt() string { return strings.TrimPrefix(l.Catalog, "sqlite:") }

// CatalogFile is the catalog's SQLite file; not ok if it is in a PostgreSQL.
func (l Lake) CatalogFile() (path string, ok bool) { return l.CatalogAt(), !isPostgres(l.Catalog) }

// Analytics is the analytics tier.
type Analytics struct {
	URL       string // duckdb:FILE, or a postgres:// URL, which may hold a password
	Retention time.Duration
	ReadLimit int64 // bytes that a statement may copy from a PostgreSQL
}

// External reports whether the tier is in a PostgreSQL.
func (a Analytics) External() bool { return isPostgres(a.URL) }

// File is the DuckDB file; empty if the tier is External.
func (a Analytics) File() string {
	if a.External() {
		return ""
	}
	return strings.TrimPrefix(a.URL, "duckdb:")
}

// Mappings says where a team's own mappings are.
type Mappings struct{ Dir string }

// Pipelines says how pipelines are found and run.
type Pipelines struct {
	Dir      string
	Poll     time.Duration
	Settle   time.Duration
	Lateness time.Duration
	CatchUp  time.Duration
	MaxRuns  int
	Budget   Budget
	PlanTime time.Duration // of a plan, an explanation, or the tests of a pipeline; 0 means no limit
	// AllowDamaged lets runs go on without the lake's damaged files.
	AllowDamaged bool
}

// Budget bounds a run. Zero means no limit.
type Budget struct {
	Rows  int64
	Bytes int64
	Time  time.Duration
}

// HTTP is the server.
type HTTP struct {
	Listen      string
	Insecure    bool // allow an address that is not loopback without TLS and tokens
	TLS         KeyPair
	Tokens      []Token
	MaxRequests int // answered at the same time
	MaxConns    int // open at the same time
}

// KeyPair are the files of a server's certificate, which are read again when
// they change.
type KeyPair struct{ Cert, Key string }

// Token lets whoever presents it do what its role allows. Exactly one of
// Token, File and SHA256 is set.
type Token struct {
	Name   string
	Role   Role
	Token  Secret
	File   string // holds the token; read again when it changes
	SHA256 string // of the token, in hexadecimal
}

// Role is what the bearer of a token may do.
type Role string

// The roles; each includes those before it.
const (
	RoleRead  Role = "read"
	RoleWrite Role = "write"
	RoleAdmin Role = "admin"
)

// Audit bounds the audit log.
type Audit struct {
	MaxBytes int64 // of one file
	Keep     int   // old files
}

// Query bounds ad-hoc SQL.
type Query struct {
	MaxRows    int64
	MaxBytes   int64 // of a result
	Timeout    time.Duration
	MaxSpill   int64 // bytes below TempDir, of all that runs together
	MaxRunning int   // at the same time
	MaxWaiting int   // for one of those to end
}

// Log says what is logged.
type Log struct {
	Level  Level
	Format LogFormat
}

// Level is a level of slog by name.
type Level string

// The levels.
const (
	Debug Level = "debug"
	Info  Level = "info"
	Warn  Level = "warn"
	Error Level = "error"
)

// Slog returns the level for slog.
func (l Level) Slog() slog.Level {
	switch l {
	case Debug:
		return slog.LevelDebug
	case Warn:
		return slog.LevelWarn
	case Error:
		return slog.LevelError
	default:
		return slog.LevelInfo
	}
}

// LogFormat is text or JSON lines.
type LogFormat string

// The formats of logs.
const (
	LogText LogFormat = "text"
	LogJSON LogFormat = "json"
)

// Shutdown bounds the end.
type Shutdown struct{ Grace time.Duration }

// Table returns what is declared about a lake table.
func (c Config) Table(name string) (Table, bool) {
	for _, t := range c.Tables {
		if strings.EqualFold(t.Name.Value, name) {
			return t, true
		}
	}
	return Table{}, false
}

// BloomColumns are the columns of a lake table that get a bloom filter.
func (c Config) BloomColumns(table string) []string {
	if t, ok := c.Table(table); ok && len(t.Bloom) > 0 {
		return t.Bloom
	}
	return c.Ingest.Bloom
}

// RetentionOf is how long the rows of a lake table are kept; 0: for ever. What
// ingest and removals write of themselves is none of its business: it stays.
func (c Config) RetentionOf(table string) time.Duration {
	r := c.Lake.Quarantine
	if table != quarantineTable {
		t, _ := c.Table(table)
		r = t.Retention
	}
	if r.Said {
		return r.Length
	}
	return c.Lake.Retention
}

// RepeatsOf is how far back repeats of messages of a lake table are found; 0: as
// far as the latest ids reach.
func (c Config) RepeatsOf(table string) time.Duration {
	if t, ok := c.Table(table); ok && t.Repeats.Said {
		return t.Repeats.Length
	}
	return c.Ingest.Repeats.Window
}

// RepeatWindows are the lengths that RepeatsOf may be, besides 0.
func (c Config) RepeatWindows() []time.Duration {
	all := []time.Duration{c.Ingest.Repeats.Window}
	for _, t := range c.Tables {
		all = append(all, t.Repeats.Length)
	}
	slices.Sort(all)
	return slices.DeleteFunc(slices.Compact(all), func(d time.Duration) bool { return d == 0 })
}

// LookupColumns are the columns by whose values the rows of a lake table are
// clustered; it need not have them.
func (c Config) LookupColumns(table string) []string {
	if t, ok := c.Table(table); ok && len(t.Lookup) > 0 {
		return t.Lookup
	}
	return c.Lake.Lookup
}

// DatabaseDir has the databases of pipelines, and nothing else: the process that
// evaluates their SQL may change what is in it.
func (c Config) DatabaseDir() string { return filepath.Join(c.DataDir, "databases") }

// StateFile is where pipelines keep their baselines.
func (c Config) StateFile() string { return filepath.Join(c.DatabaseDir(), "state.duckdb") }

// AuditFile is where queries and changes are recorded.
func (c Config) AuditFile() string { return filepath.Join(c.DataDir, "audit.log") }

// TempDir is where large intermediate results spill.
func (c Config) TempDir() string { return filepath.Join(c.DataDir, "tmp") }

// place fills in the paths that follow from the data directory.
func (c *Config) place() {
	fill := func(p *string, value string) {
		if *p == "" {
			*p = value
		}
	}
	fill(&c.NATS.Embedded.StoreDir, filepath.Join(c.DataDir, "nats"))
	fill(&c.Lake.Warehouse, filepath.Join(c.DataDir, "lake"))
	fill(&c.Lake.Catalog, "sqlite:"+filepath.Join(c.Lake.Warehouse, "catalog.db"))
	fill(&c.Analytics.URL, "duckdb:"+filepath.Join(c.DatabaseDir(), "analytics.duckdb"))
	if len(c.Sources) == 0 {
		c.Sources = []Source{{Name: "events", Stream: "EVENTS", Subject: "events.>", Format: FormatAuto}}
	}
}
