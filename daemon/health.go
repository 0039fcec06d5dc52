package daemon

import (
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/spf13/cobra"
)

func (c *cli) healthCommand() *cobra.Command {
	var ready bool
	cmd := &cobra.Command{
		Use:   "health",
		Short: "Ask the running daemon whether it is alive (or ready); for containers",
		Args:  exactArgs(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := c.load()
			if err != nil {
				return err
			}
			d, running, err := findDaemon(cfg.DataDir)
			if err != nil {
				return err
			}
			if !running {
				return fmt.Errorf("no daemon has %s", cfg.DataDir)
			}
			path := "/healthz"
			if ready {
				path = "/readyz"
			}
			client := http.Client{Timeout: 3 * time.Second}
			resp, err := client.Get("http://" + localAddr(d.HTTP) + path)
			if err != nil {
				return fmt.Errorf("ask the daemon: %w", err)
			}
			defer resp.Body.Close()
			if _, err := io.Copy(c.Out, io.LimitReader(resp.Body, 1<<16)); err != nil {
				return fmt.Errorf("read answer: %w", err)
			}
			if resp.StatusCode != http.StatusOK {
				return errFailed
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&ready, "ready", false, "ask whether it is ready instead")
	return cmd
}
