package compact

import (
	"cmp"
	"fmt"
	"math/bits"
	"slices"
	"time"

	"github.com/lakeward/lakeward/tiers"
)

// Policy says when files are merged.
type Policy struct {
	TargetBytes int64         // files of at least half of it are left alone
	TargetRows  int64         // most rows of a file that a merge makes
	MinFiles    int           // of about the same size that are worth a merge, at least 2
	MaxFiles    int           // of one merge
	Settled     time.Duration // a day that ended so long ago is merged for good
	Cluster     bool          // then also the large files are rewritten, once, that are in the order of time
}

// DefaultPolicy suits ingest's files of some hundred kilobytes to some
// megabytes: each row is rewritten about log8 of (target / file) times.
func DefaultPolicy() Policy {
	return Policy{TargetBytes: 128 << 20, TargetRows: 1_000_000, MinFiles: 8, MaxFiles: 256, Settled: 48 * time.Hour}
}

// Job is one merge: files of one day, oldest first.
type Job struct {
	Day     int32 // since 1970-01-01
	Files   []tiers.DataFile
	Reason  string
	Cluster bool // by the look-up columns, in place of the order of time
}

// Rows is the number of rows of the job's files.
func (j Job) Rows() (n int64) {
	for _, f := range j.Files {
		n += f.Rows
	}
	return n
}

// Bytes is the size of the job's files.
func (j Job) Bytes() (n int64) {
	for _, f := range j.Files {
		n += f.Size
	}
	return n
}

func (j Job) String() string {
	return fmt.Sprintf("%s: merge %d files, %d rows, %d bytes (%s)", date(j.Day), len(j.Files), j.Rows(), j.Bytes(),
		j.Reason)
}

func dayOf(t time.Time) int32 {
	s := t.Unix()
	return int32((s - ((s%86400)+86400)%86400) / 86400)
}

func date(day int32) string {
	return time.Unix(int64(day)*86400, 0).UTC().Format(time.DateOnly)
}

// Plan finds the merges of a table that is partitioned by day, oldest day first;
// in one that is not, nothing. It takes files over. While a day still gets events, files are
// merged with others of about their size (each level holds eight times the last
// one's), so that no row is rewritten often; once it is settled, all that are
// small are, and those that are to be clustered.
func Plan(files []tiers.DataFile, p Policy, now time.Time) []Job {
	files = slices.DeleteFunc(files, func(f tiers.DataFile) bool { return f.Day != dayOf(f.TimeMin) })
	slices.SortFunc(files, byDay)
	var jobs []Job
	for len(files) > 0 {
		n := 1
		for n < len(files) && files[n].Day == files[0].Day {
			n++
		}
		jobs = append(jobs, planDay(files[:n], p, now)...)
		files = files[n:]
	}
	return jobs
}

func byDay(a, b tiers.DataFile) int {
	return cmp.Or(cmp.Compare(a.Day, b.Day), a.TimeMin.Compare(b.TimeMin), cmp.Compare(a.Path, b.Path))
}

func planDay(files []tiers.DataFile, p Policy, now time.Time) []Job {
	day := files[0].Day
	end := time.Unix(int64(day+1)*86400, 0)
	small := func(f tiers.DataFile) bool { return f.Size < p.TargetBytes/2 && f.Rows < p.TargetRows/2 }
	if now.Sub(end) >= p.Settled {
		return packDay(day, files, small, p)
	}
	var jobs []Job
	for level := range 64 {
		of := filter(files, func(f tiers.DataFile) bool { return small(f) && sizeLevel(f.Size) == level })
		jobs = append(jobs, merges(day, of, p, p.MinFiles, fmt.Sprintf("%d files of about one size", len(of)))...)
	}
	return jobs
}

// packDay packs what is small, and what is to be clustered, in the order of time.
func packDay(day int32, files []tiers.DataFile, small func(tiers.DataFile) bool, p Policy) []Job {
	if !p.Cluster {
		return merges(day, filter(files, small), p, 2, settled)
	}
	files = filter(files, func(f tiers.DataFile) bool { return small(f) || timed(f) })
	var jobs []Job
	for len(files) > 0 {
		n, rows, size := 0, int64(0), int64(0)
		for n < len(files) && n < p.MaxFiles &&
			(n == 0 || (rows+files[n].Rows <= p.TargetRows && size+files[n].Size <= p.TargetBytes)) {
			rows, size = rows+files[n].Rows, size+files[n].Size
			n++
		}
		if n > 1 || timed(files[0]) {
			jobs = append(jobs, Job{Day: day, Files: files[:n:n], Reason: settled, Cluster: true})
		}
		files = files[n:]
	}
	return jobs
}

const settled = "the day is settled"

// timed reports whether a file is worth clustering, and is not clustered.
func timed(f tiers.DataFile) bool { return !f.Clustered && f.Rows > clusterGroup }

// sizeLevel grows by one for each factor of eight.
func sizeLevel(size int64) int { return bits.Len64(uint64(size)) / 3 }

func filter(files []tiers.DataFile, want func(tiers.DataFile) bool) (out []tiers.DataFile) {
	for _, f := range files {
		if want(f) {
			out = append(out, f)
		}
	}
	return out
}

// merges cuts a run of small files into merges of at least least files.
func merges(day int32, files []tiers.DataFile, p Policy, least int, reason string) []Job {
	var jobs []Job
	for len(files) >= least {
		n, rows, size := 0, int64(0), int64(0)
		for n < len(files) && n < p.MaxFiles &&
			(n < 2 || (rows+files[n].Rows <= p.TargetRows && size+files[n].Size <= p.TargetBytes)) {
			rows, size = rows+files[n].Rows, size+files[n].Size
			n++
		}
		if n < 2 {
			break
		}
		if n >= least || rows >= p.TargetRows/2 || size >= p.TargetBytes/2 {
			jobs = append(jobs, Job{Day: day, Files: files[:n:n], Reason: reason})
		}
		files = files[n:]
	}
	return jobs
}
