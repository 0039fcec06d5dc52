package lake

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
)

// avroEdit changes values of an Avro file by the paths of their fields, such as
// data_file.file_path. Everything else is copied byte by byte, also what this
// version knows nothing of. A nil func changes nothing.
type avroEdit struct {
	text func(path, value string) (string, error)
	long func(path string, value int64) (int64, error)
}

var avroMagic = []byte("Obj\x01")

// rewrite returns the Avro container file b with the changes.
func (e avroEdit) rewrite(b []byte) ([]byte, error) {
	in := &avroReader{b: b}
	if string(in.take(4)) != string(avroMagic) {
		return nil, errors.New("it is not an Avro file")
	}
	meta := map[string]string{}
	in.blocks(func() {
		key := string(in.bytes())
		meta[key] = string(in.bytes())
	})
	sync := in.take(16)
	if in.err != nil {
		return nil, in.err
	}
	codec, err := avroCodecOf(meta["avro.codec"])
	if err != nil {
		return nil, err
	}
	schema, err := parseAvro([]byte(meta["avro.schema"]))
	if err != nil {
		return nil, fmt.Errorf("read its schema: %w", err)
	}
	out := bytes.NewBuffer(bytes.Clone(b[:in.at])) // the header stays as it is
	for in.at < len(in.b) {
		count, data := in.long(), in.bytes()
		if !bytes.Equal(in.take(16), sync) || in.err != nil || count < 0 {
			return nil, errors.Join(errors.New("it is cut short or damaged"), in.err)
		}
		data, err := e.block(schema, codec, count, data)
		if err != nil {
			return nil, err
		}
		writeLong(out, count)
		writeLong(out, int64(len(data)))
		out.Write(data)
		out.Write(sync)
	}
	return out.Bytes(), nil
}

// block rewrites the records of one block.
func (e avroEdit) block(schema *avroType, codec avroCodec, count int64, data []byte) ([]byte, error) {
	plain, err := codec.decode(data)
	if err != nil {
		return nil, fmt.Errorf("decompress: %w", err)
	}
	w := &avroCopy{avroEdit: e, in: &avroReader{b: plain}}
	for range count {
		w.value(schema, "")
		if err := errors.Join(w.in.err, w.err); err != nil {
			return nil, err
		}
	}
	if w.in.at != len(plain) {
		return nil, errors.New("it has more bytes than its records")
	}
	return codec.encode(w.out.Bytes())
}

// avroCopy copies values by their types.
type avroCopy struct {
	avroEdit
	in  *avroReader
	out bytes.Buffer
	err error
}

func (w *avroCopy) value(t *avroType, path string) {
	if w.in.err != nil || w.err != nil {
		return
	}
	start := w.in.at
	switch t.kind {
	case "null":
	case "boolean":
		w.in.take(1)
	case "int", "long", "enum":
		w.number(path)
		return
	case "float":
		w.in.take(4)
	case "double":
		w.in.take(8)
	case "fixed":
		w.in.take(t.size)
	case "bytes":
		w.in.bytes()
	case "string":
		w.string(path)
		return
	default:
		w.nested(t, path)
		return
	}
	w.out.Write(w.in.b[start:w.in.at])
}

func (w *avroCopy) number(path string) {
	v := w.in.long()
	if w.long != nil && w.in.err == nil {
		v, w.err = w.long(path, v)
	}
	writeLong(&w.out, v)
}

func (w *avroCopy) string(path string) {
	s := string(w.in.bytes())
	if w.text != nil && w.in.err == nil {
		s, w.err = w.text(path, s)
	}
	writeLong(&w.out, int64(len(s)))
	w.out.WriteString(s)
}

func (w *avroCopy) nested(t *avroType, path string) {
	switch t.kind {
	case "record":
		for _, f := range t.fields {
			below := f.name
			if path != "" {
				below = path + "." + f.name
			}
			w.value(f.of, below)
		}
	case "union":
		n := w.in.long()
		if n < 0 || n >= int64(len(t.of)) {
			w.err = fmt.Errorf("union %s has no branch %d", path, n)
			return
		}
		writeLong(&w.out, n)
		w.value(t.of[n], path)
	case "array", "map":
		for n := w.in.long(); n != 0 && w.in.err == nil && w.err == nil; n = w.in.long() {
			if n < 0 { // with its size in bytes, which may change
				n = -n
				w.in.long()
			}
			writeLong(&w.out, n)
			for i := int64(0); i < n && w.in.err == nil && w.err == nil; i++ {
				if t.kind == "map" {
					w.string("")
				}
				w.value(t.of[0], path+"[]")
			}
		}
		writeLong(&w.out, 0)
	default:
		w.err = fmt.Errorf("%s has the unknown type %q", path, t.kind)
	}
}

// avroReader reads the primitive forms. After an error it reads zeros.
type avroReader struct {
	b   []byte
	at  int
	err error
}

func (r *avroReader) take(n int) []byte {
	if r.err == nil && (n < 0 || n > len(r.b)-r.at) {
		r.err = io.ErrUnexpectedEOF
	}
	if r.err != nil {
		return nil
	}
	r.at += n
	return r.b[r.at-n : r.at]
}

func (r *avroReader) long() int64 {
	if r.err != nil {
		return 0
	}
	v, n := binary.Varint(r.b[r.at:])
	if n <= 0 {
		r.err = io.ErrUnexpectedEOF
		return 0
	}
	r.at += n
	return v
}

func (r *avroReader) bytes() []byte { return r.take(int(r.long())) }

// blocks reads the items of a map or an array.
func (r *avroReader) blocks(item func()) {
	for n := r.long(); n != 0 && r.err == nil; n = r.long() {
		if n < 0 {
			n = -n
			r.long()
		}
		for ; n > 0 && r.err == nil; n-- {
			item()
		}
	}
}

func writeLong(out *bytes.Buffer, v int64) {
	out.Write(binary.AppendVarint(nil, v))
}

// avroType is a type of an Avro schema.
type avroType struct {
	kind   string
	size   int         // of a fixed
	fields []avroField // of a record
	of     []*avroType // branches of a union; what an array or a map has
}

type avroField struct {
	name string
	of   *avroType
}

func parseAvro(b []byte) (*avroType, error) {
	p := avroParser{}
	return p.parse(b)
}

// avroParser knows the types that have names, which later ones refer to.
type avroParser map[string]*avroType

func (p avroParser) parse(raw json.RawMessage) (*avroType, error) {
	raw = bytes.TrimSpace(raw)
	switch {
	case len(raw) == 0:
		return nil, errors.New("a type is missing")
	case raw[0] == '"':
		var name string
		if err := json.Unmarshal(raw, &name); err != nil {
			return nil, err
		}
		if t, ok := p[name]; ok {
			return t, nil
		}
		return &avroType{kind: name}, nil
	case raw[0] == '[':
		var branches []json.RawMessage
		if err := json.Unmarshal(raw, &branches); err != nil {
			return nil, err
		}
		t := &avroType{kind: "union"}
		for _, b := range branches {
			of, err := p.parse(b)
			if err != nil {
				return nil, err
			}
			t.of = append(t.of, of)
		}
		return t, nil
	}
	return p.complex(raw)
}

func (p avroParser) complex(raw json.RawMessage) (*avroType, error) {
	var d struct {
		Type            json.RawMessage
		Name, Namespace string
		Size            int
		Items, Values   json.RawMessage
		Fields          []struct {
			Name string
			Type json.RawMessage
		}
	}
	if err := json.Unmarshal(raw, &d); err != nil {
		return nil, err
	}
	var kind string
	if err := json.Unmarshal(d.Type, &kind); err != nil {
		return p.parse(d.Type) // a type within a type
	}
	t := &avroType{kind: kind, size: d.Size}
	if d.Name != "" {
		p[d.Name], p[d.Namespace+"."+d.Name] = t, t
	}
	for _, f := range d.Fields {
		of, err := p.parse(f.Type)
		if err != nil {
			return nil, fmt.Errorf("field %s: %w", f.Name, err)
		}
		t.fields = append(t.fields, avroField{f.Name, of})
	}
	for _, items := range []json.RawMessage{d.Items, d.Values} {
		if items == nil {
			continue
		}
		of, err := p.parse(items)
		if err != nil {
			return nil, err
		}
		t.of = []*avroType{of}
	}
	return t, nil
}

// avroCodec is how the blocks of a file are compressed.
type avroCodec struct {
	decode, encode func([]byte) ([]byte, error)
}

func avroCodecOf(name string) (avroCodec, error) {
	same := func(b []byte) ([]byte, error) { return b, nil }
	switch name {
	case "", "null":
		return avroCodec{same, same}, nil
	case "deflate":
		return avroCodec{inflate, deflate}, nil
	case "snappy":
		return avroCodec{unsnap, snap}, nil
	case "zstandard":
		return avroCodec{unzstd, zstandard}, nil
	}
	return avroCodec{}, fmt.Errorf("its compression %q is not known", name)
}

func inflate(b []byte) ([]byte, error) { return io.ReadAll(flate.NewReader(bytes.NewReader(b))) }

func deflate(b []byte) ([]byte, error) {
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, flate.DefaultCompression)
	if err != nil {
		return nil, err
	}
	_, err = w.Write(b)
	err = errors.Join(err, w.Close())
	return out.Bytes(), err
}

// unsnap decodes a block that ends with the checksum of what it holds.
func unsnap(b []byte) ([]byte, error) {
	if len(b) < 4 {
		return nil, io.ErrUnexpectedEOF
	}
	plain, err := snappy.Decode(nil, b[:len(b)-4])
	if err == nil && crc32.ChecksumIEEE(plain) != binary.BigEndian.Uint32(b[len(b)-4:]) {
		err = errors.New("its checksum differs")
	}
	return plain, err
}

func snap(b []byte) ([]byte, error) {
	return binary.BigEndian.AppendUint32(snappy.Encode(nil, b), crc32.ChecksumIEEE(b)), nil
}

func unzstd(b []byte) ([]byte, error) {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.DecodeAll(b, nil)
}

func zstandard(b []byte) ([]byte, error) {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	defer e.Close()
	return e.EncodeAll(b, nil), nil
}
