package compact

import (
	"bytes"
	"cmp"
	"hash/maphash"
	"slices"
	"strings"

	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/parquetfile"
)

// clusterGroup is the number of rows of a row group of a clustered file: few,
// because a look-up reads whole ones, and not fewer, because each costs footer
// and start-up.
const clusterGroup = 12_288

// clusterPage is the number of rows of a page of a clustered file: a look-up
// copies whole ones.
const clusterPage = 1_024

// lookups are those of the paths that the schema has as text outside of lists.
func lookups(paths []string, s tiers.Schema) []string {
	var out []string
	for _, p := range paths {
		if f, ok := s.Lookup(p); ok && f.Type.Kind == tiers.KindString && !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return out
}

// index splits look-up columns: members of structs are copied to the top of the
// file, with a bloom filter; the others get the filter alone.
func index(paths []string) (bloom, copies []string) {
	for _, p := range paths {
		if strings.Contains(p, ".") {
			copies = append(copies, p)
		} else {
			bloom = append(bloom, p)
		}
	}
	return bloom, copies
}

// column is the vector at a dotted path, or nil.
func column(t *parquetfile.Table, path string) *parquetfile.Column {
	first, rest, more := strings.Cut(path, ".")
	c := t.Column(first)
	for more && c != nil {
		first, rest, more = strings.Cut(rest, ".")
		c = c.Member(first)
	}
	return c
}

// value is a value of one of the look-up columns. Numbers follow the order of
// column and text, so that bounds of row groups are narrow.
type value struct {
	text     []byte
	column   int
	partners uint32 // distinct combinations of look-up values that it is in
	rank     uint32
}

// byCluster is an order in which rows lie together by each of the columns as
// far as one order can: a row lies with that of its values that has the most
// partners, then with the next. The address of an office or of an attacker is
// in one place, with its users in order; so is a user with the addresses that
// are theirs alone. Either is then in about as few places as it is tied to
// values with more partners than it has. Within a cluster rows are in the order
// of their time.
func byCluster(t *parquetfile.Table, paths []string) []uint32 {
	values, ids := number(t, paths)
	if len(values) == 0 {
		return byTime(t)
	}
	width := len(paths)
	seed, seen := maphash.MakeSeed(), make(map[uint64]struct{})
	for row := range t.N {
		of := ids[row*width : (row+1)*width]
		h := maphash.Comparable(seed, tuple(of))
		if _, again := seen[h]; again {
			continue
		}
		seen[h] = struct{}{}
		for _, id := range of {
			if id > 0 {
				values[id-1].partners++
			}
		}
	}
	rank(values)
	for row := range t.N {
		of := ids[row*width : (row+1)*width]
		slices.SortFunc(of, func(a, b uint32) int {
			if a == 0 || b == 0 {
				return cmp.Compare(b, a) // what is null last
			}
			x, y := values[a-1], values[b-1]
			return cmp.Or(cmp.Compare(y.partners, x.partners), cmp.Compare(x.rank, y.rank))
		})
		for i, id := range of {
			if id > 0 {
				of[i] = values[id-1].rank + 1
			}
		}
	}
	order := byTime(t)
	slices.SortStableFunc(order, func(a, b uint32) int {
		return slices.Compare(ids[int(a)*width:(int(a)+1)*width], ids[int(b)*width:(int(b)+1)*width])
	})
	return order
}

// tuple makes a row's numbers comparable. More look-up columns than it has
// places for count as their first.
func tuple(of []uint32) (out [8]uint32) {
	copy(out[:], of)
	return out
}

// number gives each value of the columns a number from 1 on; ids has those of
// each row, 0 for none.
func number(t *parquetfile.Table, paths []string) (values []value, ids []uint32) {
	ids = make([]uint32, t.N*len(paths))
	for k, path := range paths {
		c := column(t, path)
		if c == nil {
			continue
		}
		known := map[string]uint32{}
		for row := range t.N {
			if !c.Has(row) {
				continue
			}
			text := c.Bytes(row)
			id, ok := known[string(text)]
			if !ok {
				values = append(values, value{text: text, column: k})
				id = uint32(len(values))
				known[string(text)] = id
			}
			ids[row*len(paths)+k] = id
		}
	}
	return values, ids
}

func rank(values []value) {
	order := make([]uint32, len(values))
	for i := range order {
		order[i] = uint32(i)
	}
	slices.SortFunc(order, func(a, b uint32) int {
		x, y := values[a], values[b]
		return cmp.Or(cmp.Compare(x.column, y.column), bytes.Compare(x.text, y.text))
	})
	for i, v := range order {
		values[v].rank = uint32(i)
	}
}
