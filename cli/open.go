package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/lakeward/lakeward/daemon"
	"github.com/lakeward/lakeward/serve"
)

// withBackend runs f against the running daemon if the data directory has one,
// and otherwise on the directory itself, which it then only reads.
func (c *cli) withBackend(ctx context.Context, f func(serve.Backend) error) error {
	return c.withDirectory(ctx, true, f)
}

// withWriter is withBackend for what writes: without a daemon the directory is
// this command's alone meanwhile.
func (c *cli) withWriter(ctx context.Context, f func(serve.Backend) error) error {
	return c.withDirectory(ctx, false, f)
}

func (c *cli) withDirectory(ctx context.Context, readOnly bool, f func(serve.Backend) error) (err error) {
	if client, remote, err := c.remote(); remote || err != nil {
		if err != nil {
			return err
		}
		return f(client)
	}
	cfg, err := c.load()
	if err != nil {
		return err
	}
	d, running, err := daemon.Find(cfg.DataDir)
	if err != nil {
		return err
	}
	if running {
		client, err := c.local(d)
		if err != nil {
			return err
		}
		return f(client)
	}
	dir, err := daemon.OpenDirectory(ctx, cfg, c.quietLogger(cfg), c.commands,
		daemon.DirectoryOptions{ReadOnly: readOnly, Command: c.command})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dir.Close()) }()
	return f(dir.Backend())
}

// read has a command carried out that only reads, and prints its answer.
func (c *cli) read(ctx context.Context, cmd serve.Command, asJSON bool) error {
	return c.withBackend(ctx, func(b serve.Backend) error { return c.do(ctx, b, cmd, asJSON) })
}

// write has a command carried out that writes, and prints its answer.
func (c *cli) write(ctx context.Context, cmd serve.Command, asJSON bool) error {
	return c.withWriter(ctx, func(b serve.Backend) error { return c.do(ctx, b, cmd, asJSON) })
}

// do carries out a command and prints its answer.
func (c *cli) do(ctx context.Context, b serve.Backend, cmd serve.Command, asJSON bool) error {
	rep, err := b.Do(ctx, cmd)
	if err != nil {
		return err
	}
	if asJSON {
		if err := printJSON(c.Out, rep.Data); err != nil {
			return err
		}
	} else if _, err := fmt.Fprint(c.Out, rep.Text); err != nil {
		return fmt.Errorf("print answer: %w", err)
	}
	if rep.Failed {
		return errFailed
	}
	return nil
}
