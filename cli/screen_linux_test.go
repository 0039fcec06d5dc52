package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/lakeward/lakeward/query/format"
)

// screen is what a terminal of some columns shows of what write writes.
func screen(t *testing.T, columns uint16, write func(io.Writer) error) string {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skip("no pseudoterminals here: ", err)
	}
	defer master.Close()
	var number, unlocked int32
	size := [4]uint16{24, columns}
	for request, arg := range map[uintptr]unsafe.Pointer{syscall.TIOCGPTN: unsafe.Pointer(&number),
		syscall.TIOCSPTLCK: unsafe.Pointer(&unlocked), syscall.TIOCSWINSZ: unsafe.Pointer(&size)} {
		if _, _, no := syscall.Syscall(syscall.SYS_IOCTL, master.Fd(), request, uintptr(arg)); no != 0 {
			t.Fatal(no)
		}
	}
	terminal, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	shown := make(chan string)
	go func() {
		b, _ := io.ReadAll(master) // ends with an error when the terminal is closed
		shown <- strings.ReplaceAll(string(b), "\r\n", "\n")
	}()
	if err := write(terminal); err != nil {
		t.Error(err)
	}
	if err := terminal.Close(); err != nil {
		t.Error(err)
	}
	return <-shown
}

// counted has n rows of a number.
func counted(t *testing.T, n int) array.RecordReader {
	t.Helper()
	s := arrow.NewSchema([]arrow.Field{{Name: "number", Type: arrow.PrimitiveTypes.Int64}}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, s)
	defer b.Release()
	for i := range n {
		b.Field(0).(*array.Int64Builder).Append(int64(i))
	}
	rec := b.NewRecordBatch()
	defer rec.Release()
	r, err := array.NewRecordReader(s, []arrow.RecordBatch{rec})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Release)
	return r
}

func TestATerminalShowsWhatFits(t *testing.T) {
	for _, c := range []struct {
		columns    uint16
		a          answer
		first, end string
	}{
		{80, answer{}, "number\n------\n     0\n",
			"   999\n(the first 1,000 rows; --all shows all, -o FILE writes all to a file)\n"},
		{80, answer{all: true}, "number\n------\n     0\n", "  1499\n(1500 rows)\n"},
		{5, answer{all: true}, "-- row 1\nnumber  0\n", "-- row 1500\nnumber  1499\n(1500 rows)\n"},
		{80, answer{vertical: true}, "-- row 1\nnumber  0\n", "(the first 1,000 rows; --all shows all, -o FILE writes " +
			"all to a file)\n"},
	} {
		got := screen(t, c.columns, func(w io.Writer) error {
			f, err := c.a.pick(w)
			if err != nil || f != format.Table {
				t.Errorf("a terminal is shown %s: %v", f, err)
			}
			return c.a.write(w, f, counted(t, 1500))
		})
		if !strings.HasPrefix(got, c.first) || !strings.HasSuffix(got, c.end) {
			t.Errorf("%d columns, %+v: %.40s ... %s", c.columns, c.a, got, got[max(0, len(got)-100):])
		}
	}
}
