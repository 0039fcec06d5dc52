package main

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

func TestCommandsAreDocumentedWithTheirFlags(t *testing.T) {
	root := &cobra.Command{Use: "tool"}
	root.PersistentFlags().StringP("config", "c", "", "`file` of the configuration")
	group := &cobra.Command{Use: "pipeline", Short: "work with pipelines"}
	run := &cobra.Command{Use: "run NAME", Short: "run one", Run: func(*cobra.Command, []string) {}}
	run.Flags().Bool("dry-run", false, "write nothing")
	run.Flags().String("at", "now", "logical `time`")
	secret := &cobra.Command{Use: "secret", Hidden: true, Run: func(*cobra.Command, []string) {}}
	group.AddCommand(run)
	root.AddCommand(group, secret)
	got := commands(root)
	for _, want := range []string{
		"| `-c, --config` | file |  | file of the configuration |",
		"## `tool pipeline`\n\nWork with pipelines.\n", "## `tool pipeline run`\n\nRun one.\n\n```\ntool pipeline run " +
			"NAME [flags]\n```\n",
		"| `--at` | time | `now` | logical time |", "| `--dry-run` |  |  | write nothing |",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("lacks %q:\n%s", want, got)
		}
	}
	if strings.Contains(got, "secret") || strings.Contains(got, "completion") {
		t.Error(got)
	}
}
