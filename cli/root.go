// Package cli is what a person types: one table of commands, each with the role
// that it needs and what it does. A command asks a daemon, or opens the data
// directory itself.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/lakeward/lakeward/config"
	"github.com/lakeward/lakeward/daemon"
	"github.com/lakeward/lakeward/internal/version"
	"github.com/lakeward/lakeward/query/format"
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
	args       []string
	env        []string
	configPath string
	dataDir    string
	server     string
	tokenFile  string
	caFile     string
	command    string          // that runs, without its arguments
	commands   daemon.Commands // what a daemon does
	signals    *signals
}

// Main runs the command line and returns the exit code.
func Main(args []string, s Streams, env []string) int {
	ctx, sigs, stop := watchSignals(context.Background(), s.Err)
	defer stop()
	root := newCommand(&cli{Streams: s, args: args, env: env, signals: sigs}, table())
	root.SetArgs(statements(root, args))
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	if sig := sigs.ended(err); sig != 0 {
		fmt.Fprintln(s.Err, "lakeward: "+wordOf(sig))
		return exitSignal + int(sig)
	}
	switch {
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

// NewCommand is the command tree, for the documentation.
func NewCommand() *cobra.Command { return newCommand(&cli{}, table()) }

func newCommand(c *cli, entries []entry) *cobra.Command {
	c.commands = served(entries)
	root := &cobra.Command{
		Use:   "lakeward",
		Short: "A security data lake in one binary",
		Long: "Lakeward keeps every event that is published to NATS, exactly once, in Apache Iceberg\n" +
			"tables; runs YAML pipelines over them on a schedule; and promotes what they find to an\n" +
			"analytics tier that people, dashboards and agents read.",
		Version:               version.String(),
		SilenceErrors:         true,
		SilenceUsage:          true,
		DisableFlagsInUseLine: true,
		Args:                  none().check,
		RunE:                  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetIn(c.In)
	root.SetOut(c.Out)
	root.SetErr(c.Err)
	root.SetFlagErrorFunc(c.flagError)
	root.PersistentFlags().StringVarP(&c.configPath, "config", "c", "",
		"configuration file (default: $LAKEWARD_CONFIG, or none: everything has a default)")
	root.PersistentFlags().StringVar(&c.dataDir, "data-dir", "",
		"data directory (overrides data_dir of the configuration)")
	root.PersistentFlags().StringVar(&c.server, "server", "", "address of a daemon elsewhere, such as "+
		"https://lake.example.com:8321 (default: $LAKEWARD_SERVER, or the daemon of the data directory)")
	root.PersistentFlags().StringVar(&c.tokenFile, "token-file", "", "file with the token for a daemon that asks for "+
		"one (default: $LAKEWARD_TOKEN_FILE, or the token in $LAKEWARD_TOKEN)")
	root.PersistentFlags().StringVar(&c.caFile, "ca-file", "", "file with the authorities that sign the daemon's "+
		"certificate (default: $LAKEWARD_CA_FILE; without it the host's, or on the data directory the daemon's "+
		"certificate itself)")
	c.grow(root, entries)
	root.SetHelpCommand(helpCommand())
	root.InitDefaultCompletionCmd()
	completion, _, err := root.Find([]string{"completion"})
	if err == nil {
		completion.Args = none().check
		completion.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	}
	return root
}

// flagError says what is wrong with a flag. If the command does not exist, the
// command is what is wrong.
func (c *cli) flagError(cmd *cobra.Command, err error) error {
	_, rest, findErr := cmd.Root().Find(c.args)
	if cmd.HasSubCommands() && findErr == nil {
		cmd.FParseErrWhitelist.UnknownFlags = true
		if cmd.ParseFlags(rest) == nil && cmd.Flags().NArg() > 0 {
			return unknownCommand(cmd, cmd.Flags().Arg(0))
		}
	}
	return fmt.Errorf("%w: %w", errUsage, err)
}

// helpCommand is cobra's, and fails for commands that do not exist.
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND...]",
		Short: "Help about any command",
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
			about := cmd.Root()
			for _, name := range args {
				if about = child(about, name); about == nil {
					return nil, cobra.ShellCompDirectiveNoFileComp
				}
			}
			return names(about), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			about := cmd.Root()
			for _, name := range args {
				next := child(about, name)
				if next == nil {
					return unknownCommand(about, name)
				}
				about = next
			}
			about.InitDefaultHelpFlag()
			return about.Help()
		},
	}
}

func child(parent *cobra.Command, name string) *cobra.Command {
	for _, c := range parent.Commands() {
		if c.Name() == name {
			return c
		}
	}
	return nil
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

func (c *cli) logger(level slog.Leveler, json bool) *slog.Logger {
	o := &slog.HandlerOptions{Level: level}
	if json {
		return slog.New(slog.NewJSONHandler(c.Err, o))
	}
	return slog.New(slog.NewTextHandler(c.Err, o))
}

// quietLogger is for commands, whose output is their answer.
func (c *cli) quietLogger(cfg config.Config) *slog.Logger {
	return c.logger(max(cfg.Log.Level.Slog(), slog.LevelWarn), cfg.Log.Format == config.LogJSON)
}

// isTerminal reports whether w is a terminal, where progress may be drawn.
func isTerminal(w io.Writer) bool {
	_, terminal := format.Terminal(w)
	return terminal
}
