package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"github.com/lakeward/lakeward/daemon"
	"github.com/lakeward/lakeward/serve"
)

// lakeCommands prove that the lake is whole, and change what it has.
func lakeCommands() []entry {
	return []entry{
		group{path: "lake", short: "The lake's catalog and its warehouse"},
		adoptCommand(), eraseCommand(), verifyCommand(), fsckCommand(),
	}
}

// asking are the flags of a command that says what it would do and asks.
type asking struct{ dry, yes, asJSON bool }

func (a *asking) add(f *pflag.FlagSet, dry string) {
	f.BoolVar(&a.dry, "dry-run", false, dry)
	f.BoolVar(&a.yes, "yes", false, "do not ask")
	f.BoolVar(&a.asJSON, "json", false, "print JSON")
}

func adoptCommand() entry {
	var a asking
	var incomplete bool
	return admin{
		path: "lake adopt", args: none(), short: "Register the newest metadata of the warehouse in a catalog that is " +
			"older, or new",
		long: "If the catalog was put back from an older copy, or is gone, the warehouse knows more: newer metadata of\n" +
			"tables, and tables that the catalog does not name. The daemon then halts. This registers for each such\n" +
			"table the newest metadata whose chain leads back to what the catalog names and all of whose files are\n" +
			"there, and puts back marks of sources that somebody has removed. It says what it will do, asks, and\n" +
			"changes nothing but the catalog. Files that no metadata names stay where they are. It refuses while a\n" +
			"daemon commits to the lake; a daemon that halts for the catalog goes on at once. Works with and without\n" +
			"a daemon, where it needs the role admin. Exit code 1 if a table could not be registered.",
		example: "  lakeward lake adopt --dry-run\n  lakeward lake adopt --yes && lakeward verify",
		flags: func(f *pflag.FlagSet) {
			a.add(f, "say what would be registered, change nothing")
			f.BoolVar(&incomplete, daemon.ArgIncomplete, false, "also metadata some of whose data files are missing or damaged")
		},
		run: func(ctx context.Context, c *cli, _ []string) error {
			sc := serve.Command{Noun: "lake", Verb: "adopt", Args: map[string]string{}}
			if incomplete {
				sc.Args[daemon.ArgIncomplete] = "true"
			}
			return c.ask(ctx, deed{cmd: sc, question: "Register this in the catalog?", planned: plannedAdoption, asking: a})
		},
		do: (*daemon.Verbs).Adopt,
	}
}

func plannedAdoption(data json.RawMessage) (bool, error) {
	var a daemon.Adoption
	err := json.Unmarshal(data, &a)
	return !a.Nothing(), err
}

func eraseCommand() entry {
	var a asking
	var table, where, reason string
	return admin{
		path: "erase", args: arguments{usage: "--table TABLE --where PREDICATE", what: "no arguments"},
		short: "Take rows out of a lake table for good, such as those of one person",
		long: "Rewrites the files of a lake table that hold rows for which the predicate is true, without these rows.\n" +
			"The predicate is one SQL expression over the table's columns; rows for which it is NULL stay. It says\n" +
			"what it will do, asks, does it in commits of some files each, and reports what was erased, until when\n" +
			"old snapshots still name the files with the rows, and where else the data may be. Queries that run are\n" +
			"not disturbed. Cut short, it has erased what it committed and the same command does the rest.\n" +
			"`lakeward verify` knows the messages as removed; lake.ingest_removed says when, by whom and why, and\n" +
			"does not hold the predicate. Works with and without a daemon, where it needs the role admin.\n" +
			"Exit code 1 if some files could not be looked at.",
		example: "  lakeward erase --table signin --where \"\\\"user\\\".name = 'ada'\" --reason 'request 4711' --dry-run\n" +
			"  lakeward erase --table quarantine --where \"position('ada' IN bytes::VARCHAR) > 0\" --yes",
		flags: func(f *pflag.FlagSet) {
			f.StringVar(&table, "table", "", "lake table `TABLE` to erase from")
			f.StringVar(&where, "where", "", "`PREDICATE` that is true for the rows to erase")
			f.StringVar(&reason, "reason", "", "why, in words; kept in lake.ingest_removed")
			a.add(f, "say what would be erased, change nothing")
		},
		run: func(ctx context.Context, c *cli, _ []string) error {
			if table == "" || strings.TrimSpace(where) == "" {
				return fmt.Errorf("%w: say what to erase with --table and --where", errUsage)
			}
			sc := serve.Command{Noun: "lake", Verb: "erase", Name: strings.TrimPrefix(table, "lake."),
				Args: map[string]string{daemon.ArgWhere: where, daemon.ArgReason: reason, daemon.ArgBy: whoAmI()}}
			return c.ask(ctx, deed{cmd: sc, question: "Erase these rows of lake." + sc.Name + " for good?", asking: a})
		},
		do: (*daemon.Verbs).Erase, verb: "lake erase",
	}
}

func verifyCommand() entry {
	var asJSON, deep bool
	return admin{
		path: "verify", args: none(), short: "Prove that every message of the streams is in the lake once",
		long: "Compares the streams' sequences with the ranges that each data file records: every message must be\n" +
			"in a table once, in lake.quarantine with a reason, a counted repeat, or recorded as removed by retention\n" +
			"or an erasure. Where a file is damaged, the rest is accounted for, and what the file had is said.\n" +
			"With --deep, the message that each repeat repeats is looked for in its table, in lake.quarantine and among\n" +
			"those that were removed; this reads the event ids of the files that may have them. Repeats that an older\n" +
			"version recorded without saying of which message are counted as not proven.\n" +
			"Exit code 0 if all of that is proven; 1 if messages are lost or repeated, if the stream dropped some before\n" +
			"they were read (since the last `source reset`), if files or marks are missing or damaged so that it cannot\n" +
			"be proven, if the catalog is older than the lake, in which case nothing is counted, or if a message was\n" +
			"dropped as the repeat of one that is not there (--deep); 2 for a wrong command line or configuration.",
		flags: func(f *pflag.FlagSet) {
			f.BoolVar(&deep, daemon.ArgDeep, false, "look for the message that each repeat repeats")
			jsonFlag(&asJSON)(f)
		},
		run: func(ctx context.Context, c *cli, _ []string) error {
			sc := serve.Command{Noun: "lake", Verb: "verify"}
			if deep {
				sc.Args = map[string]string{daemon.ArgDeep: "true"}
			}
			return c.write(ctx, sc, asJSON)
		},
		do: (*daemon.Verbs).Verify, verb: "lake verify",
	}
}
