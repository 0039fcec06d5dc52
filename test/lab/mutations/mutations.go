// Package mutations damages data files in every way it can think of, one
// damage at a time, and counts those that the lake does not notice before a
// query opens the file.
//
//	MUTATIONS=100000 go run ./test/lab mutations
//
// One mutation in ten is followed by a query, whose answer must be exactly that
// of the other files, with a warning that names the damaged one.
package mutations

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"
)

// Run makes MUTATIONS mutations (300 without it) and prints the figures.
func Run(ctx context.Context, out io.Writer) (err error) {
	n, err := number("MUTATIONS", 300)
	if err != nil {
		return err
	}
	seed, err := number("SEED", uint64(time.Now().UnixNano()))
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "lakeward-mutations-")
	if err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	fmt.Fprintf(out, "seed %d\n", seed)
	s, err := open(ctx, dir, seed)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	fmt.Fprintf(out, "%d files of %d bytes, %d rows\n", len(s.files), s.bytes, s.rows)
	r, err := s.try(ctx, n)
	if err != nil {
		return err
	}
	for _, m := range mutations() {
		fmt.Fprintf(out, "  %-24s %7d\n", m.name, r.tried[m.name])
	}
	fmt.Fprintf(out, "queries over a damaged table: %d, each right without the file and with a warning\n", r.queries)
	for _, text := range r.missed {
		fmt.Fprintln(out, "MISSED:", text)
	}
	fmt.Fprintf(out, "figure: mutations_tried %d count\nfigure: mutations_missed %d count\n", n, len(r.missed))
	if len(r.missed) > 0 {
		return errors.New("some mutations were not noticed")
	}
	return nil
}

func number(name string, missing uint64) (uint64, error) {
	text := os.Getenv(name)
	if text == "" {
		return missing, nil
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("%s=%s is not a positive number", name, text)
	}
	return n, nil
}
