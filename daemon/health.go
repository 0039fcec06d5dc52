package daemon

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
)

// healthWithin bounds a question about health.
const healthWithin = 3 * time.Second

func (c *cli) healthCommand() *cobra.Command {
	var ready bool
	cmd := &cobra.Command{
		Use:   "health",
		Short: "Ask the running daemon whether it is alive (or ready); for containers",
		Args:  exactArgs(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), healthWithin)
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
		},
	}
	cmd.Flags().BoolVar(&ready, "ready", false, "ask whether it is ready instead")
	return cmd
}
