package chaos

import "testing"

func TestTheStepThatADaemonDiedAtIsNamed(t *testing.T) {
	const end = "77 <... futex resumed>) = ?\n70 +++ killed by SIGKILL +++\n"
	for _, c := range []struct{ name, trace, want string }{
		{"it lives", "71 fsync(7</d/lake/catalog.db-wal>) = 0\n70 +++ exited with 0 +++\n", ""},
		{"nothing was called", end, ""},
		{"the last call counts", "71 fsync(7</d/lake/signin/data/.a.parquet.tmp>) = 0\n72 " +
			"fsync(8</d/lake/catalog.db-wal>) = ?\n" + end, "catalog sync"},
		{"a rename is named by its target", "71 renameat(AT_FDCWD</d>, \"/d/lake/signin/metadata/.snap-1.avro.tmp\", " +
			"AT_FDCWD</d>, \"/d/lake/signin/metadata/snap-1.avro\") = ?\n" + end, "manifest list rename"},
		{"a name that begins with a dot", "71 write(8</d/lake/signin/metadata/.1-m0.avro.tmp>, \"\"..., 90) = ?\n" + end,
			"manifest write"},
		{"what is removed has no descriptor",
			"71 unlinkat(AT_FDCWD</d>, \"/d/lake/signin/metadata/00007-x.metadata.json\", 0) = ?\n" + end,
			"table metadata remove"},
		{"the embedded server's own", "71 fdatasync(9</d/data/nats/jetstream/$G/streams/EVENTS/msgs/1.blk>) = ?\n" + end,
			"NATS sync"},
		{"a socket has no path", "71 write(9<socket:[123]>, \"\"..., 20) = ?\n" + end, "socket write"},
	} {
		if got := lastStep(c.trace); got != c.want {
			t.Errorf("%s: the step is %q, want %q", c.name, got, c.want)
		}
	}
}
