package mapping_test

import (
	"archive/zip"
	"bytes"
	"io"
	"testing"
)

// BenchmarkMapWindows maps the first events of a real log, Security, Sysmon and
// PowerShell, as a collector wrote them.
func BenchmarkMapWindows(b *testing.B) {
	z, err := zip.OpenReader("../../test/realdata/testdata/windows/covenant_dcsync_dcerpc_drsuapi_DsGetNCChanges.zip")
	if err != nil {
		b.Fatal(err)
	}
	defer z.Close()
	f, err := z.File[0].Open()
	if err != nil {
		b.Fatal(err)
	}
	log, err := io.ReadAll(io.LimitReader(f, 256<<10))
	if err != nil {
		b.Fatal(err)
	}
	lines := bytes.Split(log, []byte("\n"))
	lines = lines[:len(lines)-1] // the last one was cut
	for _, m := range shipped(b) {
		if m.Name != "windows" {
			continue
		}
		x := m.NewMapper()
		size := 0
		for _, e := range lines {
			x.Map(e)
			size += len(e)
		}
		b.ReportAllocs()
		b.SetBytes(int64(size))
		for b.Loop() {
			for _, e := range lines {
				x.Map(e)
			}
		}
	}
}
