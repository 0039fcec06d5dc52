package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/lakeward/lakeward/daemon"
	"github.com/lakeward/lakeward/ingest/eventfile"
	"github.com/lakeward/lakeward/ingest/jetstream"
)

func publishCommand() entry {
	var subject, url, idFrom string
	var content eventfile.Content
	return local{
		path: "publish", args: some("FILE...", "files, or - for standard input"),
		short: "Publish the events of files to NATS",
		long: "Publishes each event of NDJSON, a JSON array, {\"Records\": [...]}, CSV with a header, a log with a\n" +
			"line #Fields (W3C extended, Exchange, Zeek), Arrow or Parquet, plain, in gzip or in zip; - is standard\n" +
			"input. Lines of syslog, CEF, LEEF and key=value are published as they are, each a message, and the\n" +
			"subject's source reads them by its format; --format lines does so with any text. Every event has a message id,\n" +
			"so that publishing a file again repeats nothing. Without --url it publishes to the daemon of " +
			"the data directory, or to nats.url.\n\n" +
			"--id-from says what the id is made of, next to the content of the event and which of equal ones in its\n" +
			"file it is: file (its path and the member of an archive; .gz does not count), host (this machine's name),\n" +
			"line (where the event begins), content (nothing else). With file a file that was moved or renamed\n" +
			"is another one; with content alone equal events of two files are one. Standard input has no path.\n\n" +
			"What is broken does not end it. A broken event is published as it is, so that it goes to\n" +
			"lake.quarantine with its bytes; what cannot be read is listed. Either way the exit code is 1.",
		example: "  lakeward publish signins.ndjson.gz --subject events.signin\n" +
			"  lakeward publish /var/log/auth.log --subject events.auth",
		flags: func(f *pflag.FlagSet) {
			f.StringVarP(&subject, "subject", "s", "", "subject to publish on; its last token names the table")
			f.StringVar(&url, "url", "", "address of the NATS server")
			content = eventfile.Auto
			f.Var((*contentFlag)(&content), "format", "what the files hold: events, lines (as they are), or "+
				"auto, by their first lines")
			f.StringVar(&idFrom, "id-from", "file", "what tells equal events apart: file, host, line, separated by commas, "+
				"or content")
		},
		run: func(ctx context.Context, c *cli, files []string) error {
			if subject == "" || strings.ContainsAny(subject, " *>") {
				return fmt.Errorf("%w: publish needs --subject with a plain subject, such as events.signin", errUsage)
			}
			salt, err := saltOf(idFrom)
			if err != nil {
				return err
			}
			return c.publish(ctx, files, publishing{subject: subject, salt: salt, content: content}, url)
		},
	}
}

// contentFlag is --format.
type contentFlag eventfile.Content

func (f *contentFlag) String() string { return string(*f) }

func (f *contentFlag) Type() string { return "auto|events|lines" }

func (f *contentFlag) Set(text string) error {
	switch c := eventfile.Content(text); c {
	case eventfile.Auto, eventfile.Events, eventfile.Lines:
		*f = contentFlag(c)
		return nil
	}
	return errors.New("write auto, events or lines; how lines are read, the source's format says")
}

// saltOf reads --id-from.
func saltOf(text string) (s eventfile.Salt, err error) {
	for _, part := range strings.Split(text, ",") {
		switch strings.TrimSpace(part) {
		case "content": // always
		case "file":
			s.File = true
		case "line":
			s.Line = true
		case "host":
			if s.Host, err = os.Hostname(); err != nil {
				return s, fmt.Errorf("ask for this machine's name: %w", err)
			}
		default:
			return s, fmt.Errorf("%w: --id-from %q: write file, host, line or content, separated by commas", errUsage, part)
		}
	}
	return s, nil
}

// publishing is one call of publish.
type publishing struct {
	subject  string
	salt     eventfile.Salt
	content  eventfile.Content
	to       *jetstream.Publisher
	broken   int      // events that were published as they are
	unread   int      // files, members and events that could not be
	problems []string // the first of both
}

const mostProblems = 1000

func (p *publishing) problem(text string) {
	if len(p.problems) < mostProblems {
		p.problems = append(p.problems, text)
	}
}

func (c *cli) publish(ctx context.Context, files []string, p publishing, url string) (err error) {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	o := daemon.NATSOptions(cfg)
	if url != "" {
		o.URL = url
	}
	if o.URL == "" {
		d, running, err := daemon.Find(cfg.DataDir)
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
	if p.to, err = conn.Publisher(ctx); err != nil {
		return err
	}
	began := time.Now()
	for _, f := range files {
		if err = c.publishFile(ctx, &p, f); err != nil {
			break
		}
	}
	stats, cerr := p.to.Close(ctx)
	took := time.Since(began)
	fmt.Fprintf(c.Out, "%d events published to %s in %s (%.0f/s), %d of them were there already\n",
		stats.Published, p.subject, took.Round(time.Millisecond), float64(stats.Published)/max(took.Seconds(), 1e-3),
		stats.Duplicates)
	return errors.Join(err, cerr, p.summary(c.Err))
}

// summary lists what is broken, and is an error if something is.
func (p *publishing) summary(w io.Writer) error {
	if p.broken+p.unread == 0 {
		return nil
	}
	for _, text := range p.problems {
		fmt.Fprintln(w, text)
	}
	if more := p.broken + p.unread - len(p.problems); more > 0 {
		fmt.Fprintf(w, "and %d more\n", more)
	}
	return fmt.Errorf("%d broken events were published as they are, for lake.quarantine (lakeward quarantine list); %d "+
		"files or parts of files were not published",
		p.broken, p.unread)
}

// publishFile publishes a file. Its error is one of publishing; what is wrong
// with the file is a problem.
func (c *cli) publishFile(ctx context.Context, p *publishing, path string) error {
	r, err := eventfile.Open(path, c.In, p.content)
	if err != nil {
		p.unread++
		p.problem(err.Error())
		return nil
	}
	bar := newBar(c.Err, path)
	defer bar.clear()
	for {
		e, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			bad, ok := errors.AsType[*eventfile.Error](err)
			p.problem(err.Error())
			if !ok || !bad.Broken || len(e.JSON) == 0 {
				p.unread++
				continue
			}
			p.broken++
		}
		if most := p.to.MaxPayload(); int64(len(e.JSON)) > most {
			p.unread++
			p.problem(fmt.Sprintf("%s: the event has %d bytes, and the server takes %d; split it, or raise "+
				"nats.embedded.max_payload", e.Position(), len(e.JSON), most))
			continue
		}
		if err := p.to.Publish(ctx, p.subject, e.ID(p.subject, p.salt), e.JSON); err != nil {
			return errors.Join(fmt.Errorf("publish %s: %w", e.Position(), err), r.Close())
		}
		bar.draw(r.Progress())
	}
	if err := r.Close(); err != nil {
		p.unread++
		p.problem(err.Error())
	}
	return nil
}

// drawEvery is the least time between two drawings.
const drawEvery = 250 * time.Millisecond

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
	if b.w == nil || now.Sub(b.last) < drawEvery {
		return
	}
	b.last = now
	share := 0.0
	if total > 0 {
		share = min(float64(done)/float64(total), 1)
	}
	n := int(share * 30)
	fmt.Fprintf(b.w, "\r%s [%s%s] %3.0f%% %s  ", b.name, strings.Repeat("#", n), strings.Repeat(".", 30-n), share*100,
		now.Sub(b.began).Round(time.Second))
}

func (b *bar) clear() {
	if b.w != nil {
		fmt.Fprint(b.w, "\r\x1b[K")
	}
}
