package serve

import (
	"fmt"
	"html/template"
	"net/http"
	"time"

	_ "embed" // the page's template
)

//go:embed page.html
var pageHTML string

// page is the plain status page: what a person wants to know first.
func (s *Server) page(w http.ResponseWriter, r *http.Request) {
	t, err := template.New("page").Funcs(template.FuncMap{"ago": ago, "sub": lag, "mib": mib}).Parse(pageHTML)
	if err != nil {
		fail(w, http.StatusInternalServerError, err)
		return
	}
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
	if err := t.Execute(w, struct {
		Status
		Tables []Table
	}{st, tables}); err != nil {
		s.opts.Logger.Debug("write status page", "err", err)
	}
}

func ago(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}

func mib(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }

func lag(last, committed uint64) uint64 {
	if last < committed {
		return 0
	}
	return last - committed
}
