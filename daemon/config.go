package daemon

import (
	"fmt"

	"github.com/spf13/cobra"
)

func (c *cli) configCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "config", Short: "Check and print the configuration"}
	cmd.AddCommand(
		&cobra.Command{
			Use:   "check",
			Short: "Print every mistake of the configuration, with its place and a remedy",
			Args:  exactArgs(0, "no arguments; name the file with --config"),
			RunE: func(*cobra.Command, []string) error {
				if _, err := c.load(); err != nil {
					return err
				}
				_, err := fmt.Fprintln(c.Out, "the configuration is good")
				return err
			},
		},
		&cobra.Command{
			Use:   "print",
			Short: "Print the configuration with every default filled in and secrets masked, and how memory is divided",
			Args:  exactArgs(0, "no arguments; name the file with --config"),
			RunE: func(*cobra.Command, []string) error {
				cfg, err := c.load()
				if err != nil {
					return err
				}
				if err := cfg.Print(c.Out); err != nil {
					return err
				}
				if _, err := fmt.Fprint(c.Out, cfg.Memory.Text()); err != nil {
					return fmt.Errorf("print configuration: %w", err)
				}
				return nil
			},
		},
	)
	return cmd
}
