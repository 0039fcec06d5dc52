// Package daemon wires the parts into commands: start and stop order, signals
// and exit codes. It has no logic of the parts.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lakeward/lakeward/config"
)

// Exit codes, for scripts.
const (
	exitOK     = 0
	exitFailed = 1 // the command ran and something is wrong
	exitUsage  = 2 // the command line or the configuration is wrong
)

// Streams are the process's standard streams.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// errUsage marks mistakes of the command line.
var errUsage = errors.New("usage")

// errFailed ends a command whose output already says what is wrong.
var errFailed = errors.New("failed")

// cli is what every command gets: its streams, environment and global flags.
type cli struct {
	Streams
	env        []string
	configPath string
	dataDir    string
	server     string
	tokenFile  string
	caFile     string
	command    string // that runs, without its arguments
}

// Main runs the command line and returns the exit code.
func Main(args []string, s Streams, env []string) int {
	ctx, stop := signals(context.Background(), s.Err)
	defer stop()
	root := NewCommand(s, env)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errFailed):
		return exitFailed
	case errors.Is(err, errUsage), errors.As(err, new(config.Problems)):
		fmt.Fprintf(s.Err, "lakeward: %v\n", err)
		return exitUsage
	default:
		fmt.Fprintf(s.Err, "lakeward: %v\n", err)
		return exitFailed
	}
}

// NewCommand is the command tree; the documentation generator walks it too.
func NewCommand(s Streams, env []string) *cobra.Command {
	c := &cli{Streams: s, env: env}
	root := &cobra.Command{
		Use:   "lakeward",
		Short: "A security data lake in one binary",
		Long: "Lakeward keeps every event that is published to NATS, exactly once, in Apache Iceberg\n" +
			"tables; runs YAML pipelines over them on a schedule; and promotes what they find to an\n" +
			"analytics tier that people, dashboards and agents read.",
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRun: func(cmd *cobra.Command, _ []string) {
			c.command = strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name()+" ")
		},
	}
	root.SetIn(s.In)
	root.SetOut(s.Out)
	root.SetErr(s.Err)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return fmt.Errorf("%w: %w", errUsage, err) })
	root.PersistentFlags().StringVarP(&c.configPath, "config", "c", "", "configuration file (default: $LAKEWARD_CONFIG, or none: everything has a default)")
	root.PersistentFlags().StringVar(&c.dataDir, "data-dir", "", "data directory (overrides data_dir of the configuration)")
	root.PersistentFlags().StringVar(&c.server, "server", "", "address of a daemon elsewhere, such as https://lake.example.com:8321 (default: $LAKEWARD_SERVER, or the daemon of the data directory)")
	root.PersistentFlags().StringVar(&c.tokenFile, "token-file", "", "file with the token for a daemon that asks for one (default: $LAKEWARD_TOKEN_FILE, or the token in $LAKEWARD_TOKEN)")
	root.PersistentFlags().StringVar(&c.caFile, "ca-file", "", "file with the authorities that sign the daemon's certificate (default: $LAKEWARD_CA_FILE; without it the host's, or on the data directory the daemon's certificate itself)")
	root.AddCommand(c.maintenanceCommands()...)
	root.AddCommand(
		c.serveCommand(), c.demoCommand(), c.publishCommand(),
		c.queryCommand(), c.tablesCommand(), c.lakeCommand(), c.explainCommand(),
		c.pipelineCommand(), c.sourceCommand(), c.quarantineCommand(), c.verifyCommand(), c.fsckCommand(), c.configCommand(), c.healthCommand(),
	)
	return root
}

// load reads the configuration that the flags and the environment name.
func (c *cli) load() (config.Config, error) {
	env := c.env
	if c.dataDir != "" {
		env = append(env[:len(env):len(env)], "LAKEWARD_DATA_DIR="+c.dataDir)
	}
	return config.Load(c.configFile(), env)
}

// configFile is the configuration's path; empty if there is none.
func (c *cli) configFile() string {
	if c.configPath != "" {
		return c.configPath
	}
	return lookupEnv(c.env, "LAKEWARD_CONFIG")
}

func lookupEnv(env []string, key string) string {
	value := ""
	for _, kv := range env {
		if len(kv) > len(key) && kv[len(key)] == '=' && kv[:len(key)] == key {
			value = kv[len(key)+1:]
		}
	}
	return value
}

func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}

func (c *cli) logger(level slog.Level, json bool) *slog.Logger {
	o := &slog.HandlerOptions{Level: level}
	if json {
		return slog.New(slog.NewJSONHandler(c.Err, o))
	}
	return slog.New(slog.NewTextHandler(c.Err, o))
}

// isTerminal reports whether w is a terminal, where progress may be drawn.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	st, err := f.Stat()
	return err == nil && st.Mode()&os.ModeCharDevice != 0
}
