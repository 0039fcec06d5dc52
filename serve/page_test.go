package serve_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/lakeward/lakeward/serve"
)

// hostile is a text that would run, fetch or break out wherever it stood raw.
const hostile = `"'><script>alert(1)</script><img src=http://evil.example.com/x onerror=alert(2)>{{.}}</style></td>`

// crowded is a backend in which everything has a hostile name.
type crowded struct {
	engine
	name    string
	tables  error // of listing
	queries *int
}

// Query has findings in place of the table, which this engine does not have.
func (c crowded) Query(ctx context.Context, q serve.Query) (array.RecordReader, error) {
	*c.queries++
	name := "'" + strings.ReplaceAll(c.name, "'", "''") + "'"
	rows := fmt.Sprintf(`(SELECT 'id' || i || %[1]s AS finding_id, TIMESTAMPTZ '2026-11-24 10:00:00Z' + i * INTERVAL 1 DAY AS "time",
		%[1]s AS entity_type, 'user' || i || %[1]s AS entity, 100.0 - i AS score, 'high' AS severity, %[1]s AS reason,
		%[1]s AS pipeline FROM range(25) AS r(i))`, name)
	q.SQL = strings.ReplaceAll(q.SQL, "analytics.findings", rows)
	return c.engine.Query(ctx, q)
}

func (c crowded) Tables(context.Context) ([]serve.Table, error) {
	return []serve.Table{{Name: "analytics.findings", Rows: 25}, {Name: "lake." + c.name, Problem: c.name, Misfits: 3},
		{Name: "lake.quarantine", Rows: 12}}, c.tables
}

func (c crowded) Status(context.Context) (serve.Status, error) {
	started := time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)
	return serve.Status{Ready: true, Version: "1", Started: started, NATS: "nats://127.0.0.1:4222", Warehouse: c.name,
		Reasons: []string{c.name}, Degraded: []string{c.name},
		Sources: []serve.Source{{Name: c.name, Stream: "EVENTS", State: "running", Reason: c.name, Quarantined: 2, Last: 9,
			Committed: 4, Since: started.Add(time.Hour)}},
		Pipelines: []serve.Pipeline{{Name: c.name, Schedule: c.name, Problems: []string{c.name}, LastStatus: "failed"}},
		Memory:    serve.Memory{Parts: []serve.MemoryPart{{Name: c.name, Of: c.name, What: c.name}}}}, nil
}

// crowd starts a server over it.
func crowd(t *testing.T, name string, tables error) (x *secured, queries *int) {
	queries = new(int)
	return start(t, func(o *serve.Options) {
		o.Backend = crowded{o.Backend.(engine), name, tables, queries}
	}), queries
}

func (x *secured) page(t *testing.T) (http.Header, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, x.URL()+"/", nil)
	check(t, err)
	bearer(readToken)(req)
	resp, err := x.http.Do(req)
	check(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	check(t, err)
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%d: %s", resp.StatusCode, body)
	}
	return resp.Header, string(body)
}

// TestThePageHoldsNoOtherPage: names are those of users, hosts and files, which
// attackers choose.
func TestThePageHoldsNoOtherPage(t *testing.T) {
	x, _ := crowd(t, hostile, nil)
	header, page := x.page(t)
	bare := regexp.MustCompile(`"[^"]*"`).ReplaceAllString(page, `""`) // attributes without their values
	for _, tag := range regexp.MustCompile(`(?i)<\s*(/?[a-z]+[0-9]?)[^>]*>`).FindAllStringSubmatch(bare, -1) {
		switch strings.Trim(tag[1], "/") {
		case "html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "span", "table", "thead", "tbody", "tr",
			"th", "td", "br", "code":
		default:
			t.Errorf("the page has %s", tag[0])
		}
		if regexp.MustCompile(`(?i)[\s"](on\w+|src|href|style)\s*=`).MatchString(tag[0]) {
			t.Errorf("the page has %s", tag[0])
		}
	}
	if n := strings.Count(page, "</style>"); n != 1 {
		t.Errorf("%d ends of style", n)
	}
	if !strings.Contains(page, "user24") || !strings.Contains(page, "&lt;script&gt;alert(1)") {
		t.Errorf("the names are not shown:\n%s", page)
	}
	_, style, _ := strings.Cut(page, "<style>")
	style, _, _ = strings.Cut(style, "</style>")
	sum := sha256.Sum256([]byte(style))
	policy := header.Get("Content-Security-Policy")
	if !strings.Contains(policy, "style-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'") ||
		!strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") {
		t.Errorf("the policy is %s", policy)
	}
}

func TestThePageBeginsWithWhatWasFound(t *testing.T) {
	x, queries := crowd(t, "plain", nil)
	_, page := x.page(t)
	last := -1
	for _, want := range []string{"ready, needs a look", "What was found", "user18plain", "Newest",
		"user15plain", "Is all well?", "5 messages are read and not committed yet",
		"lake.quarantine has 12 events, 2 of them since 2026-11-24 10:00:00Z", "3 values since their tables were made",
		"look at plain", "Sources", "counted since", "Pipelines", "Tables", "Memory"} {
		at := strings.Index(page, want)
		if at < 0 || at < last {
			t.Errorf("%q is at %d, and what stands before it at %d:\n%s", want, at, last, page)
		}
		last = max(last, at)
	}
	if gravest, _, _ := strings.Cut(page, "Newest"); strings.Contains(gravest, "user17plain") {
		t.Error("a finding that is eight days older than the newest is among the gravest")
	}
	if strings.Contains(page, "user14plain") {
		t.Error("more than ten are shown of the newest")
	}
	x.page(t)
	if *queries != 1 {
		t.Errorf("two looks within a moment are %d queries", *queries)
	}
	x.clock.add(time.Minute)
	x.page(t)
	if *queries != 2 {
		t.Errorf("a look after a minute makes %d queries of them", *queries)
	}
}

// TestThePageSaysWhatItCannotRead: it is for such moments.
func TestThePageSaysWhatItCannotRead(t *testing.T) {
	x, _ := crowd(t, "a name", errors.New("the analytics tier is away"))
	if _, page := x.page(t); !strings.Contains(page, "tables could not be listed: the analytics tier is away") {
		t.Errorf("the page is\n%s", page)
	}
	x = start(t, func(o *serve.Options) { o.Backend = unlisted{o.Backend.(engine)} })
	if _, page := x.page(t); !strings.Contains(page, "The findings could not be read: the tier is away") ||
		strings.Contains(page, "Nothing yet") {
		t.Errorf("the page is\n%s", page)
	}
}

type unlisted struct{ engine }

func (unlisted) Tables(context.Context) ([]serve.Table, error) {
	return nil, errors.New("the tier is away")
}

// TestThePageFitsAPhone lays the page out by a browser, if there is one, in a
// frame of 360 pixels with names that have no place to break.
func TestThePageFitsAPhone(t *testing.T) {
	browser := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			browser = path
		}
	}
	if browser == "" {
		t.Skip("no chromium to lay the page out with")
	}
	x, _ := crowd(t, strings.Repeat("long", 60), nil)
	_, page := x.page(t)
	quoted, err := json.Marshal(strings.ReplaceAll(page, `<meta http-equiv="refresh" content="30">`, ""))
	check(t, err)
	frame := `<body><iframe id="f" style="width:360px;height:800px;border:0"></iframe><script>
		const f = document.getElementById("f"); f.srcdoc = ` + strings.ReplaceAll(string(quoted), "</", `<\/`) + `;
		f.onload = () => { document.title = "width " + f.contentDocument.documentElement.scrollWidth + " end"; };
		</script></body>`
	file := filepath.Join(t.TempDir(), "frame.html")
	check(t, os.WriteFile(file, []byte(frame), 0o600))
	out, err := exec.CommandContext(t.Context(), browser, "--headless", "--no-sandbox", "--disable-gpu",
		"--user-data-dir="+t.TempDir(), "--disable-background-networking", "--virtual-time-budget=2000", "--dump-dom",
		"file://"+file).Output()
	check(t, err)
	m := regexp.MustCompile(`<title>width (\d+) end</title>`).FindSubmatch(out)
	if m == nil || string(m[1]) != "360" {
		t.Errorf("the page is as wide as %s, not 360:\n%s", m, out)
	}
}
