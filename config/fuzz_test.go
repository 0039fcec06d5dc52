package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// hostile are documents that cost far more than they weigh, if read naively.
func hostile() map[string]string {
	var bomb strings.Builder
	bomb.WriteString("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n")
	for i := 1; i < 10; i++ {
		n := string(rune('0' + i))
		p := string(rune('0' + i - 1))
		bomb.WriteString("a" + n + ": &a" + n + " [" + strings.TrimSuffix(strings.Repeat("*a"+p+", ", 10), ", ") + "]\n")
	}
	return map[string]string{
		"alias bomb":       bomb.String(),
		"alias to itself":  "a: &a [*a]\n",
		"deep sequences":   "nats: " + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000) + "\n",
		"deep mappings":    strings.Repeat("{a: ", 10_000) + "1" + strings.Repeat("}", 10_000) + "\n",
		"more than 1 MiB":  "# " + strings.Repeat("x", 1<<20) + "\n",
		"invalid UTF-8":    "data_dir: \xff\xfe\n",
		"two documents":    "data_dir: a\n---\ndata_dir: b\n",
		"a key that is no": "? [a, b]\n: 1\n",
	}
}

func TestHostileDocumentsAreErrors(t *testing.T) {
	for name, text := range hostile() {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "lakeward.yaml")
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := Load(path, nil); err == nil {
				t.Error("no error")
			}
		})
	}
}

// FuzzLoad reads a file beside an environment: neither may panic, and every
// mistake has a remedy.
func FuzzLoad(f *testing.F) {
	for _, text := range hostile() {
		f.Add([]byte(text), "LAKEWARD_DATA_DIR=x")
	}
	f.Add([]byte("data_dir: /tmp/x\nnats: {url: nats://localhost}\n"), "LAKEWARD_NATS_URL=nats://other")
	f.Add([]byte(""), "LAKEWARD_MEMORY_BUDGET=1KiB\nLAKEWARD_X=y")
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte, env string) {
		path := filepath.Join(dir, "lakeward.yaml")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		var vars []string
		for v := range strings.SplitSeq(env, "\n") {
			if !strings.Contains(v, "_FILE") { // would open what it names
				vars = append(vars, v)
			}
		}
		_, ps := Parse(path, data, vars)
		for _, p := range ps {
			if p.What == "" || p.Remedy == "" {
				t.Errorf("no remedy: %v", p)
			}
		}
		if _, err := Load(path, vars); (err == nil) != (len(ps) == 0) {
			t.Errorf("Load says %v, Parse %v", err, ps)
		}
	})
}
