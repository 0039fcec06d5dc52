package daemon

import (
	"github.com/spf13/cobra"

	"github.com/lakeward/lakeward/config"
)

func (c *cli) serveCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "serve",
		Short: "Run the daemon",
		Long: "Runs the daemon: events from NATS into the lake, pipelines on their schedules, HTTP. With no\n" +
			"configuration it has a NATS server of its own, keeps everything in ./data, and takes pipelines from\n" +
			"./pipelines.d. SIGTERM drains; a second one leaves at once; neither loses anything.",
		Args: exactArgs(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := c.load()
			if err != nil {
				return err
			}
			log := c.logger(cfg.Log.Level.Slog(), cfg.Log.Format == config.LogJSON)
			a, err := startApp(cmd.Context(), cfg, log)
			if err != nil {
				return err
			}
			warnExposed(cfg, c.configFile(), c.env, log)
			return a.run(cmd.Context(), appOptions{})
		},
	}
}
