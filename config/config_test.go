package config_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lakeward/lakeward/config"
)

var update = flag.Bool("update", false, "write the golden files")

func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs; got\n%s", path, got)
	}
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func parse(t *testing.T, text string, env ...string) config.Config {
	t.Helper()
	c, ps := config.Parse("lakeward.yml", []byte(text), env)
	if len(ps) > 0 {
		t.Fatal(ps)
	}
	return c
}

func printed(t *testing.T, c config.Config) string {
	t.Helper()
	var b bytes.Buffer
	if err := c.Print(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestEveryMistakeHasPositionAndRemedy(t *testing.T) {
	files, err := filepath.Glob("testdata/*.bad.yml")
	if err != nil || len(files) == 0 {
		t.Fatal("no test files", err)
	}
	for _, f := range files {
		t.Run(filepath.Base(f), func(t *testing.T) {
			_, problems := config.Parse(filepath.Base(f), read(t, f), nil)
			if len(problems) == 0 {
				t.Fatal("the mistake was not found")
			}
			for _, x := range problems {
				if x.Pos.Line == 0 || x.Remedy == "" {
					t.Errorf("no position or remedy: %s", x)
				}
			}
			if strings.Contains(problems.Error(), "hunter2") {
				t.Error("a problem shows a secret")
			}
			golden(t, strings.TrimSuffix(f, ".yml")+".txt", []byte(problems.Error()+"\n"))
		})
	}
}

func TestEverythingHasADefault(t *testing.T) {
	c := parse(t, "")
	golden(t, "testdata/defaults.golden", []byte(printed(t, c)))
	if c.StateFile() != "data/databases/state.duckdb" || c.Lake.CatalogAt() != "data/lake/catalog.db" ||
		c.Analytics.File() != "data/databases/analytics.duckdb" {
		t.Errorf("paths are %s, %s, %s", c.StateFile(), c.Lake.CatalogAt(), c.Analytics.File())
	}
	if loaded, err := config.Load("", nil); err != nil || loaded.Memory.Budget < 256<<20 {
		t.Errorf("%v, memory %d", err, loaded.Memory.Budget)
	}
}

func TestWhatIsPrintedCanBeReadAgain(t *testing.T) {
	c := parse(t, string(read(t, "testdata/full.yml")))
	out := printed(t, c)
	golden(t, "testdata/full.golden", []byte(out))
	for _, secret := range []string{"hunter2", "topsecret", "hunter3"} {
		if strings.Contains(out, secret) || strings.Contains(fmt.Sprintf("%v %+v %#v", c.NATS.Password, c.NATS.Password,
			c.NATS.Password), secret) {
			t.Errorf("%s is shown", secret)
		}
	}
	if again := printed(t, parse(t, out)); again != out {
		t.Errorf("printed, read and printed again it is\n%s", again)
	}
	if r := c.Analytics.Retention; r != 365*24*time.Hour {
		t.Errorf("retention of the analytics tier is %s", r)
	}
	for table, want := range map[string]time.Duration{"windows": 400 * 24 * time.Hour, "signin": 0,
		"quarantine": 90 * 24 * time.Hour, "other": 90 * 24 * time.Hour} {
		if got := c.RetentionOf(table); got != want {
			t.Errorf("retention of %s is %s, want %s", table, got, want)
		}
	}
	if c.BloomColumns("windows")[0] != "Hostname" || c.BloomColumns("signin")[0] != "src_endpoint.ip" {
		t.Error("bloom columns")
	}
}

func TestTheEnvironmentOverridesTheFile(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(secret, []byte("hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := parse(t, "data_dir: a\nnats: {embedded: {port: 1}}\n",
		"LAKEWARD_DATA_DIR=b", "LAKEWARD_NATS_EMBEDDED_PORT=-1", "LAKEWARD_NATS_URL=nats://x", "LAKEWARD_NATS_USER=ada",
		"LAKEWARD_NATS_PASSWORD_FILE="+secret, "LAKEWARD_INGEST_BLOOM_COLUMNS=[a, b.c]",
		"LAKEWARD_SOURCES=[{name: s, subject: x.>}]", "LAKEWARD_LAKE_RETENTION=forever",
		"LAKEWARD_SERVICE_HOST=10.0.0.1", "LAKEWARD_NATS_PORT=tcp://10.0.0.1:4222", "PATH=/bin")
	if c.DataDir != "b" || c.NATS.Embedded.Port != -1 || c.NATS.Password.Reveal() != "hunter2" ||
		len(c.Ingest.Bloom) != 2 || c.Sources[0].Subject != "x.>" {
		t.Errorf("%+v", c)
	}
	_, ps := config.Parse("", nil, []string{
		"LAKEWARD_DATA_DIRR=x", "LAKEWARD_LOG_LEVEL=loud", "LAKEWARD_NATS_TOKEN=a", "LAKEWARD_NATS_TOKEN_FILE=b",
		"LAKEWARD_NATS_PASSWORD_FILE=/nowhere/at/all", "LAKEWARD_SOURCES=[{nam: s}", "LAKEWARD_TABLES={a: {colums: {}}}"})
	golden(t, "testdata/environment.txt", []byte(ps.Error()+"\n"))
}

func TestEveryVariableNamesOneKey(t *testing.T) {
	seen := map[string]bool{}
	for _, v := range config.Variables() {
		if seen[v.Name] || strings.HasSuffix(v.Name, "_FILE") {
			t.Errorf("%s is ambiguous", v.Name)
		}
		seen[v.Name] = true
	}
	for _, want := range []string{"LAKEWARD_DATA_DIR", "LAKEWARD_NATS_TLS_CA", "LAKEWARD_SOURCES",
		"LAKEWARD_PIPELINES_BUDGET_TIME"} {
		if !seen[want] {
			t.Errorf("%s is missing", want)
		}
	}
}

func TestAFileThatIsNotThereIsNoProblemOfItsContent(t *testing.T) {
	_, err := config.Load(filepath.Join(t.TempDir(), "none.yml"), nil)
	var ps config.Problems
	if !errors.Is(err, os.ErrNotExist) || errors.As(err, &ps) {
		t.Errorf("got %v", err)
	}
}

func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*.yml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		f.Add(read(f, file), "info")
	}
	f.Fuzz(func(t *testing.T, data []byte, level string) {
		c, ps := config.Parse("f", data, []string{"LAKEWARD_LOG_LEVEL=" + level, "LAKEWARD_TABLES=" + level})
		if len(ps) > 0 {
			return
		}
		var b bytes.Buffer
		if err := c.Print(&b); err != nil {
			t.Fatal(err)
		}
		if _, ps := config.Parse("printed", b.Bytes(), nil); len(ps) > 0 {
			t.Fatalf("%v\n%s", ps, b.String())
		}
	})
}

func TestATableMayLookBackOverItsOwnWindow(t *testing.T) {
	c := parse(t, string(read(t, "testdata/full.yml")))
	const day = 24 * time.Hour
	for table, want := range map[string]time.Duration{"windows": 30 * day, "signin": 0, "other": 7 * day} {
		if got := c.RepeatsOf(table); got != want {
			t.Errorf("repeats of lake.%s are found over %s, want %s", table, got, want)
		}
	}
	if got := fmt.Sprint(c.RepeatWindows()); got != fmt.Sprint([]time.Duration{7 * day, 30 * day}) {
		t.Errorf("windows are %s", got)
	}
}
