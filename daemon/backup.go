package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"

	"github.com/lakeward/lakeward/backup"
	"github.com/lakeward/lakeward/config"
	"github.com/lakeward/lakeward/ingest/jetstream"
	"github.com/lakeward/lakeward/internal/home"
	"github.com/lakeward/lakeward/internal/version"
	"github.com/lakeward/lakeward/serve"
	"github.com/lakeward/lakeward/tiers/lake"
)

// Backup copies the lake, and what belongs to it, into a directory while
// everything goes on.
func (v *Verbs) Backup(ctx context.Context, c serve.Command) (serve.Report, error) {
	dir := c.Args[ArgDir]
	if !filepath.IsAbs(dir) {
		return serve.Report{}, fmt.Errorf("%w: the directory %q is not an absolute path", serve.ErrInvalid, dir)
	}
	if err := v.believe(ctx); err != nil {
		return serve.Report{}, err
	}
	src := backup.Source{Lake: v.lake, Version: version.String(), Files: stateFiles(v.cfg), Quiet: v.engine.owner.Quiet,
		Logger: v.log}
	var rep backup.Report
	run := func(conn *jetstream.Conn) (err error) {
		if conn != nil {
			src.Streams, src.Names = conn, streamsOf(v.cfg)
		}
		rep, err = backup.Make(ctx, src, dir)
		return err
	}
	var err error
	if v.cfg.NATS.External() {
		err = run(nil)
	} else {
		err = v.withConn(ctx, run)
	}
	if err != nil {
		return serve.Report{}, err
	}
	text := rep.String()
	if v.cfg.NATS.External() {
		text += "not in it: the streams, which nats.url has; events behind the backup are taken from there after a " +
			"restore, as long as it holds them\n"
	}
	if v.cfg.Analytics.External() {
		text += "not in it: the analytics tier in PostgreSQL, which is backed up there\n"
	}
	return report(text, rep)
}

// stateFiles are the files of a data directory that a backup takes along.
func stateFiles(cfg config.Config) map[string]string {
	out := map[string]string{"audit.log": cfg.AuditFile()}
	for name, path := range map[string]string{"state.duckdb": cfg.StateFile(), "analytics.duckdb": cfg.Analytics.File()} {
		if path != "" {
			out[name], out[name+".wal"] = path, path+".wal"
		}
	}
	return out
}

// streamsOf are the streams of the embedded server.
func streamsOf(cfg config.Config) []string {
	out := []string{jetstream.FindingsStream}
	for _, s := range cfg.Sources {
		if !slices.Contains(out, s.Stream) {
			out = append(out, s.Stream)
		}
	}
	return out
}

func lakeOptions(cfg config.Config, log *slog.Logger) lake.Options {
	return lake.Options{Warehouse: cfg.Lake.Warehouse, Catalog: cfg.Lake.CatalogAt(), Logger: log}
}

// Restore puts a backup into the directories of cfg, which must be empty.
func Restore(ctx context.Context, cfg config.Config, log *slog.Logger, dir string, o DirectoryOptions,
	isCopy bool) (rep backup.Restored, err error) {
	release, err := Claim(cfg.DataDir, o)
	if err != nil {
		return rep, err
	}
	defer func() { err = errors.Join(err, release()) }()
	t := backup.Target{Lake: lakeOptions(cfg, log), DataDir: cfg.DataDir, Files: stateFiles(cfg), Copy: isCopy}
	if !cfg.NATS.External() {
		t.Streams = func(ctx context.Context, f func(backup.Restorer) error) (err error) {
			quiet := cfg
			quiet.NATS.Embedded.Host, quiet.NATS.Embedded.Port = "127.0.0.1", -1
			server, conn, err := connect(ctx, quiet, log)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, conn.Close(), server.Close()) }()
			return f(server)
		}
	}
	return backup.Restore(ctx, dir, t)
}

// Relocate rewrites the paths in a lake that was moved or copied, and in its data
// directory, to where both are now.
func Relocate(ctx context.Context, cfg config.Config, log *slog.Logger, o DirectoryOptions,
	r lake.RelocateOptions) (rep lake.Relocation, err error) {
	release, err := Claim(cfg.DataDir, o)
	if err != nil {
		return rep, err
	}
	defer func() { err = errors.Join(err, release()) }()
	if rep, err = lake.Relocate(ctx, lakeOptions(cfg, log), r); err != nil {
		return rep, err
	}
	return rep, home.Renew(cfg.DataDir, rep.ID, rep.Copy)
}
