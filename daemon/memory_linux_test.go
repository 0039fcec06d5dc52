package daemon

import (
	"reflect"
	"strings"
	"testing"
)

const smaps = `00400000-00a9a000 r--p 00000000 fe:00 123                                /opt/lake ward
Size:               6760 kB
Anonymous:             0 kB
00a9a000-050a9000 r-xp 0069a000 fe:00 123                                /opt/lake ward
Rss:               53732 kB
Anonymous:             0 kB
AnonHugePages:         0 kB
0846a000-084e9000 r--p 08069000 fe:00 123                                /opt/lake ward
Anonymous:           508 kB
084e9000-08654000 rw-p 080e8000 fe:00 123                                /opt/lake ward
Anonymous:             0 kB
08700000-08800000 r--s 00000000 fe:00 123                                /opt/lake ward
Anonymous:             0 kB
08900000-08a00000 r--p 00000000 fe:00 124                                /lib/libc.so.6
Anonymous:             0 kB
b9f25c00000-b9f26c00000 rw-p 00000000 00:00 0
Anonymous:         10436 kB
`

func TestOnlyMappingsWithoutContentOfTheirOwnAreLetGo(t *testing.T) {
	got, err := cleanMappings(strings.NewReader(smaps), "/opt/lake ward")
	want := []region{{0x400000, 0xa9a000}, {0xa9a000, 0x50a9000}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v: %x, want %x", err, got, want)
	}
}

func TestTheProgramRunsOnWithoutItsPages(t *testing.T) {
	for range 3 {
		if err := unmapProgram(); err != nil {
			t.Fatal(err)
		}
		if got := strings.ToUpper("still here"); got != "STILL HERE" {
			t.Error(got)
		}
	}
}
