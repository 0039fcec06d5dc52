// Package parquetfile writes column vectors as Parquet files that an Iceberg
// table can name without reading them back: field ids, bounds, counts and a
// checksum come with the bytes.
//
// A Table is a tree of Columns that mirrors a tiers.Schema. Values are set by
// slot, in increasing order; a slot that was not set is null. The slots of a
// top-level column are the table's rows, and the members of a struct share the
// slots of the struct. A list has its own slots for its elements:
//
//	t := parquetfile.NewTable(schema)
//	name, tags := t.Column("name"), t.Column("tags")
//	for row := range rows {
//		name.SetString(row, "ada")
//		first := tags.BeginList(row)
//		tags.Elem().SetString(first, "admin")
//		tags.EndList(1)
//		t.N++
//	}
//	file, err := parquetfile.NewWriter().Write(t, nil, parquetfile.Options{Schema: schema})
//
// Pages are put together here from parquet-go's encoders and metadata, because
// its column writers would hash again what the vectors hold as a dictionary.
// Each column chunk takes the smallest of the encodings that every engine
// reads: dictionary, plain, and the three delta encodings; all with zstd.
package parquetfile
