package strict

// Row is one key of a reference table.
type Row struct {
	Path  []string // "[]" stands for the items of a list, "NAME" for free keys
	Field FieldDoc
}

// Rows lists the keys of fields, and of the mappings below them, in order.
func Rows(fields []FieldDoc) []Row {
	var out []Row
	for _, f := range fields {
		out = addRow(out, nil, f)
	}
	return out
}

func addRow(out []Row, prefix []string, f FieldDoc) []Row {
	path := append(prefix[:len(prefix):len(prefix)], f.Key)
	out = append(out, Row{path, f})
	t := f.Type
	for t.Elem != nil {
		if t.Keyed {
			path = append(path[:len(path):len(path)], "NAME")
		} else {
			path = append(path[:len(path):len(path)], "[]")
		}
		t = *t.Elem
	}
	for _, c := range t.Fields {
		out = addRow(out, path, c)
	}
	return out
}
