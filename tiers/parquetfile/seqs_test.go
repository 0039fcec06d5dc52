package parquetfile

import (
	"math"
	"slices"
	"testing"

	"github.com/lakeward/lakeward/tiers"
)

func TestSeqs(t *testing.T) {
	for _, want := range [][]tiers.SeqRange{
		nil,
		{{First: 1, Last: 1}},
		{{First: 0, Last: 5}, {First: 7, Last: 7}, {First: 9, Last: math.MaxUint64}},
	} {
		text := EncodeSeqs(want)
		got, err := DecodeSeqs(text)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%v became %q and %v, %v", want, text, got, err)
		}
	}
	for _, bad := range []string{"!", "gA", "AQ", "AQEAAQ",
		EncodeSeqs([]tiers.SeqRange{{First: math.MaxUint64, Last: 0}})} {
		if got, err := DecodeSeqs(bad); err == nil {
			t.Errorf("%q was read as %v", bad, got)
		}
	}
}

func FuzzDecodeSeqs(f *testing.F) {
	f.Add(EncodeSeqs([]tiers.SeqRange{{First: 1, Last: 10}, {First: 12, Last: 1 << 40}}))
	f.Add("AQEAAQ")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := DecodeSeqs(text)
		if err != nil {
			return
		}
		for i, r := range got {
			if r.Last < r.First || (i > 0 && r.First <= got[i-1].Last) {
				t.Fatalf("%q: %v", text, got)
			}
		}
		again, err := DecodeSeqs(EncodeSeqs(got))
		if err != nil || !slices.Equal(again, got) {
			t.Fatalf("%v became %v, %v", got, again, err)
		}
	})
}
