package scripts

import (
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// damage inverts one byte of each data file below a directory whose path
// contains a text; again, it restores them.
func damage(ts *testscript.TestScript, neg bool, args []string) {
	for _, p := range dataFiles(ts, neg, args) {
		b, err := os.ReadFile(p)
		ts.Check(err)
		b[len(b)/2] ^= 0xff
		ts.Check(os.WriteFile(p, b, 0o600))
	}
}

// remove deletes the data files below a directory whose path contains a text.
func remove(ts *testscript.TestScript, neg bool, args []string) {
	for _, p := range dataFiles(ts, neg, args) {
		ts.Check(os.Remove(p))
	}
}

func dataFiles(ts *testscript.TestScript, neg bool, args []string) []string {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: damage|remove DIRECTORY TEXT")
	}
	var out []string
	ts.Check(filepath.WalkDir(ts.MkAbs(args[0]), func(p string, _ os.DirEntry, err error) error {
		if strings.HasSuffix(p, ".parquet") && strings.Contains(p, args[1]) {
			out = append(out, p)
		}
		return err
	}))
	if len(out) == 0 {
		ts.Fatalf("no data file has %s in its path", args[1])
	}
	return out
}

// metadata damages what the newest snapshot of a table is read by: metadata
// garble|hide|show TABLE manifest|list|json. hide puts the files away and show
// brings them back; garble inverts a byte of each, and inverts it back.
func metadata(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: metadata garble|hide|show TABLE manifest|list|json")
	}
	pattern := map[string]string{"manifest": "*-m*.avro", "list": "snap-*.avro", "json": "*.metadata.json"}[args[2]]
	suffix := ""
	if args[0] == "show" {
		suffix = ".hidden"
	}
	files, err := filepath.Glob(filepath.Join(ts.MkAbs("data/lake/lake"), args[1], "metadata", pattern+suffix))
	ts.Check(err)
	if len(files) == 0 {
		ts.Fatalf("lake.%s has no %s", args[1], pattern+suffix)
	}
	for _, p := range files {
		switch args[0] {
		case "hide":
			ts.Check(os.Rename(p, p+".hidden"))
		case "show":
			ts.Check(os.Rename(p, strings.TrimSuffix(p, suffix)))
		default:
			b, err := os.ReadFile(p)
			ts.Check(err)
			b[0] ^= 0xff
			ts.Check(os.WriteFile(p, b, 0o600))
		}
	}
}

// leftover makes a file of a given age: leftover FILE AGE.
func leftover(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: leftover FILE AGE")
	}
	age, err := time.ParseDuration(args[1])
	ts.Check(err)
	at := time.Now().Add(-age)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte("half"), 0o600))
	ts.Check(os.Chtimes(ts.MkAbs(args[0]), at, at))
}
