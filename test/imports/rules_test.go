package imports

// folder says which of our folders the packages below it may import. The
// longest path that fits a package is its folder.
type folder struct {
	path string   // empty: main
	may  []string // folders, with what is below them
}

// folders are in the order in which imports run.
func folders() []folder {
	return []folder{
		{"", []string{"cli", "query/worker"}},
		{"cli", []string{"daemon", "ingest", "pipeline", "serve", "demo", "pipelines.d", "mappings.d", "config", "query",
			"tiers", "internal"}},
		{"daemon", []string{"backup", "ingest", "compact", "pipeline", "serve", "mappings.d", "config", "query", "tiers",
			"internal"}},
		{"backup", []string{"ingest/jetstream", "tiers", "internal"}},
		{"ingest", []string{"config/strict", "tiers", "internal"}},
		{"compact", []string{"query", "tiers"}},
		{"pipeline", []string{"config/strict", "query", "tiers", "internal"}},
		{"serve", []string{"config", "query", "internal"}},
		{"demo", nil},
		{"pipelines.d", nil},
		{"mappings.d", nil},
		{"examples", nil},
		{"config", []string{"tiers"}},
		{"query", []string{"internal", "tiers"}},
		{"tiers", []string{"query", "internal"}},
		{"internal", []string{"tiers"}},
		{"internal/docgen", []string{"cli", "config", "ingest/mapping", "mappings.d", "pipeline", "tiers"}},
		{"test", []string{"cli", "compact", "config", "demo", "ingest", "pipeline", "pipelines.d", "query", "serve",
			"tiers"}},
	}
}

// library is one that only some of our folders may import.
type library struct {
	path string // of its packages, or how they begin
	in   []string
	why  string
}

func libraries() []library {
	return []library{
		{"C", []string{"query/duckdb"}, "native code is in workers alone"},
		{"github.com/apache/iceberg-go", []string{"tiers/lake"}, "the table format behind `tiers.Table`"},
		{"github.com/duckdb/", []string{"query/duckdb"}, "the engine behind `query.Engine`"},
		{"github.com/fsnotify/fsnotify", []string{"pipeline"}, "watches the pipelines' folder"},
		{"github.com/google/flatbuffers", []string{"query/worker"}, "checks the frames of a worker before Arrow reads them"},
		{"github.com/hanwen/go-fuse", []string{"test"}, "disks that fail"},
		{"github.com/jackc/pgx", []string{"tiers/lake", "tiers/postgres", "internal/pgtest"},
			"PostgreSQL as a catalog, and as the analytics tier"},
		{"github.com/klauspost/compress", []string{"ingest/columnfile", "ingest/format", "query/format", "serve",
			"tiers/lake", "tiers/parquetfile"},
			"gzip, zstd and snappy"},
		{"github.com/minio/highwayhash", []string{"ingest/jetstream"}, "the checksum beside a stream's metadata"},
		{"github.com/nats-io/", []string{"ingest/jetstream", "test"}, "streams behind `ingest.Stream`"},
		{"github.com/parquet-go/parquet-go", []string{"ingest", "tiers/parquetfile"},
			"writes files, and reads their footers"},
		{"github.com/prometheus/", []string{"daemon", "serve"}, "metrics"},
		{"github.com/robfig/cron", []string{"pipeline/schedule"}, "reads schedules"},
		{"github.com/spf13/", []string{"cli", "internal/docgen"}, "the command line"},
		{"golang.org/x/sys", []string{"query/worker"}, "what a worker gives up"},
		{"golang.org/x/term", []string{"query/format"}, "the width of a terminal"},
		{"golang.org/x/text", []string{"internal/spelling"}, "names in composed form"},
		{"gopkg.in/yaml.v3", []string{"config/strict"}, "behind the one strict decoder"},
		{"modernc.org/sqlite", []string{"tiers/lake"}, "the catalog on one machine"},
	}
}
