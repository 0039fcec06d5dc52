// Package realdata publishes real files as they are to a real daemon, shuffled,
// twice, and with restarts between, and then finds every event in the lake
// once, as it was.
package realdata

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/lakeward/lakeward/cli"
	"github.com/lakeward/lakeward/ingest/eventfile"
	"github.com/lakeward/lakeward/query/worker"
)

const roleVariable = "LAKEWARD_REALDATA_ROLE"

// TestMain is the lakeward binary too, so that a daemon is a process.
func TestMain(m *testing.M) {
	worker.Divert()
	if os.Getenv(roleVariable) != "" {
		os.Exit(cli.Main(os.Args[1:], cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}, os.Environ()))
	}
	os.Exit(m.Run())
}

// kind is one format, with the example configuration that reads it.
type kind struct {
	example string
	files   string // below testdata, or LAKEWARD_REALDATA
	subject string
	table   string
	time    string // SQL of what the column time must be, to a microsecond
}

var kinds = []kind{
	{"windows", "windows/*.zip", "windows.events", "windows", `CAST("@timestamp" AS TIMESTAMPTZ)`},
	{"zeek", "zeek/*.zip", "zeek.logs", "zeek", `to_timestamp(ts)`},
	{"cloudtrail", "cloudtrail/*.gz", "cloudtrail.events", "cloudtrail", `CAST(eventTime AS TIMESTAMPTZ)`},
	{"entra", "entra/signinlogs.ndjson*", "entra.signins", "entra_signin", `CAST(TimeGenerated AS TIMESTAMPTZ)`},
	{"exchange", "exchange/*.csv.gz", "exchange.audit", "exchange", `CAST(TimeGenerated AS TIMESTAMPTZ)`},
}

// file is one file to publish.
type file struct {
	path, subject string
}

func TestRealFilesLandOnceAsTheyWere(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes minutes: make test-long")
	}
	root := os.Getenv("LAKEWARD_REALDATA")
	if root == "" {
		root = "testdata"
	}
	var files []file
	want := map[string]map[string][]byte{} // by table and event id
	for _, k := range kinds {
		paths, err := filepath.Glob(filepath.Join(root, k.files))
		if err != nil || len(paths) == 0 {
			t.Fatalf("no files %s: %v", k.files, err)
		}
		want[k.table] = map[string][]byte{}
		for _, p := range paths {
			files = append(files, file{p, k.subject})
			read(t, p, k.subject, want[k.table])
		}
	}
	l := newLakeward(t, kinds)
	publishTwice(t, l, files)
	for _, k := range kinds {
		l.until(t, strconv.Itoa(len(want[k.table])), "SELECT count(*) AS n FROM lake."+k.table)
	}
	for _, k := range kinds {
		t.Run(k.example, func(t *testing.T) { check(t, l, k, want[k.table]) })
	}
	if out, err := l.run("tables"); err != nil {
		t.Errorf("list the tables: %v\n%s", err, out)
	} else if strings.Contains(out, "lake.quarantine") {
		t.Errorf("valid events in quarantine: %s", l.csv(t, "SELECT * FROM lake.quarantine LIMIT 3"))
	}
	if out, err := l.run("verify"); err != nil {
		t.Errorf("verify: %v\n%s", err, out)
	}
	l.stop(t)
	if out, err := l.run("query", "-f", "csv", "SELECT count(*) AS n FROM lake.windows"); err != nil ||
		!strings.Contains(out, strconv.Itoa(len(want["windows"]))) {
		t.Errorf("without a daemon: %v\n%s", err, out)
	}
}

// publishTwice publishes every file twice in a random order. The daemon is
// started anew three times on the way.
func publishTwice(t *testing.T, l *lakeward, files []file) {
	t.Helper()
	seed := rand.Uint64()
	t.Logf("order %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	all := append(append([]file{}, files...), files...)
	rnd.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	restarts := map[int]bool{}
	for range 3 {
		restarts[1+rnd.IntN(len(all)-1)] = true
	}
	l.start(t)
	for i, f := range all {
		if restarts[i] {
			l.stop(t)
			l.start(t)
		}
		if out, err := l.run("publish", f.path, "--subject", f.subject); err != nil {
			t.Fatalf("publish %s: %v\n%s", f.path, err, out)
		}
	}
}

// read adds the events of a file by their message ids.
func read(t *testing.T, path, subject string, into map[string][]byte) {
	t.Helper()
	r, err := eventfile.Open(path, nil, eventfile.Auto)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}()
	for {
		e, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		into[e.ID(subject, eventfile.Salt{File: true})] = append([]byte{}, e.JSON...)
	}
}

// check compares the rows of a table with what was published.
func check(t *testing.T, l *lakeward, k kind, want map[string][]byte) {
	if n := l.csv(t, "SELECT count(*) AS n FROM lake."+k.table+` WHERE (abs(epoch_us("time") - epoch_us(`+k.time+
		`)) <= 1) IS NOT TRUE`); n != "0" {
		t.Errorf("%s rows whose time is not %s", n, k.time)
	}
	out := filepath.Join(t.TempDir(), "rows.ndjson")
	if text, err := l.run("query", "-f", "ndjson", "-o", out, "SELECT * FROM lake."+k.table); err != nil {
		t.Fatalf("read all rows: %v\n%s", err, text)
	}
	rows, differ := 0, 0
	seen := map[string]bool{}
	err := eachLine(t.Context(), out, func(line []byte) error {
		rows++
		id, problem, err := compare(line, want)
		if err != nil {
			return err
		}
		if seen[id] {
			problem = "the event is there twice"
		}
		seen[id] = true
		if problem != "" {
			if differ++; differ <= 5 {
				t.Errorf("event %s: %s", id, problem)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if rows != len(want) || differ > 0 {
		t.Errorf("%d rows of %d events, %d differ", rows, len(want), differ)
	}
	t.Logf("%d events as they were", rows-differ)
}

func eachLine(ctx context.Context, path string, f func([]byte) error) (err error) {
	r, err := eventfile.Open(path, nil, eventfile.Auto)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	for ctx.Err() == nil {
		e, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := f(e.JSON); err != nil {
			return err
		}
	}
	return ctx.Err()
}
