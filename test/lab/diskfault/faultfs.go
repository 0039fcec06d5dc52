package diskfault

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// class is which of the daemon's files a path below its data directory is.
type class string

// The classes: every place that the daemon writes to.
const (
	classData      class = "data files"
	classMetadata  class = "Iceberg metadata"
	classCatalog   class = "SQLite catalog"
	classAnalytics class = "analytics.duckdb"
	classState     class = "state.duckdb"
	classAudit     class = "audit log"
	classSpill     class = "spill directory"
	classOrphans   class = "orphans.json"
	classStream    class = "NATS store"
	classOther     class = "other"
)

func classOf(path string) class {
	has := strings.Contains
	switch base := filepath.Base(path); {
	case has(path, "lake/catalog.db"):
		return classCatalog
	case has(path, "/metadata/") || strings.HasSuffix(path, "/metadata"):
		return classMetadata
	case strings.HasPrefix(path, "data/lake"):
		return classData
	case strings.HasPrefix(base, "analytics.duckdb"):
		return classAnalytics
	case strings.HasPrefix(base, "state.duckdb"):
		return classState
	case strings.HasPrefix(base, "audit.log"):
		return classAudit
	case strings.HasPrefix(path, "data/tmp"):
		return classSpill
	case strings.HasPrefix(base, "orphans.json"):
		return classOrphans
	case strings.HasPrefix(path, "data/nats"):
		return classStream
	}
	return classOther
}

// fault is what happens to what changes files.
type fault struct {
	errno syscall.Errno
	only  class  // empty: every file
	op    string // empty: every change
	after int    // changes that are let through first
	once  bool   // the disk is well again afterwards
}

// faultFS is a directory that is mounted a second time, where changes fail as
// told. Reading always works.
type faultFS struct {
	server *fuse.Server

	mu   sync.Mutex
	now  *fault
	seen int // changes that the fault has looked at
	hits map[string]int
}

func mountFaultFS(from, at string) (*faultFS, error) {
	f := &faultFS{hits: map[string]int{}}
	var st syscall.Stat_t
	if err := syscall.Stat(from, &st); err != nil {
		return nil, fmt.Errorf("stat %s: %w", from, err)
	}
	data := &fs.LoopbackRoot{Path: from, Dev: uint64(st.Dev)} //nolint:unconvert // it is of another type on other systems
	root := &faultNode{LoopbackNode: fs.LoopbackNode{RootData: data}, f: f}
	data.RootNode = root
	second := time.Second
	var err error
	f.server, err = fs.Mount(at, root, &fs.Options{AttrTimeout: &second, EntryTimeout: &second, NullPermissions: true,
		MountOptions: fuse.MountOptions{DirectMountStrict: true, FsName: from, Name: "diskfault"}})
	if err != nil {
		return nil, fmt.Errorf("mount a FUSE file system: %w", err)
	}
	return f, nil
}

// set puts the fault in place of the one before; nil: the disk is well.
func (f *faultFS) set(to *fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now, f.seen = to, 0
}

// hit counts the changes that failed, by what they were.
func (f *faultFS) hit() map[string]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := f.hits
	f.hits = map[string]int{}
	return out
}

// change is asked before every change of a file.
func (f *faultFS) change(op, path string) syscall.Errno {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := classOf(path)
	if f.now == nil || (f.now.only != "" && f.now.only != c) || (f.now.op != "" && f.now.op != op) {
		return 0
	}
	if f.now.errno == syscall.EROFS && op == "fsync" {
		return 0
	}
	if f.seen++; f.seen <= f.now.after {
		return 0
	}
	f.hits[op+" of "+string(c)]++
	errno := f.now.errno
	if f.now.once {
		f.now = nil
	}
	return errno
}

// faultNode is a file or a directory.
type faultNode struct {
	fs.LoopbackNode
	f *faultFS
}

// WrapChild makes what is below a faultNode too.
func (n *faultNode) WrapChild(context.Context, fs.InodeEmbedder) fs.InodeEmbedder {
	return &faultNode{LoopbackNode: fs.LoopbackNode{RootData: n.RootData}, f: n.f}
}

func (n *faultNode) in(name string) string { return filepath.Join(n.Path(n.Root()), name) }

func (n *faultNode) Create(ctx context.Context, name string, flags, mode uint32, out *fuse.EntryOut) (*fs.Inode,
	fs.FileHandle, uint32, syscall.Errno) {
	if errno := n.f.change("create", n.in(name)); errno != 0 {
		return nil, nil, 0, errno
	}
	inode, fh, _, errno := n.LoopbackNode.Create(ctx, name, flags, mode, out)
	if errno != 0 {
		return nil, nil, 0, errno
	}
	return inode, wrapFile(fh, n.f, n.in(name)), 0, 0
}

func (n *faultNode) Open(ctx context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	if flags&syscall.O_ACCMODE != syscall.O_RDONLY {
		if errno := n.f.change("open", n.in("")); errno != 0 {
			return nil, 0, errno
		}
	}
	fh, _, errno := n.LoopbackNode.Open(ctx, flags)
	if errno != 0 {
		return nil, 0, errno
	}
	return wrapFile(fh, n.f, n.in("")), 0, 0
}

func (n *faultNode) Mkdir(ctx context.Context, name string, mode uint32, out *fuse.EntryOut) (*fs.Inode,
	syscall.Errno) {
	if errno := n.f.change("mkdir", n.in(name)); errno != 0 {
		return nil, errno
	}
	return n.LoopbackNode.Mkdir(ctx, name, mode, out)
}

func (n *faultNode) Unlink(ctx context.Context, name string) syscall.Errno {
	if errno := n.f.change("unlink", n.in(name)); errno != 0 {
		return errno
	}
	return n.LoopbackNode.Unlink(ctx, name)
}

func (n *faultNode) Rmdir(ctx context.Context, name string) syscall.Errno {
	if errno := n.f.change("rmdir", n.in(name)); errno != 0 {
		return errno
	}
	return n.LoopbackNode.Rmdir(ctx, name)
}

func (n *faultNode) Rename(ctx context.Context, name string, to fs.InodeEmbedder, newName string,
	flags uint32) syscall.Errno {
	if errno := n.f.change("rename", n.in(name)); errno != 0 {
		return errno
	}
	return n.LoopbackNode.Rename(ctx, name, to, newName, flags)
}

func (n *faultNode) Setattr(ctx context.Context, fh fs.FileHandle, in *fuse.SetAttrIn,
	out *fuse.AttrOut) syscall.Errno {
	if _, ok := in.GetSize(); ok {
		if errno := n.f.change("truncate", n.in("")); errno != 0 {
			return errno
		}
	}
	if h, ok := fh.(*faultFile); ok {
		fh = h.inner
	}
	return n.LoopbackNode.Setattr(ctx, fh, in, out)
}

// Fsync is asked for directories; files have their own.
func (n *faultNode) Fsync(ctx context.Context, fh fs.FileHandle, flags uint32) syscall.Errno {
	if errno := n.f.change("fsync", n.in("")); errno != 0 {
		return errno
	}
	if h, ok := fh.(*faultFile); ok {
		return h.inner.Fsync(ctx, flags)
	}
	return 0 // this process keeps what a directory holds
}

// faultFile is an open file. It hides the descriptor, past which the kernel
// would otherwise write by itself.
type faultFile struct {
	inner *fs.LoopbackFile
	f     *faultFS
	path  string
}

func wrapFile(fh fs.FileHandle, f *faultFS, path string) fs.FileHandle {
	return &faultFile{inner: fh.(*fs.LoopbackFile), f: f, path: path}
}

var (
	_ fs.FileReader    = (*faultFile)(nil)
	_ fs.FileWriter    = (*faultFile)(nil)
	_ fs.FileFsyncer   = (*faultFile)(nil)
	_ fs.FileFlusher   = (*faultFile)(nil)
	_ fs.FileReleaser  = (*faultFile)(nil)
	_ fs.FileGetattrer = (*faultFile)(nil)
	_ fs.FileAllocater = (*faultFile)(nil)
	_ fs.FileLseeker   = (*faultFile)(nil)
)

func (h *faultFile) Read(ctx context.Context, buf []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	return h.inner.Read(ctx, buf, off)
}

func (h *faultFile) Write(ctx context.Context, data []byte, off int64) (uint32, syscall.Errno) {
	if errno := h.f.change("write", h.path); errno != 0 {
		return 0, errno
	}
	return h.inner.Write(ctx, data, off)
}

func (h *faultFile) Fsync(ctx context.Context, flags uint32) syscall.Errno {
	if errno := h.f.change("fsync", h.path); errno != 0 {
		return errno
	}
	return h.inner.Fsync(ctx, flags)
}

func (h *faultFile) Allocate(ctx context.Context, off, size uint64, mode uint32) syscall.Errno {
	if errno := h.f.change("allocate", h.path); errno != 0 {
		return errno
	}
	return h.inner.Allocate(ctx, off, size, mode)
}

func (h *faultFile) Flush(ctx context.Context) syscall.Errno   { return h.inner.Flush(ctx) }
func (h *faultFile) Release(ctx context.Context) syscall.Errno { return h.inner.Release(ctx) }

func (h *faultFile) Getattr(ctx context.Context, out *fuse.AttrOut) syscall.Errno {
	return h.inner.Getattr(ctx, out)
}

func (h *faultFile) Lseek(ctx context.Context, off uint64, whence uint32) (uint64, syscall.Errno) {
	return h.inner.Lseek(ctx, off, whence)
}
