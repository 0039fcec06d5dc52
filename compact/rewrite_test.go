package compact

import (
	"testing"

	"github.com/lakeward/lakeward/tiers"
)

func TestFilesAreExchangedForTheirOwnRowsOnly(t *testing.T) {
	seqs := func(first, last uint64) []tiers.SeqRange { return []tiers.SeqRange{{First: first, Last: last}} }
	old := content{20, seqs(1, 10)}
	for _, c := range []struct {
		name    string
		written content
		gone    int64
		ok      bool
	}{
		{"the same", content{20, seqs(1, 10)}, 0, true},
		{"a row less", content{19, seqs(1, 10)}, 0, false},
		{"a row more", content{21, seqs(1, 10)}, 0, false},
		{"as many, and a message is gone", content{20, seqs(1, 9)}, 0, false},
		{"as many, and a message is of none of them", content{20, seqs(1, 11)}, 0, false},
		{"less what goes, of every message something is left", content{15, seqs(1, 10)}, 5, true},
		{"less what goes, with the last of a message", content{15, seqs(3, 10)}, 5, true},
		{"nothing is left", content{}, 20, true},
		{"less goes than was to", content{16, seqs(1, 10)}, 5, false},
		{"more goes than was to", content{14, seqs(1, 10)}, 5, false},
		{"less what goes, and another message came", content{15, seqs(1, 11)}, 5, false},
	} {
		if err := sameRows(old, c.written, c.gone); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
