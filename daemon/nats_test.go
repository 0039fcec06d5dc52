package daemon

import "testing"

// TestTheNATSServerIsStartedAgainForLastingTroubleAlone: a start breaks every
// connection, so that a bad look on a busy machine must not cause one.
func TestTheNATSServerIsStartedAgainForLastingTroubleAlone(t *testing.T) {
	for name, c := range map[string]struct{ looks, want string }{
		"well":                             {"......", "------"},
		"one bad look":                     {".x..xx.", "-------"},
		"trouble that a start ends":        {"xxx...xxx.", "--s-----s-"},
		"the disk is full, then well":      {"ffffffffx.", "--------s-"},
		"the disk is full again":           {"xxxffffx", "--s-----"},
		"trouble that no start ends":       {"xxxxxxxxxxxxxxxxxxxx", "--s-s--s----s-------"},
		"well for a moment between starts": {"xxxxx.xxxxx", "--s-s---s-s"},
	} {
		t.Run(name, func(t *testing.T) {
			var r restarts
			got := make([]byte, len(c.looks))
			for i, l := range []byte(c.looks) {
				got[i] = '-'
				if r.due(l != '.', l == 'f') {
					got[i] = 's'
				}
			}
			if string(got) != c.want {
				t.Errorf("looks  %s\nstarts %s\nwant   %s", c.looks, got, c.want)
			}
		})
	}
	var r restarts
	last, gap := 0, 0
	for i := range 1000 {
		if r.due(true, false) {
			last, gap = i, i-last
		}
	}
	if gap != mostSkipped+1 {
		t.Errorf("after many vain starts there are %d looks between two, want %d", gap, mostSkipped+1)
	}
}
