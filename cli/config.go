package cli

import (
	"context"
	"fmt"
)

// configCommands look at the configuration alone.
func configCommands() []entry {
	args := arguments{what: "no arguments; name the file with --config"}
	return []entry{
		group{path: "config", short: "Check and print the configuration"},
		local{
			path: "config check", args: args, short: "Print every mistake of the configuration, with its place and a remedy",
			run: func(_ context.Context, c *cli, _ []string) error { return c.checkConfig() },
		},
		local{
			path: "config print", args: args, short: "Print the configuration with every default filled in and secrets masked, and how memory is divided",
			run: func(_ context.Context, c *cli, _ []string) error { return c.printConfig() },
		},
	}
}

func (c *cli) checkConfig() error {
	if _, err := c.load(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(c.Out, "the configuration is good")
	return err
}

func (c *cli) printConfig() error {
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
}
