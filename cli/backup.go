package cli

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/spf13/pflag"

	"github.com/lakeward/lakeward/config"
	"github.com/lakeward/lakeward/daemon"
	"github.com/lakeward/lakeward/serve"
	"github.com/lakeward/lakeward/tiers/lake"
)

// backupCommands copy a lake, put it back, and move it.
func backupCommands() []entry {
	return []entry{backupCommand(), restoreCommand(), relocateCommand()}
}

func backupCommand() entry {
	var asJSON bool
	return admin{
		path: "backup", args: one("DIR", "a directory"), short: "Copy the lake and what belongs to it into a directory",
		long: "Copies every table as it is at one moment, with its snapshots of the past, the databases of pipelines,\n" +
			"the analytics tier in its file, the audit log, and the streams of the embedded NATS server. Everything goes\n" +
			"on meanwhile; pipelines wait while their databases are copied. DIR is empty, or has an earlier backup of\n" +
			"the same lake: then only new files are copied, and those that no table needs any more are removed once the\n" +
			"backup is complete. Until then the earlier one stays as it was. A daemon elsewhere (--server) copies into a\n" +
			"directory of its own machine. The configuration, tokens and certificates are not copied, nor is what\n" +
			"PostgreSQL or another NATS server has.",
		example: "  lakeward backup /mnt/backup/lakeward\n  lakeward --data-dir /srv/again restore /mnt/backup/lakeward",
		flags:   jsonFlag(&asJSON),
		run: func(ctx context.Context, c *cli, args []string) error {
			dir, err := filepath.Abs(args[0])
			if err != nil {
				return fmt.Errorf("locate %s: %w", args[0], err)
			}
			return c.write(ctx, serve.Command{Noun: "lake", Verb: "backup", Args: map[string]string{daemon.ArgDir: dir}}, asJSON)
		},
		do: (*daemon.Verbs).Backup, verb: "lake backup",
	}
}

func restoreCommand() entry {
	var asJSON, isCopy bool
	return local{
		path: "restore", args: one("DIR", "the directory of a backup"), short: "Put a backup into an empty data directory",
		long: "Puts what `lakeward backup` has copied into the data directory, the warehouse and the catalog of the\n" +
			"configuration, which must be empty, checks that every file is there with its size and checksum, and\n" +
			"rewrites the tables' metadata if the lake was in another place. If that one is still there, the restored\n" +
			"lake gets an id of its own. Sources then go on where the backup was made: what their streams still hold is\n" +
			"taken once. Cut short, the same command carries it on.",
		example: "  lakeward --data-dir /srv/again restore /mnt/backup/lakeward && lakeward --data-dir /srv/again verify",
		flags: func(f *pflag.FlagSet) {
			f.BoolVar(&isCopy, "copy", false, "give the lake an id of its own although the original is not found here")
			jsonFlag(&asJSON)(f)
		},
		run: func(ctx context.Context, c *cli, args []string) error {
			return c.alone(asJSON, func(cfg config.Config) (fmt.Stringer, error) {
				return daemon.Restore(ctx, cfg, c.quietLogger(cfg), args[0], daemon.DirectoryOptions{Command: c.command}, isCopy)
			})
		},
	}
}

func relocateCommand() entry {
	var o lake.RelocateOptions
	var asJSON bool
	return local{
		path: "relocate", args: none(), short: "Make a lake that was moved or copied work where it is",
		long: "Tables name their files by absolute paths, so a lake works where it was made, and elsewhere it is refused.\n" +
			"This writes the metadata of every table anew for the place where it is, the snapshots of the past too, and\n" +
			"points the catalog at it at once, if every file is there with its size. Data files are not touched. If the\n" +
			"original is still where it was, this one becomes a lake of its own. No daemon may be running on the data\n" +
			"directory. Cut short, the same command carries it on.",
		example: "  mv data /srv/lakeward && lakeward --data-dir /srv/lakeward relocate",
		flags: func(f *pflag.FlagSet) {
			f.BoolVar(&o.Copy, "copy", false, "give the lake an id of its own although the original is not found here")
			f.BoolVar(&o.Incomplete, daemon.ArgIncomplete, false, "go on although data files are missing or damaged")
			jsonFlag(&asJSON)(f)
		},
		run: func(ctx context.Context, c *cli, _ []string) error {
			return c.alone(asJSON, func(cfg config.Config) (fmt.Stringer, error) {
				return daemon.Relocate(ctx, cfg, c.quietLogger(cfg), daemon.DirectoryOptions{Command: c.command}, o)
			})
		},
	}
}

// alone prints what f does with the directories of the configuration.
func (c *cli) alone(asJSON bool, f func(config.Config) (fmt.Stringer, error)) error {
	if c.server != "" {
		return fmt.Errorf("%w: this works on the data directory itself, not by --server", errUsage)
	}
	cfg, err := c.load()
	if err != nil {
		return err
	}
	rep, err := f(cfg)
	if err != nil {
		return err
	}
	if asJSON {
		return printJSON(c.Out, rep)
	}
	if _, err := fmt.Fprint(c.Out, rep); err != nil {
		return fmt.Errorf("print answer: %w", err)
	}
	return nil
}
