package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/lakeward/lakeward/config/strict"
	"github.com/lakeward/lakeward/daemon"
	"github.com/lakeward/lakeward/pipeline"
)

// configCommands look at the configuration alone.
func configCommands() []entry {
	args := arguments{what: "no arguments; name the file with --config"}
	var asJSON bool
	return []entry{
		group{path: "config", short: "Check and print the configuration"},
		local{
			path: "config check", args: args, short: "Print every mistake of the configuration, with its place and a remedy",
			flags: jsonFlag(&asJSON),
			run:   func(_ context.Context, c *cli, _ []string) error { return c.checkConfig(asJSON) },
		},
		local{
			path: "config print", args: args, short: "Print the configuration with every default filled in and secrets " +
				"masked, and how memory is divided",
			run: func(_ context.Context, c *cli, _ []string) error { return c.printConfig() },
		},
	}
}

func (c *cli) checkConfig(asJSON bool) error {
	err := c.checked()
	if !asJSON {
		if err == nil {
			_, err = fmt.Fprintln(c.Out, "the configuration is good")
		}
		return err
	}
	problems := strict.Problems{}
	if err != nil && !errors.As(err, &problems) {
		return err
	}
	found := []pipeline.Problem{} // in the form that those of pipelines have
	if err := printJSON(c.Out, append(found, pipeline.FromProblems(problems)...)); err != nil {
		return err
	}
	if len(problems) > 0 {
		return errFailed
	}
	return nil
}

// checked reads the configuration, and looks for the mappings that it names.
func (c *cli) checked() error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	known, err := daemon.Mappings(cfg.Mappings.Dir)
	if err != nil {
		return err
	}
	if ps := daemon.CheckMappings(cfg, known); len(ps) > 0 {
		return ps
	}
	return nil
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
