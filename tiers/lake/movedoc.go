package lake

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
)

// metadataDoc is a table's metadata file as a document, so that a change keeps
// what this version knows nothing of.
type metadataDoc map[string]any

// document reads metadata and moves every location in it but those of manifest
// lists, which are to be rewritten. at is where it is now.
func (r *relocation) document(b []byte, at string) (metadataDoc, error) {
	doc := metadataDoc{}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if err := d.Decode(&doc); err != nil {
		return nil, err
	}
	move := func(in map[string]any, key string) {
		if s, ok := in[key].(string); ok {
			in[key] = r.location(s)
		}
	}
	move(doc, "location")
	for _, list := range [][2]string{{"metadata-log", "metadata-file"}, {"statistics", "statistics-path"},
		{"partition-statistics", "statistics-path"}} {
		for _, e := range doc.objects(list[0]) {
			move(e, list[1])
		}
	}
	if props, ok := doc["properties"].(map[string]any); ok {
		for key := range props {
			if strings.HasPrefix(key, "write.") && strings.HasSuffix(key, "path") {
				move(props, key)
			}
		}
	}
	log, _ := doc["metadata-log"].([]any)
	doc["metadata-log"] = append(log, map[string]any{"metadata-file": at, "timestamp-ms": doc["last-updated-ms"]})
	return doc, nil
}

// objects are the objects in a list.
func (d metadataDoc) objects(key string) []map[string]any {
	list, _ := d[key].([]any)
	var out []map[string]any
	for _, e := range list {
		if o, ok := e.(map[string]any); ok {
			out = append(out, o)
		}
	}
	return out
}

// snapshots are the snapshots, each of which must have a manifest list.
func (d metadataDoc) snapshots() ([]map[string]any, error) {
	all := d.objects("snapshots")
	for _, s := range all {
		if _, ok := s["manifest-list"].(string); !ok {
			return nil, errors.New("a snapshot has no manifest list: it is of Iceberg's first format, which the lake does " +
				"not write")
		}
	}
	return all, nil
}

func (d metadataDoc) encode() ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	err := e.Encode(d)
	return out.Bytes(), err
}
