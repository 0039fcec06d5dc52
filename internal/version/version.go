// Package version says which Lakeward this is.
package version

import (
	"runtime/debug"
	"strings"
)

// Number is the version of this release or, with -dev behind it, of the next. A
// release takes -dev away, and the commit after it names the next one.
const Number = "0.2.0-dev"

// String is the version with what the build knows of where it comes from, such
// as 0.1.0 (3f2a91c0d5e4, 2026-11-28T14:03:11Z, modified).
func String() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return Number
	}
	return withSource(info.Settings)
}

// commitDigits is how much of a commit's hash is shown.
const commitDigits = 12

func withSource(settings []debug.BuildSetting) string {
	known := map[string]string{}
	for _, s := range settings {
		known[s.Key] = s.Value
	}
	commit := known["vcs.revision"]
	if commit == "" {
		return Number
	}
	parts := []string{commit[:min(commitDigits, len(commit))]}
	if at := known["vcs.time"]; at != "" {
		parts = append(parts, at)
	}
	if known["vcs.modified"] == "true" {
		parts = append(parts, "modified")
	}
	return Number + " (" + strings.Join(parts, ", ") + ")"
}

// CreatedBy is the version as Parquet's footers have it, in the form that Java's
// readers take apart: NAME version X (build Y).
func CreatedBy() string {
	info, _ := debug.ReadBuildInfo()
	return createdBy(info)
}

func createdBy(info *debug.BuildInfo) string {
	build := "unknown"
	if info != nil {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" && s.Value != "" {
				build = s.Value[:min(commitDigits, len(s.Value))]
			}
		}
	}
	return "lakeward version " + Number + " (build " + build + ")"
}
