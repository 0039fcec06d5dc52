package main

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/lakeward/lakeward/serve"
)

// realLog is a log as a collector wrote it, whose events are published again and
// again: Security, Sysmon and PowerShell of Windows.
const realLog = "test/realdata/testdata/windows/covenant_dcsync_dcerpc_drsuapi_DsGetNCChanges.zip"

// runMapped measures what a mapping costs: the same backlog of real events, with
// the mapping and without it, by turns.
func (b *bench) runMapped(ctx context.Context) error {
	o, err := b.child(ctx, roleFill, b.store, b.file, strconv.Itoa(b.events), realLog)
	if err != nil {
		return err
	}
	fmt.Printf("%d events of %.0f bytes published\n", o.Events, float64(o.Bytes)/float64(o.Events))
	var plain, mapped, ratios, costs []float64
	for i := range b.repeats {
		var of [2]measured
		for turn := range 2 {
			with := (turn + i) % 2
			if of[with], err = b.mappedOnce(ctx, i, with == 1); err != nil {
				return err
			}
		}
		fmt.Printf("round %d: %.0f/s as they are, %.0f/s mapped\n", i+1, of[0].ingest, of[1].ingest)
		plain, mapped = append(plain, of[0].ingest), append(mapped, of[1].ingest)
		ratios, costs = append(ratios, of[1].ingest/of[0].ingest), append(costs, of[0].ingestCPU/of[1].ingestCPU)
	}
	for _, f := range []struct {
		name, unit, format string
		of                 []float64
	}{
		{"unmapped_ingest_per_second", "events/s", "%.0f", plain}, {"mapped_ingest_per_second", "events/s", "%.0f", mapped},
		{"mapped_ingest_ratio", "ratio", "%.3f", ratios}, {"mapped_ingest_cpu_ratio", "ratio", "%.3f", costs},
	} {
		slices.Sort(f.of)
		fmt.Printf("figure: %s "+f.format+" %s\n", f.name, f.of[len(f.of)/2], f.unit)
	}
	return nil
}

// mappedOnce drains the backlog once.
func (b *bench) mappedOnce(ctx context.Context, i int, mapped bool) (m measured, err error) {
	dir := filepath.Join(b.dir, fmt.Sprintf("mapped%d%v", i, mapped))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return m, fmt.Errorf("make directory: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	file := filepath.Join(dir, "lakeward.yaml")
	source := "sources: [{name: events"
	if mapped {
		source += ", mapping: " + b.mapping
	}
	if err := os.WriteFile(file, []byte(source+"}]\n"), 0o600); err != nil {
		return m, fmt.Errorf("write the configuration: %w", err)
	}
	b.config = file
	b.counted = func(ctx context.Context, c *serve.Client, _ *measured) error { return b.allTaken(ctx, c, mapped) }
	return m, b.ingest(ctx, filepath.Join(dir, "data"), &m)
}

// allTaken fails unless all events are in tables, and most are mapped if they
// are to be.
func (b *bench) allTaken(ctx context.Context, c *serve.Client, mapped bool) error {
	st, err := c.Status(ctx)
	if err != nil {
		return fmt.Errorf("ask the daemon: %w", err)
	}
	for _, s := range st.Sources {
		if s.Events != uint64(b.events) || s.Quarantined > 0 {
			return fmt.Errorf("%d of %d events are in tables, %d in quarantine", s.Events, b.events, s.Quarantined)
		}
		if mapped && s.Unmapped > s.Events/2 {
			return fmt.Errorf("no rule of %s takes %d of %d events", b.mapping, s.Unmapped, s.Events)
		}
	}
	return nil
}

// logLines are the lines of the file in a zip archive.
func logLines(name string) (lines [][]byte, err error) {
	z, err := zip.OpenReader(name)
	if err != nil {
		return nil, fmt.Errorf("open the log: %w", err)
	}
	defer func() { err = errors.Join(err, z.Close()) }()
	f, err := z.File[0].Open()
	if err != nil {
		return nil, fmt.Errorf("open the log: %w", err)
	}
	text, err := io.ReadAll(f)
	if err != nil {
		return nil, fmt.Errorf("read the log: %w", err)
	}
	return slices.DeleteFunc(bytes.Split(text, []byte("\n")), func(l []byte) bool { return len(l) == 0 }), nil
}
