package backup

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// write makes a file of what f writes, complete and synced under its name.
func write(path string, f func(io.Writer) error) (p part, err error) {
	p.Name = filepath.Base(path)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return p, err
	}
	temp := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".tmp")
	out, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return p, err
	}
	sum := crc32.New(crc32.MakeTable(crc32.Castagnoli))
	b := bufio.NewWriterSize(io.MultiWriter(out, sum, (*counter)(&p.Size)), 1<<20)
	err = f(b)
	if err = errors.Join(err, b.Flush(), out.Sync(), out.Close()); err == nil {
		err = os.Rename(temp, path)
	}
	if err == nil {
		err = syncDir(filepath.Dir(path))
	}
	if err != nil {
		return p, errors.Join(err, os.RemoveAll(temp))
	}
	p.CRC32C = sum.Sum32()
	return p, nil
}

type counter int64

// Write counts.
func (c *counter) Write(b []byte) (int, error) {
	*c += counter(len(b))
	return len(b), nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func writeFile(path string, data []byte) error {
	_, err := write(path, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
	return err
}

// copyFile copies a file, which must have a size unless that is negative.
func copyFile(ctx context.Context, from, to string, size int64) (part, error) {
	in, err := os.Open(from)
	if err != nil {
		return part{}, err
	}
	defer in.Close()
	p, err := write(to, func(w io.Writer) error {
		_, err := io.Copy(w, reader{ctx, in})
		return err
	})
	if err == nil && size >= 0 && p.Size != size {
		err = errors.Join(fmt.Errorf("%s has %d bytes where %d were committed", from, p.Size, size), os.Remove(to))
	}
	return p, err
}

// reader ends with its context.
type reader struct {
	ctx context.Context
	io.Reader
}

// Read reads on.
func (r reader) Read(b []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(b)
}

func readIndex(dir string) (index, error) {
	var i index
	path := filepath.Join(dir, indexName)
	b, err := os.ReadFile(path)
	if err != nil {
		return i, err
	}
	if err := json.Unmarshal(b, &i); err != nil {
		return i, fmt.Errorf("read %s: %w", path, err)
	}
	if i.Format != format {
		return i, fmt.Errorf("%s is of format %d, and this version (of format %d) does not know it: use the version %s or "+
			"later", path, i.Format, format, i.Version)
	}
	return i, nil
}

func writeIndex(dir string, i index) error {
	b, err := json.MarshalIndent(i, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(dir, indexName), append(b, '\n'))
}

// listFiles writes the sizes and paths of the lake's files.
func (m *maker) listFiles() error {
	p, err := write(filepath.Join(m.state, filesName), func(w io.Writer) error {
		for _, rel := range slices.Sorted(maps.Keys(m.want)) {
			info, err := os.Stat(filepath.Join(m.dir, lakeDir, rel))
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintf(w, "%d %s\n", info.Size(), rel); err != nil {
				return err
			}
		}
		return nil
	})
	m.idx.Parts = slices.DeleteFunc(m.idx.Parts, func(p part) bool { return p.Name == filesName })
	m.idx.Parts = append(m.idx.Parts, p)
	return err
}

// fileList is what listFiles has written.
func fileList(state string) (map[string]int64, error) {
	b, err := os.ReadFile(filepath.Join(state, filesName))
	if err != nil {
		return nil, err
	}
	out := map[string]int64{}
	for line := range strings.Lines(string(b)) {
		size, path, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		n, err := strconv.ParseInt(size, 10, 64)
		if !ok || err != nil || !filepath.IsLocal(path) {
			return nil, fmt.Errorf("%s: %q is not a size and path", filesName, line)
		}
		out[path] = n
	}
	return out, nil
}

// check compares a part with its checksum.
func (p part) check(dir string) error {
	f, err := os.Open(filepath.Join(dir, p.Name))
	if err != nil {
		return err
	}
	defer f.Close()
	sum := crc32.New(crc32.MakeTable(crc32.Castagnoli))
	n, err := io.Copy(sum, f)
	if err == nil && (n != p.Size || sum.Sum32() != p.CRC32C) {
		err = fmt.Errorf("%s is damaged: it is not what was backed up", f.Name())
	}
	return err
}
