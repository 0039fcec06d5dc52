package serve

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
	"strconv"
	"strings"
	"time"

	_ "embed" // the page's template and its style
)

//go:embed page.html
var pageHTML string

//go:embed page.css
var pageCSS string

// pageTemplate is the status page. Values are escaped for where they stand.
func pageTemplate() (*template.Template, error) {
	return template.New("page").Funcs(template.FuncMap{"when": when, "mib": mib, "score": score, "short": short}).
		Parse(pageHTML)
}

// pagePolicy lets a browser use the style of the page and nothing else,
// whatever a name that slipped through says.
func pagePolicy() string {
	sum := sha256.Sum256([]byte(pageCSS))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; " + formPolicy
}

// pageData is what the page shows.
type pageData struct {
	Status
	CSS    template.CSS
	Tables []Table
	Found  found
	Checks []pageCheck
}

// pageCheck is one thing that is well or not.
type pageCheck struct {
	What string
	OK   bool
	Text string
}

// page is what a person wants to know first: what was found, and whether all is
// well.
func (s *Server) page(w http.ResponseWriter, r *http.Request) {
	st, err := s.opts.Backend.Status(r.Context())
	if err != nil {
		fail(w, http.StatusInternalServerError, err)
		return
	}
	tables, err := s.opts.Backend.Tables(r.Context())
	if err != nil { // the page is for such moments: it shows what there is
		st.Reasons = append(st.Reasons, "tables could not be listed: "+err.Error())
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", pagePolicy())
	data := pageData{Status: st, CSS: template.CSS(pageCSS), Tables: tables, //nolint:gosec // a file of this package
		Found: s.found(r.Context(), tables, err), Checks: checks(st, tables, s.opts.Now())}
	if err := s.template.Execute(w, data); err != nil {
		s.opts.Logger.Debug("write status page", "err", err)
	}
}

// Well reports whether nothing needs a look.
func (d pageData) Well() bool {
	for _, c := range d.Checks {
		if !c.OK {
			return false
		}
	}
	return d.Ready && len(d.Reasons) == 0 && len(d.Degraded) == 0
}

// Verdict is the state in two or three words.
func (d pageData) Verdict() string {
	switch {
	case !d.Ready:
		return "not ready"
	case !d.Well():
		return "ready, needs a look"
	}
	return "all is well"
}

// checks are what a person would look at one after another.
func checks(st Status, tables []Table, now time.Time) []pageCheck {
	return []pageCheck{checkSources(st.Sources), checkLag(st.Sources, now), checkQuarantine(st, tables),
		checkMisfits(tables), checkRuns(st.Pipelines)}
}

func checkSources(sources []Source) pageCheck {
	var bad []string
	for _, s := range sources {
		if !s.Failing.IsZero() || s.State == "halted" || s.State == "stopped" {
			bad = append(bad, s.Name)
		}
	}
	if len(bad) > 0 {
		return pageCheck{"sources", false, "not committing: " + strings.Join(bad, ", ")}
	}
	return pageCheck{"sources", true, fmt.Sprintf("%d of %[1]d commit, wait for events or stand by", len(sources))}
}

// lagMuch is how old the last commit of a source may be while it has read
// messages that are not committed: much longer than a batch takes.
const lagMuch = 5 * time.Minute

func checkLag(sources []Source, now time.Time) pageCheck {
	var behind uint64
	late := false
	for _, s := range sources {
		behind += s.Lag()
		late = late || s.Lag() > 0 && !s.LastCommit.IsZero() && now.Sub(s.LastCommit) > lagMuch
	}
	return pageCheck{"lag", !late, fmt.Sprintf("%d messages are read and not committed yet", behind)}
}

// Lag are the messages that are read and not committed.
func (s Source) Lag() uint64 {
	if s.Last < s.Committed {
		return 0
	}
	return s.Last - s.Committed
}

func checkQuarantine(st Status, tables []Table) pageCheck {
	var rows int64
	for _, t := range tables {
		if t.Name == "lake.quarantine" {
			rows = t.Rows
		}
	}
	var fresh uint64
	since := st.Started
	for _, s := range st.Sources {
		fresh += s.Quarantined
		if s.Quarantined > 0 && s.Since.After(since) {
			since = s.Since
		}
	}
	text := fmt.Sprintf("lake.quarantine has %d events, %d of them since %s", rows, fresh, when(since))
	if fresh > 0 {
		text += " (lakeward quarantine list)"
	}
	return pageCheck{"quarantine", fresh == 0, text}
}

func checkMisfits(tables []Table) pageCheck {
	var n uint64
	for _, t := range tables {
		n += t.Misfits
	}
	if n == 0 {
		return pageCheck{"misfits", true, "every value is in its column"}
	}
	return pageCheck{"misfits", true, fmt.Sprintf("%d values since their tables were made are beside their column or in "+
		"unmapped (lakeward tables misfits)", n)}
}

func checkRuns(pipelines []Pipeline) pageCheck {
	var bad []string
	for _, p := range pipelines {
		if p.RunFailed() || !p.Active || len(p.Problems) > 0 || !p.Known() {
			bad = append(bad, p.Name)
		}
	}
	if len(bad) > 0 {
		return pageCheck{"runs", false, "look at " + strings.Join(bad, ", ") + " (lakeward pipeline history)"}
	}
	return pageCheck{"runs", true, fmt.Sprintf("all %d pipelines are active, and none failed last", len(pipelines))}
}

// RunFailed reports whether the last run failed.
func (p Pipeline) RunFailed() bool { return p.LastStatus == "failed" }

func when(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}

func mib(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }

func score(x float64) string { return strings.TrimSuffix(strconv.FormatFloat(x, 'f', 1, 64), ".0") }

// short is as much of a finding's id as tells it from others; lakeward explain
// takes the beginning of one.
func short(id string) string {
	const enough = 12
	return id[:min(len(id), enough)]
}
