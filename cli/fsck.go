package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/pflag"

	"github.com/lakeward/lakeward/daemon"
	"github.com/lakeward/lakeward/tiers/lake"
)

func fsckCommand() entry {
	var o lake.FsckOptions
	var asJSON bool
	return local{
		path: "fsck", args: none(), short: "Check that every file that the lake's snapshots need is there and whole",
		long: "Reads every snapshot, manifest list and manifest of every table, and looks for each data file and\n" +
			"its size; with --deep it also reads each data file and compares its checksum and its row count with\n" +
			"what was committed. It finds tables of which the warehouse has newer metadata than the catalog names, or\n" +
			"that the catalog does not name at all. It prints what is wrong and what to do about it. Exit code 1 if\n" +
			"data is damaged, or the catalog is older than the lake.\n" +
			"It works beside a running daemon and changes nothing; --repair removes what a crash left half\n" +
			"written more than a day ago, which no snapshot names, and nothing else.",
		example: "  lakeward fsck --deep\n  lakeward fsck --json | jq '.problems[] | select(.damage) | .path'",
		flags: func(f *pflag.FlagSet) {
			f.BoolVar(&o.Deep, "deep", false, "read every data file: checksum, footer and row count")
			f.BoolVar(&o.Repair, "repair", false, "remove leftover temporary files that are older than a day")
			jsonFlag(&asJSON)(f)
		},
		run: func(ctx context.Context, c *cli, _ []string) error { return c.fsck(ctx, o, asJSON) },
	}
}

// fsck opens the lake alone: a daemon, if there is one, goes on meanwhile.
func (c *cli) fsck(ctx context.Context, o lake.FsckOptions, asJSON bool) (err error) {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	_, running, err := daemon.Find(cfg.DataDir)
	if err != nil {
		return err
	}
	if !running {
		release, err := daemon.Claim(cfg.DataDir, daemon.DirectoryOptions{ReadOnly: true, Command: c.command})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, release()) }()
	}
	l, err := daemon.OpenLake(ctx, cfg, c.quietLogger(cfg), !o.Repair)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	if isTerminal(c.Err) {
		o.Progress = func(table string, done, tables int) {
			fmt.Fprintf(c.Err, "\r\x1b[Klake.%s (%d of %d tables)", table, done+1, tables)
		}
		defer fmt.Fprint(c.Err, "\r\x1b[K")
	}
	r, err := l.Fsck(ctx, o)
	if err != nil {
		return err
	}
	if asJSON {
		err = printJSON(c.Out, r)
	} else {
		err = printFsck(c.Out, r)
	}
	if err == nil && r.Damaged() {
		err = errFailed
	}
	return err
}

func printFsck(w io.Writer, r lake.FsckReport) error {
	var files, rows, newer int64
	for _, p := range r.Problems {
		what := p.Kind
		if p.Table != "" {
			what = "lake." + p.Table + ": " + p.Kind
		}
		fmt.Fprintf(w, "%s %s\n  it %s\n", what, p.Path, p.Problem)
		if p.Rows > 0 {
			fmt.Fprintf(w, "  rows lost with it: %d\n", p.Rows)
		}
		fmt.Fprintf(w, "  to do: %s\n", p.Remedy)
		switch {
		case p.Kind == lake.KindCatalog:
			newer++
		case p.Damage:
			files++
			rows += p.Rows
		}
	}
	how := "existence and size; --deep reads them too"
	if r.Deep {
		how = "checksum, footer and row count"
	}
	fmt.Fprintf(w, "%d tables, %d snapshots, %d manifests, %d data files of %s (%s)\n", r.Tables, r.Snapshots, r.Manifests,
		r.DataFiles, sizeText(r.Bytes), how)
	if r.Unverified > 0 {
		fmt.Fprintf(w, "%d data files have no checksum: another program wrote them, or an older version of this one\n",
			r.Unverified)
	}
	verdict := "nothing is damaged"
	if files > 0 {
		verdict = fmt.Sprintf("%d files are damaged or missing, %d rows with them", files, rows)
	}
	if newer > 0 {
		verdict += fmt.Sprintf("; the catalog is older than the lake, by %d tables", newer)
	}
	_, err := fmt.Fprintln(w, verdict)
	return err
}
