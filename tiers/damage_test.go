package tiers_test

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"testing"

	"github.com/lakeward/lakeward/tiers"
)

func TestChecksumOfPath(t *testing.T) {
	for _, sum := range []uint32{0, 1, 0xdeadbeef, 1<<32 - 1} {
		p := tiers.ChecksumPath("file:///w/lake/t/data/abc.parquet", sum)
		if got, ok := tiers.PathChecksum(p); !ok || got != sum {
			t.Errorf("%s has the checksum %08x, %v", p, got, ok)
		}
	}
	for _, p := range []string{"", "x", "/a/b.parquet", "/a/00000-0-7a0ed0d4-00001.parquet", "/a/part-deadbeef.parquet",
		"/a/x-crc32c-deadbeef", "/a/x-crc32c-deadbee.parquet", "/a/x-crc32c-deadbeeg.parquet", "crc32c-deadbeef.parquet",
		"/a/x-crc32c-+eadbeef.parquet"} {
		if sum, ok := tiers.PathChecksum(p); ok {
			t.Errorf("%q passes for having the checksum %08x", p, sum)
		}
	}
}

func TestDamageErrorNamesFilesAndRows(t *testing.T) {
	err := error(&tiers.DamageError{Files: []tiers.Damage{{Table: "signin", Path: "file:///w/secret/a.parquet", Rows: 7,
		Reason: "is missing"}}})
	if !errors.Is(err, tiers.ErrDamaged) ||
		!strings.Contains(err.Error(), "lake.signin lacks 7 rows: file a.parquet is missing") ||
		strings.Contains(err.Error(), "secret") {
		t.Fatal(err)
	}
}

func FuzzPathChecksum(f *testing.F) {
	f.Add("/a/x-crc32c-deadbeef.parquet")
	f.Add("-crc32c-00000000.parquet")
	f.Fuzz(func(t *testing.T, path string) {
		sum, ok := tiers.PathChecksum(path)
		if !ok {
			return
		}
		stem := path[:len(path)-len("-crc32c-00000000.parquet")]
		if again := tiers.ChecksumPath(stem+".parquet", sum); !strings.EqualFold(again, path) {
			t.Errorf("%q has the checksum %08x, which makes the name %q", path, sum, again)
		}
	})
}

func TestAnUnreadableTableNamesTheFileAndNoDirectory(t *testing.T) {
	const path = "file:///secret/lake/signin/metadata/snap-1.avro"
	for _, c := range []struct {
		cause error
		want  string
	}{
		{&fs.PathError{Op: "open", Path: path, Err: syscall.ENOENT},
			"lake.signin cannot be read: its manifest list snap-1.avro is missing"},
		{&fs.PathError{Op: "read", Path: path, Err: syscall.EIO},
			"its manifest list snap-1.avro cannot be read: input/output error"},
		{errors.New("it cannot be decoded"), "its manifest list snap-1.avro cannot be read: it cannot be decoded"},
	} {
		err := error(&tiers.UnreadableError{Table: "signin",
			Err: fmt.Errorf("list: %w", &tiers.MetadataError{What: "manifest list", Path: path, Err: c.cause})})
		said := err.Error()
		if !errors.Is(err, tiers.ErrDamaged) || !strings.Contains(said, c.want) || !strings.Contains(said, "lakeward fsck") ||
			strings.Contains(said, "secret") {
			t.Errorf("%v: it says %q", c.cause, said)
		}
	}
}
