package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/lakeward/lakeward/config/strict"
	"github.com/lakeward/lakeward/daemon"
	"github.com/lakeward/lakeward/serve"
)

// entry is a command of the table. Its type is who may give it, so that a
// command that does not say who does not compile.
type entry interface {
	describe() (command, serve.Role)
}

type (
	group  command // has commands below it and does nothing by itself
	local  command // asks no daemon for anything
	reader command // needs the role read, where a daemon asks for tokens
	writer command // needs the role write
	admin  command // needs the role admin
)

func (c group) describe() (command, serve.Role)  { return command(c), "" }
func (c local) describe() (command, serve.Role)  { return command(c), "" }
func (c reader) describe() (command, serve.Role) { return command(c), serve.RoleRead }
func (c writer) describe() (command, serve.Role) { return command(c), serve.RoleWrite }
func (c admin) describe() (command, serve.Role)  { return command(c), serve.RoleAdmin }

// command is what can be typed, and what a daemon does for it.
type command struct {
	path                 string // such as pipeline run
	args                 arguments
	short, long, example string
	flags                func(*pflag.FlagSet) // its own
	shared               func(*pflag.FlagSet) // also of the commands below it
	run                  func(context.Context, *cli, []string) error
	drains               bool // a signal ends it by and by, and that is success

	// What it asks a daemon for: a command that the daemon knows by a noun and a
	// verb (empty: those of the path), or routes by name.
	do     func(*daemon.Verbs, context.Context, serve.Command) (serve.Report, error)
	verb   string
	routes []string
	// needsAdmin reports whether it needs the role admin for its arguments.
	needsAdmin func(serve.Command) bool
}

// asked is the noun and the verb by which a daemon knows the command.
func (c command) asked() string {
	if c.verb != "" {
		return c.verb
	}
	return c.path
}

// table is every command there is.
func table() []entry {
	return slices.Concat(serveCommands(), queryCommands(), maintenanceCommands(), lakeCommands(), backupCommands(),
		pipelineCommands(),
		sourceCommands(), mappingCommands(), quarantineCommands(), configCommands())
}

// served are the commands that a daemon does, with the roles that they need.
func served(entries []entry) daemon.Commands {
	out := daemon.Commands{}
	for _, e := range entries {
		c, role := e.describe()
		if c.do == nil {
			continue
		}
		out[c.asked()] = daemon.Command{Do: c.do, Role: func(sc serve.Command) serve.Role {
			if c.needsAdmin != nil && c.needsAdmin(sc) {
				return serve.RoleAdmin
			}
			return role
		}}
	}
	return out
}

// arguments are those of a command.
type arguments struct {
	usage       string    // such as [TABLE...]
	least, most int       // most < 0: any number
	what        string    // in words
	values      completer // that can be told; nil: none
	files       bool      // may be files, too
}

func none() arguments { return arguments{what: "no arguments"} }

func one(usage, what string) arguments { return arguments{usage: usage, least: 1, most: 1, what: what} }

func atMostOne(usage, what string) arguments { return arguments{usage: usage, most: 1, what: what} }

func some(usage, what string) arguments {
	return arguments{usage: usage, least: 1, most: -1, what: what}
}

func many(usage string) arguments { return arguments{usage: usage, most: -1} }

// of are arguments whose values a shell can offer.
func (a arguments) of(values completer) arguments {
	a.values = values
	return a
}

// orFiles are arguments that may be files.
func (a arguments) orFiles() arguments {
	a.files = true
	return a
}

// check is an error of the command line unless the number of arguments is right.
func (a arguments) check(cmd *cobra.Command, args []string) error {
	if len(args) >= a.least && (a.most < 0 || len(args) <= a.most) {
		return nil
	}
	if cmd.HasSubCommands() {
		return unknownCommand(cmd, args[0])
	}
	return fmt.Errorf("%w: %s takes %s; got %d arguments (lakeward help %s)", errUsage, cmd.CommandPath(), a.what,
		len(args), pathOf(cmd))
}

// pathOf is a command without the name of the program.
func pathOf(cmd *cobra.Command) string {
	return strings.TrimPrefix(strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name()), " ")
}

// unknownCommand says of a name what may have been meant.
func unknownCommand(parent *cobra.Command, name string) error {
	return fmt.Errorf("%w: %s has no command %q; %s", errUsage, parent.CommandPath(), name,
		strict.Suggest(name, names(parent)))
}

// names are those of the commands below one.
func names(parent *cobra.Command) []string {
	var out []string
	for _, c := range parent.Commands() {
		if c.IsAvailableCommand() || c.Name() == "help" {
			out = append(out, c.Name())
		}
	}
	return out
}

// Annotations of a cobra command.
const (
	annotationRole  = "role"  // that it needs
	annotationGroup = "group" // it only has commands below it
)

// Role is the role that a command needs at a daemon with tokens; empty: none.
func Role(cmd *cobra.Command) string { return cmd.Annotations[annotationRole] }

// IsGroup reports whether a command does nothing but have others below it.
func IsGroup(cmd *cobra.Command) bool { return cmd.Annotations[annotationGroup] != "" }

// grow adds the commands of the table to root.
func (c *cli) grow(root *cobra.Command, entries []entry) {
	by := map[string]*cobra.Command{"": root}
	paths := map[string]entry{}
	for _, e := range entries {
		d, _ := e.describe()
		paths[d.path] = e
	}
	for _, path := range slices.Sorted(maps.Keys(paths)) { // a parent comes before those below it
		d, role := paths[path].describe()
		cmd := c.build(d, role)
		by[path] = cmd
		parent, _, _ := cutLast(path)
		by[parent].AddCommand(cmd)
	}
}

// cutLast parts a path from its last name.
func cutLast(path string) (before, last string, found bool) {
	i := strings.LastIndexByte(path, ' ')
	if i < 0 {
		return "", path, false
	}
	return path[:i], path[i+1:], true
}

func (c *cli) build(d command, role serve.Role) *cobra.Command {
	_, name, _ := cutLast(d.path)
	cmd := &cobra.Command{
		Use: strings.TrimSpace(name + " " + d.args.usage), Short: d.short, Long: d.long, Example: d.example,
		Args: d.args.check,
		RunE: func(cmd *cobra.Command, args []string) error {
			if d.run == nil {
				return cmd.Help()
			}
			c.command = d.path
			if d.drains {
				c.signals.drains()
			}
			return d.run(cmd.Context(), c, args)
		},
	}
	switch {
	case d.run == nil:
		cmd.Annotations = map[string]string{annotationGroup: "true"}
	case role != "":
		cmd.Annotations = map[string]string{annotationRole: string(role)}
	}
	if d.flags != nil {
		d.flags(cmd.Flags())
	}
	if d.shared != nil {
		d.shared(cmd.PersistentFlags())
	}
	cmd.DisableFlagsInUseLine = d.run == nil
	if d.run != nil {
		c.completes(cmd, d)
	}
	return cmd
}
