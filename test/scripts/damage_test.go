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
