package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/lakeward/lakeward/cli"
)

const commandsIntro = `# Commands

Every command has ` + "`--help`" + `. Exit codes: 0 is success; 1 that the command ran and something is wrong; 2 that the command line or the configuration is wrong; 130 that Ctrl-C interrupted the command, 143 that SIGTERM ended it. ` + "`serve` and `demo`" + ` drain on either, and then end with 0.
`

// commands documents a tree of commands.
func commands(root *cobra.Command) string {
	var b strings.Builder
	b.WriteString(notice + commandsIntro)
	b.WriteString("\nEvery command takes:\n\n")
	flags(&b, root.PersistentFlags())
	for _, c := range root.Commands() {
		command(&b, c)
	}
	return b.String()
}

func command(b *strings.Builder, c *cobra.Command) {
	if c.Hidden || c.Name() == "help" || c.Name() == "completion" {
		return
	}
	fmt.Fprintf(b, "\n## `%s`\n\n%s\n", c.CommandPath(), sentence(c))
	if c.Runnable() && !cli.IsGroup(c) {
		fmt.Fprintf(b, "\n```\n%s\n```\n", c.UseLine())
	}
	if role := cli.Role(c); role != "" {
		fmt.Fprintf(b, "\nA daemon with tokens asks for the role `%s`.\n", role)
	}
	if c.Example != "" {
		fmt.Fprintf(b, "\n```sh\n%s\n```\n", strings.TrimRight(c.Example, "\n"))
	}
	if c.LocalNonPersistentFlags().HasAvailableFlags() {
		b.WriteString("\n")
		flags(b, c.LocalNonPersistentFlags())
	}
	if c.HasPersistentFlags() {
		b.WriteString("\nWith its commands:\n\n")
		flags(b, c.PersistentFlags())
	}
	for _, sub := range c.Commands() {
		command(b, sub)
	}
}

// sentence is what a command does: its long text if it has one.
func sentence(c *cobra.Command) string {
	if c.Long != "" {
		return strings.TrimSpace(c.Long)
	}
	s := strings.TrimSpace(c.Short)
	if s != "" && !strings.HasSuffix(s, ".") {
		s += "."
	}
	return strings.ToUpper(s[:min(1, len(s))]) + s[min(1, len(s)):]
}

func flags(b *strings.Builder, set *pflag.FlagSet) {
	b.WriteString("| flag | value | default | meaning |\n| --- | --- | --- | --- |\n")
	set.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		name := "--" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		value, usage := pflag.UnquoteUsage(f)
		def := f.DefValue
		if def == "[]" || def == "false" {
			def = ""
		}
		row(b, code(name), value, code(def), usage)
	})
}
