// Command lab runs the daemon where it goes wrong, and counts what is lost, what
// is there twice, and how long it takes:
//
//	go run ./test/lab [-keep] [-seed N] COMMAND [VARIABLE=VALUE...]
//
// Sizes are variables (KILLS, ROUNDS, EVENTS, ...), as in the Makefile; without a
// command it lists them all. Each command ends with its figures.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"text/tabwriter"

	"github.com/lakeward/lakeward/test/daemonproc"
	"github.com/lakeward/lakeward/test/lab/chaos"
	"github.com/lakeward/lakeward/test/lab/diskfault"
	"github.com/lakeward/lakeward/test/lab/hostile"
	"github.com/lakeward/lakeward/test/lab/load"
	"github.com/lakeward/lakeward/test/lab/memory"
	"github.com/lakeward/lakeward/test/lab/mutations"
)

// experiment is a command.
type experiment struct {
	name, variables, what string
	run                   func(context.Context) error
}

func experiments() []experiment {
	return []experiment{
		{"chaos", "KILLS RATE STEPS", "kill the daemon and its workers while events are published", chaos.Run},
		{"standby", "ROUNDS CATALOG LOSS", "take the daemon that commits away", goTest("./test/standby", ".")},
		{"memory", "BUDGET LOAD_SECONDS TABLES", "everything at once within a budget", memory.Run},
		{"hostile", "STATEMENTS BUDGET", "statements that end, outgrow or outlast an engine", hostile.Run},
		{"disks", "FAULTS ROUNDS ONLY", "disks that are full, read-only or broken", diskfault.Run},
		{"powerloss", "POINTS", "lose the power at moments of a lake's life", goTest("./tiers/lake", "PowerLoss")},
		{"mutations", "MUTATIONS", "damage data files", func(ctx context.Context) error { return mutations.Run(ctx, os.Stdout) }},
		{"freshness", "RATE SECONDS", "how long until a published event is in an answer", loads("freshness")},
		{"poison", "EVENTS REPEATS", "broken messages are kept with their reason", loads("poison")},
		{"realdata", "DIR", "each event of the files of a directory is stored once", loads("realdata")},
		{"redelivery", "EVENTS RESTARTS", "what arrives again and again is stored once", loads("redelivery")},
		{"soak", "MINUTES", "nothing grows", loads("soak")},
	}
}

func loads(name string) func(context.Context) error {
	return func(ctx context.Context) error { return load.Run(ctx, name) }
}

// goTest runs tests that are experiments: they use what only tests may.
func goTest(folder, name string) func(context.Context) error {
	return func(ctx context.Context) error {
		cmd := exec.CommandContext(ctx, "go", "test", "-count=1", "-timeout=1h", "-v", "-run", name, folder)
		cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		return cmd.Run()
	}
}

func main() {
	daemonproc.NATSMain()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "lab: %v\n", err)
		stop()
		os.Exit(1)
	}
}

// run carries out a command. Flags become variables, which also those processes
// read that a command starts.
func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("lab", flag.ContinueOnError)
	keep := flags.Bool("keep", false, "keep the directory, also if nothing was wrong")
	seed := flags.Uint64("seed", 0, "of what is random (0: another one each time)")
	flags.Usage = func() { usage(flags) }
	if err := flags.Parse(args); err != nil {
		return err
	}
	variables := flags.Args()
	if len(variables) == 0 {
		usage(flags)
		return errors.New("say what to do")
	}
	name, variables := variables[0], variables[1:]
	if *keep {
		variables = append(variables, "KEEP=1")
	}
	if *seed != 0 {
		variables = append(variables, fmt.Sprintf("SEED=%d", *seed))
	}
	for _, v := range variables {
		key, value, ok := strings.Cut(v, "=")
		if !ok {
			return fmt.Errorf("%q is not VARIABLE=VALUE", v)
		}
		if err := os.Setenv(key, value); err != nil {
			return fmt.Errorf("set %s: %w", key, err)
		}
	}
	for _, e := range experiments() {
		if e.name != name {
			continue
		}
		if err := e.run(ctx); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		return nil
	}
	usage(flags)
	return fmt.Errorf("there is no command %q", name)
}

func usage(flags *flag.FlagSet) {
	w := tabwriter.NewWriter(flags.Output(), 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "go run ./test/lab [-keep] [-seed N] COMMAND [VARIABLE=VALUE...]")
	for _, e := range experiments() {
		fmt.Fprintf(w, "  %s\t%s\t%s\n", e.name, e.variables, e.what)
	}
	_ = w.Flush() // to standard error
	flags.PrintDefaults()
}
