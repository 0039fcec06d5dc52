package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lakeward/lakeward/ingest/eventfile"
	"github.com/lakeward/lakeward/ingest/jetstream"
)

func (c *cli) publishCommand() *cobra.Command {
	var subject, url string
	cmd := &cobra.Command{
		Use:   "publish FILE...",
		Short: "Publish the events of files to NATS",
		Long: "Publishes each event of NDJSON, a JSON array, {\"Records\": [...]} or CSV with a header, plain, in\n" +
			"gzip or in zip; - is standard input. Every event has a message id made from its content, so that\n" +
			"publishing a file again repeats nothing. Without --url it publishes to the daemon of the data\n" +
			"directory, or to nats.url.",
		Example: "  lakeward publish signins.ndjson.gz --subject events.signin",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if subject == "" || strings.ContainsAny(subject, " *>") {
				return fmt.Errorf("%w: publish needs --subject with a plain subject, such as events.signin", errUsage)
			}
			return c.publish(cmd.Context(), args, subject, url)
		},
	}
	cmd.Flags().StringVarP(&subject, "subject", "s", "", "subject to publish on; its last token names the table")
	cmd.Flags().StringVar(&url, "url", "", "address of the NATS server")
	return cmd
}

func (c *cli) publish(ctx context.Context, files []string, subject, url string) (err error) {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	o := connectOptions(cfg)
	if url != "" {
		o.URL = url
	}
	if o.URL == "" {
		d, running, err := findDaemon(cfg.DataDir)
		if err != nil {
			return err
		}
		if !running {
			return fmt.Errorf("no daemon has %s: start one with `lakeward serve`, or say where NATS is with --url", cfg.DataDir)
		}
		o.URL = d.NATS
		if o.CA == "" {
			o.PinnedCert = d.NATSCert
		}
	}
	conn, err := jetstream.Connect(ctx, o, c.logger(cfg.Log.Level.Slog(), false))
	if err != nil {
		return err
	}
	defer conn.Close()
	p, err := conn.Publisher(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	for _, f := range files {
		if err = c.publishFile(ctx, p, f, subject); err != nil {
			break
		}
	}
	stats, cerr := p.Close(ctx)
	took := time.Since(began)
	fmt.Fprintf(c.Out, "%d events published to %s in %s (%.0f/s), %d of them were there already\n",
		stats.Published, subject, took.Round(time.Millisecond), float64(stats.Published)/max(took.Seconds(), 1e-3), stats.Duplicates)
	return errors.Join(err, cerr)
}

func (c *cli) publishFile(ctx context.Context, p *jetstream.Publisher, path, subject string) (err error) {
	r, err := eventfile.Open(path, c.In)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	bar := newBar(c.Err, path)
	defer bar.clear()
	for {
		e, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := p.Publish(ctx, subject, e.ID(subject), e.JSON); err != nil {
			return fmt.Errorf("publish %s: %w", e.Position(), err)
		}
		bar.draw(r.Progress())
	}
}

// bar draws one line for what takes longer than a second, on a terminal only.
type bar struct {
	w           io.Writer
	name        string
	began, last time.Time
}

func newBar(w io.Writer, name string) *bar {
	if !isTerminal(w) {
		return &bar{}
	}
	return &bar{w: w, name: name, began: time.Now(), last: time.Now().Add(time.Second)}
}

func (b *bar) draw(done, total int64) {
	now := time.Now()
	if b.w == nil || now.Sub(b.last) < progressEvery {
		return
	}
	b.last = now
	share := 0.0
	if total > 0 {
		share = min(float64(done)/float64(total), 1)
	}
	n := int(share * 30)
	fmt.Fprintf(b.w, "\r%s [%s%s] %3.0f%% %s  ", b.name, strings.Repeat("#", n), strings.Repeat(".", 30-n), share*100, now.Sub(b.began).Round(time.Second))
}

func (b *bar) clear() {
	if b.w != nil {
		fmt.Fprint(b.w, "\r\x1b[K")
	}
}
