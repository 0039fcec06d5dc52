package format

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
)

// MostUnpacked is the largest message after unpacking, in bytes.
const MostUnpacked = 64 << 20

// Unpacker undoes the compression of messages. It keeps its buffers, so that it
// is for one goroutine; the zero value is ready.
type Unpacker struct {
	out  bytes.Buffer
	gzip *gzip.Reader
	zstd *zstd.Decoder
}

// Packed tells gzip and zstd by their first bytes. No message of another format
// begins so.
func Packed(data []byte) bool {
	return len(data) >= 4 && (data[0] == 0x1f && data[1] == 0x8b || string(data[:4]) == "\x28\xb5\x2f\xfd")
}

// Unpack undoes gzip or zstd; other data it returns as it is. The result is
// valid until the next call.
func (u *Unpacker) Unpack(data []byte) ([]byte, error) {
	if !Packed(data) {
		return data, nil
	}
	what, in, err := u.open(data)
	if err == nil {
		if u.out.Cap() > 1<<20 {
			u.out = bytes.Buffer{}
		}
		u.out.Reset()
		_, err = u.out.ReadFrom(io.LimitReader(in, MostUnpacked+1))
	}
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF):
		return nil, fmt.Errorf("the message is compressed by %s and ends too early", what)
	case err != nil:
		return nil, fmt.Errorf("the message is compressed by %s, which cannot be undone: %w", what, err)
	case u.out.Len() > MostUnpacked:
		return nil, fmt.Errorf("the message is compressed by %s and has more than %d MiB: send it in parts", what,
			MostUnpacked>>20)
	}
	return u.out.Bytes(), nil
}

func (u *Unpacker) open(data []byte) (what string, in io.Reader, err error) {
	from := bytes.NewReader(data)
	if data[0] == 0x1f {
		if u.gzip == nil {
			u.gzip = new(gzip.Reader)
		}
		return "gzip", u.gzip, u.gzip.Reset(from)
	}
	if u.zstd == nil {
		u.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(MostUnpacked+1<<20))
		if err != nil {
			return "zstd", nil, err
		}
	}
	return "zstd", u.zstd, u.zstd.Reset(from)
}
