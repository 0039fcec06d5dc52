package columnfile

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// The ways in which Parquet compresses.
const (
	codecNone   = 0
	codecSnappy = 1
	codecGzip   = 2
	codecZstd   = 6
	codecLZ4    = 7
)

// unpack decompresses a page of exactly size bytes, which the caller has a
// grant for.
func unpack(codec int64, b []byte, size int) []byte {
	switch codec {
	case codecNone:
		return b
	case codecZstd:
		return unzstd(b, size)
	case codecGzip:
		out := make([]byte, size)
		z, err := gzip.NewReader(bytes.NewReader(b))
		if err == nil {
			_, err = io.ReadFull(z, out)
		}
		if err != nil {
			failUnpack(err)
		}
		return out
	case codecSnappy:
		if n, err := snappy.DecodedLen(b); err != nil || n != size {
			failUnpack(errors.Join(err, errLength))
		}
		out, err := snappy.Decode(make([]byte, size), b)
		if err != nil {
			failUnpack(err)
		}
		return out
	case codecLZ4:
		out := make([]byte, size)
		if n, err := lz4.UncompressBlock(b, out); err != nil || n != size {
			failUnpack(errors.Join(err, errLength))
		}
		return out
	}
	fail(ErrDamaged, "it is compressed in a way that is not read (codec %d): write it with zstd, gzip, snappy or LZ4_RAW",
		codec)
	return nil
}

var errLength = errors.New("it has another length than it says")

// unzstd decompresses exactly size bytes.
func unzstd(b []byte, size int) []byte {
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecodeAllCapLimit(true))
	if err != nil {
		failUnpack(err)
	}
	defer z.Close()
	out, err := z.DecodeAll(b, make([]byte, 0, size))
	if err == nil && len(out) != size {
		err = errLength
	}
	if err != nil {
		failUnpack(err)
	}
	return out
}

func failUnpack(err error) {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	fail(ErrDamaged, "a part of it cannot be decompressed: %w", err)
}
