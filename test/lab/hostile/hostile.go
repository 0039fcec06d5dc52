// Package hostile asks a daemon, as a reader with a token, all that ends,
// outgrows or outlasts what computes it: every function of the allow list with
// extreme arguments, nesting, growth without a bound, and texts that an attacker
// published. Events are published meanwhile. Pipelines then do the same to those
// texts.
//
//	STATEMENTS=100 BUDGET=1GiB go run ./test/lab hostile
//
// It fails if the daemon ended, if events were lost, if the daemon and its
// child processes together were ever beyond memory.budget, or if a statement
// was answered later than its timeout and a grace. An answer is right whether it
// is rows or an error. STATEMENTS takes as many, evenly, of the corpus.
package hostile

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/lakeward/lakeward/test/daemonproc"
)

const (
	timeout = 3 * time.Second // of a statement
	grace   = 3 * time.Second // and then its worker is ended, and the answer written
	lanes   = 3               // statements at the same time
	mostEnd = 25              // ends of the daemon; then the rest is not asked
)

// Run asks all statements, and prints the figures.
func Run(ctx context.Context) error {
	statements, err := corpus(ctx, "")
	if err != nil {
		return err
	}
	if text := os.Getenv("STATEMENTS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n <= 0 {
			return fmt.Errorf("STATEMENTS=%s is not a positive number", text)
		}
		statements = spread(statements, n)
	}
	budget, err := strconv.ParseInt(strings.TrimSuffix(defaulted("BUDGET", "1GiB"), "GiB"), 10, 64)
	if err != nil {
		return fmt.Errorf("BUDGET is not like 1GiB: %w", err)
	}
	dir, err := os.MkdirTemp("", "lakeward-hostile-")
	if err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	bin, err := daemonproc.Build(ctx, dir)
	if err != nil {
		return err
	}
	t := &trial{dir: filepath.Join(dir, "run"), bin: bin, budget: budget << 30}
	r, err := t.run(ctx, statements)
	if err != nil {
		return fmt.Errorf("%w (see %s)", err, dir)
	}
	r.print()
	if r.bad() {
		return fmt.Errorf("not held (see %s)", dir)
	}
	if os.Getenv("KEEP") != "" {
		fmt.Printf("everything is in %s\n", dir)
		return nil
	}
	return os.RemoveAll(dir)
}

func defaulted(name, otherwise string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return otherwise
}

// spread takes n of all, evenly.
func spread(all []string, n int) []string {
	if n >= len(all) {
		return all
	}
	out := make([]string, n)
	for i := range out {
		out[i] = all[i*len(all)/n]
	}
	return out
}

// result is what was seen.
type result struct {
	statements, answered, failed int
	runs, runsFailed             int
	ends                         []string // the statements or runs under way when the daemon ended
	late                         []string
	// what was under way when memory was beyond the budget, and how much that was
	over            map[string]int64
	peak, budget    int64
	published, lost int64
}

func (r *result) print() {
	for what, list := range map[string][]string{"ended the daemon": r.ends, "too late": r.late} {
		for _, s := range list {
			fmt.Printf("%s: %.500s\n", what, s)
		}
	}
	for during, most := range r.over {
		fmt.Printf("beyond the budget: %d MiB during %.500s\n", most>>20, during)
	}
	fmt.Printf("%d statements gave rows, %d an error; %d runs of pipelines ended well, %d failed; %d events published\n",
		r.answered, r.failed, r.runs-r.runsFailed, r.runsFailed, r.published)
	fmt.Printf("figure: hostile_statements %d statements\n", r.statements+r.runs)
	fmt.Printf("figure: hostile_daemon_ends %d times\n", len(r.ends))
	fmt.Printf("figure: hostile_lost %d events\n", r.lost)
	fmt.Printf("figure: hostile_over_budget %d times\n", len(r.over))
	fmt.Printf("figure: hostile_over_timeout %d statements\n", len(r.late))
	fmt.Printf("figure: hostile_peak_mib %d MiB\n", r.peak>>20)
	fmt.Printf("figure: hostile_budget_mib %d MiB\n", r.budget>>20)
}

func (r *result) bad() bool {
	return len(r.ends)+len(r.late)+len(r.over) > 0 || r.lost != 0
}
