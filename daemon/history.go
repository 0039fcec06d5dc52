package daemon

import (
	"errors"
	"fmt"

	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/serve"
	"github.com/lakeward/lakeward/tiers"
)

// sayUnread says what it means that the history of the pipelines cannot be
// read, if err is that. A tier that is away and an engine whose memory is taken
// are no trouble of this daemon's, which works on without.
func sayUnread(st *serve.Status, err error) {
	switch {
	case err == nil:
	case errors.Is(err, tiers.ErrAway):
		st.Degraded = append(st.Degraded, fmt.Sprintf("%v; events go on into the lake, pipelines wait and go on by themselves", err))
	case errors.Is(err, query.ErrMemory):
		st.Degraded = append(st.Degraded, fmt.Sprintf("the history of the pipelines cannot be read at the moment; events go on into the lake, pipelines run as far as their memory reaches: %v", err))
	default:
		st.Reasons = append(st.Reasons, fmt.Sprintf("the history of the pipelines cannot be read: %v", err))
	}
}
