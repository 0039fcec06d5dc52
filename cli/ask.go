package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"strings"

	"github.com/lakeward/lakeward/daemon"
	"github.com/lakeward/lakeward/serve"
)

// deed is a command that can say what it would do.
type deed struct {
	cmd      serve.Command
	question string
	asking
	// planned is told the plan before anybody is asked, and may make cmd's
	// arguments say just that. False: there is nothing to do. It may be nil.
	planned func(plan json.RawMessage) (bool, error)
}

// ask shows what a command would do, asks, and does it.
func (c *cli) ask(ctx context.Context, d deed) error {
	return c.withWriter(ctx, func(b serve.Backend) error { return c.askOf(ctx, b, d) })
}

func (c *cli) askOf(ctx context.Context, b serve.Backend, d deed) error {
	plan := d.cmd
	plan.Args = maps.Clone(d.cmd.Args)
	plan.Args[daemon.ArgDryRun] = "true"
	if d.dry {
		return c.do(ctx, b, plan, d.asJSON)
	}
	rep, err := b.Do(ctx, plan)
	if err != nil {
		return err
	}
	if d.planned != nil {
		more, err := d.planned(rep.Data)
		if err != nil {
			return fmt.Errorf("read plan: %w", err)
		}
		if !more {
			return c.do(ctx, b, plan, d.asJSON)
		}
	}
	to := c.Out
	if d.asJSON {
		to = c.Err
	}
	if _, err := fmt.Fprintln(to, strings.TrimRight(rep.Text, "\n")); err != nil {
		return fmt.Errorf("print plan: %w", err)
	}
	if !d.yes {
		if err := c.confirm(ctx, d.question); err != nil {
			return err
		}
	}
	return c.do(ctx, b, d.cmd, d.asJSON)
}

// confirm asks on a terminal; anything but yes is a no.
func (c *cli) confirm(ctx context.Context, question string) error {
	in, ok := c.In.(*os.File)
	if ok {
		st, err := in.Stat()
		ok = err == nil && st.Mode()&os.ModeCharDevice != 0
	}
	if !ok {
		return fmt.Errorf("%w: nothing was changed; add --yes to do it", errUsage)
	}
	fmt.Fprint(c.Err, question+" [y/N] ")
	line, err := readLine(ctx, in)
	if err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	if a := strings.ToLower(strings.TrimSpace(line)); a != "y" && a != "yes" {
		return errors.New("nothing was changed; answer y, or add --yes")
	}
	return nil
}

// readLine reads a line, or what there is of it, until ctx ends. The read itself
// cannot be ended, and goes on then.
func readLine(ctx context.Context, r io.Reader) (string, error) {
	type answer struct {
		line string
		err  error
	}
	got := make(chan answer, 1)
	go func() {
		line, err := bufio.NewReader(r).ReadString('\n')
		if errors.Is(err, io.EOF) {
			err = nil
		}
		got <- answer{line, err}
	}()
	select {
	case a := <-got:
		return a.line, a.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}
