package jetstream

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

// pieces gives out its bytes in reads of random sizes.
type pieces struct {
	left []byte
	rng  *rand.Rand
	most int
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.left) == 0 {
		return 0, io.EOF
	}
	n := copy(b[:min(len(b), 1+p.rng.IntN(p.most))], p.left)
	p.left = p.left[n:]
	return n, nil
}

// TestWhatIsTakenStaysWholeAcrossBlocks compares all bodies after the last was
// taken, however reads and blocks cut them.
func TestWhatIsTakenStaysWholeAcrossBlocks(t *testing.T) {
	for _, most := range []int{1, 100, 5_000, 100_000, 1 << 20} {
		t.Run(fmt.Sprintf("reads up to %d", most), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(1, uint64(most)))
			var in bytes.Buffer
			var want [][]byte
			for in.Len() < 5*blockBytes {
				body := bytes.Repeat([]byte{byte('a' + len(want)%26)}, rng.IntN(3000))
				if len(want)%200 == 50 {
					body = bytes.Repeat([]byte("L"), blockBytes/4+rng.IntN(3)-1)
				}
				fmt.Fprintf(&in, "%d\r\n%s\r\n", len(body), body)
				want = append(want, body)
			}
			i := intake{conn: &pieces{left: in.Bytes(), rng: rng, most: most}, blocks: &blocks{}}
			var got [][]byte
			for range want {
				line, err := i.line()
				if err != nil {
					t.Fatal(err)
				}
				size, ok := number(line)
				body, err := i.take(size)
				if !ok || err != nil {
					t.Fatalf("after %d messages: %s, %v", len(got), line, err)
				}
				i.last = uint64(len(got) + 1)
				got = append(got, body)
			}
			for k := range want {
				if !bytes.Equal(got[k], want[k]) {
					t.Fatalf("message %d has %d bytes of %.10s, want %d of %.10s", k, len(got[k]), got[k], len(want[k]), want[k])
				}
			}
			for k, f := range i.blocks.full {
				if k > 0 && f.last <= i.blocks.full[k-1].last {
					t.Errorf("block %d ends with message %d, the one before it with %d", k, f.last, i.blocks.full[k-1].last)
				}
			}
			if _, err := i.line(); !errors.Is(err, io.EOF) {
				t.Errorf("after the end: %v", err)
			}
		})
	}
}

func TestALineWithoutEndIsNoProtocol(t *testing.T) {
	i := intake{conn: strings.NewReader(strings.Repeat("x", 2*blockBytes)), blocks: &blocks{}}
	if _, err := i.line(); !errors.Is(err, errProtocol) {
		t.Errorf("error is %v", err)
	}
}
