package version

import (
	"os"
	"regexp"
	"runtime/debug"
	"strings"
	"testing"
)

func TestTheVersionSaysWhereTheBuildComesFrom(t *testing.T) {
	commit := debug.BuildSetting{Key: "vcs.revision", Value: "3f2a91c0d5e44b1f9a6c7d8e90123456789abcde"}
	at := debug.BuildSetting{Key: "vcs.time", Value: "2026-11-28T14:03:11Z"}
	for _, c := range []struct {
		settings []debug.BuildSetting
		want     string
	}{
		{nil, Number},
		{[]debug.BuildSetting{at}, Number},
		{[]debug.BuildSetting{commit, at, {Key: "vcs.modified", Value: "false"}},
			Number + " (3f2a91c0d5e4, 2026-11-28T14:03:11Z)"},
		{[]debug.BuildSetting{commit, {Key: "vcs.modified", Value: "true"}}, Number + " (3f2a91c0d5e4, modified)"},
	} {
		if got := withSource(c.settings); got != c.want {
			t.Errorf("%v: %q, want %q", c.settings, got, c.want)
		}
	}
}

// TestJavaTakesTheVersionApart: the expression is that of Parquet's VersionParser.
func TestJavaTakesTheVersionApart(t *testing.T) {
	format := regexp.MustCompile(`^(.*?)\s+version\s*(?:([^(]*?)\s*(?:\(\s*build\s*([^)]*?)\s*\))?)?$`)
	commit := debug.BuildSetting{Key: "vcs.revision", Value: "3f2a91c0d5e44b1f9a6c7d8e90123456789abcde"}
	for want, info := range map[string]*debug.BuildInfo{"unknown": nil,
		"3f2a91c0d5e4": {Settings: []debug.BuildSetting{commit}}} {
		text := createdBy(info)
		if m := format.FindStringSubmatch(text); m == nil || m[1] != "lakeward" || m[2] != Number || m[3] != want {
			t.Errorf("%q is %q", text, m)
		}
	}
}

// TestWhatNamesTheVersionAgrees: the image's label, and the changelog, whose
// first section is of what is not released, or of this release.
func TestWhatNamesTheVersionAgrees(t *testing.T) {
	image, err := os.ReadFile("../../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	if want := "ARG VERSION=" + Number + "\n"; !strings.Contains(string(image), want) {
		t.Errorf("the Dockerfile lacks %q", want)
	}
	changes, err := os.ReadFile("../../CHANGELOG.md")
	if err != nil {
		t.Fatal(err)
	}
	section := regexp.MustCompile(`(?m)^## (Unreleased|(\d+\.\d+\.\d+) \(\d{4}-\d\d-\d\d\))$`).FindAllStringSubmatch(string(changes), -1)
	headings := strings.Count("\n"+string(changes), "\n## ")
	if len(section) != headings {
		t.Fatalf("%d of the %d sections are Unreleased or VERSION (DATE)", len(section), headings)
	}
	if released := !strings.HasSuffix(Number, "-dev"); released && section[0][2] != Number ||
		!released && section[0][1] != "Unreleased" {
		t.Errorf("the first section is %q, and the version %s", section[0][1], Number)
	}
}
