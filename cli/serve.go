package cli

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"github.com/lakeward/lakeward/config"
	"github.com/lakeward/lakeward/daemon"
)

// serveCommands start a daemon, ask whether one is well, and give it events.
func serveCommands() []entry {
	return []entry{
		local{
			path: "serve", args: none(), short: "Run the daemon",
			long: "Runs the daemon: events from NATS into the lake, pipelines on their schedules, HTTP. With no\n" +
				"configuration it has a NATS server of its own, keeps everything in ./data, and takes pipelines from\n" +
				"./pipelines.d. SIGTERM drains; a second one leaves at once; neither loses anything. SIGHUP\n" +
				"reads the configuration again: log.level, sources, ingest and tables change while the daemon runs,\n" +
				"and the log says what else changed and needs a restart.",
			drains: true,
			run:    func(ctx context.Context, c *cli, _ []string) error { return c.serve(ctx) },
		},
		demoCommand(),
		healthCommand(),
		publishCommand(),
	}
}

func (c *cli) serve(ctx context.Context) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	level := new(slog.LevelVar)
	level.Set(cfg.Log.Level.Slog())
	log := c.logger(level, cfg.Log.Format == config.LogJSON)
	d, err := daemon.Start(ctx, cfg, log, c.commands)
	if err != nil {
		return err
	}
	warn := func(cfg config.Config) { warnExposed(cfg, c.configFile(), c.env, log) }
	warn(cfg)
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	return d.Run(ctx, daemon.RunOptions{Reload: daemon.Reload{Ask: hup, Load: c.load, Level: level, Taken: warn}})
}

// healthWithin bounds a question about health.
const healthWithin = 3 * time.Second

func healthCommand() entry {
	var ready bool
	return reader{
		path: "health", args: none(), short: "Ask the running daemon whether it is alive (or ready); for containers",
		flags:  func(f *pflag.FlagSet) { f.BoolVar(&ready, "ready", false, "ask whether it is ready instead") },
		run:    func(ctx context.Context, c *cli, _ []string) error { return c.health(ctx, ready) },
		routes: []string{"GET /healthz", "GET /readyz"},
	}
}

func (c *cli) health(ctx context.Context, ready bool) error {
	ctx, cancel := context.WithTimeout(ctx, healthWithin)
	defer cancel()
	client, err := c.daemonClient()
	if err != nil {
		return err
	}
	text, ok, err := client.Probe(ctx, ready)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprint(c.Out, text); err != nil {
		return fmt.Errorf("print answer: %w", err)
	}
	if !ok {
		return errFailed
	}
	return nil
}
