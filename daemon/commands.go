package daemon

import (
	"context"
	"fmt"

	"github.com/lakeward/lakeward/serve"
)

// Command is what a daemon does for whoever asks for it by name, and the role
// that it needs.
type Command struct {
	Role func(serve.Command) serve.Role
	Do   func(*Verbs, context.Context, serve.Command) (serve.Report, error)
}

// Commands are those that a daemon knows, by noun and verb, such as "pipeline
// run".
type Commands map[string]Command

// role returns the role that a command needs. An unknown command needs the
// highest.
func (cs Commands) role(c serve.Command) serve.Role {
	known, ok := cs[c.Noun+" "+c.Verb]
	if !ok {
		return serve.RoleAdmin
	}
	return known.Role(c)
}

func (cs Commands) do(ctx context.Context, v *Verbs, c serve.Command) (serve.Report, error) {
	known, ok := cs[c.Noun+" "+c.Verb]
	if !ok {
		return serve.Report{}, fmt.Errorf("%w: nothing is known of %s %s; the daemon and the command may be of different "+
			"versions", serve.ErrInvalid, c.Noun, c.Verb)
	}
	return known.Do(v, ctx, c)
}

// Names of a command's arguments.
const (
	ArgAt         = "at"
	ArgFrom       = "from"
	ArgTo         = "to"
	ArgDryRun     = "dry_run" // true: nothing is written
	ArgLimit      = "limit"
	ArgRows       = "rows"
	ArgStatus     = "status"
	ArgPipeline   = "data" // a pipeline that is not in the folder, in YAML
	ArgDeep       = "deep" // true: look for the messages that repeats repeat
	ArgWhere      = "where"
	ArgTables     = "tables" // separated by commas; empty: all
	ArgIncomplete = "incomplete"
	ArgSource     = "source"
	ArgSince      = "since"
	ArgIDs        = "ids" // separated by spaces
	ArgMode       = "mode"
	ArgSeq        = "seq"
	ArgTime       = "time"
	ArgBy         = "by"
	ArgReason     = "reason"
	ArgDir        = "dir"     // on the daemon's machine
	ArgCreated    = "created" // of the stream that a person decided about
)
