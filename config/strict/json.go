package strict

import (
	"encoding/json"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// JSON is any value, kept as JSON text with its keys in the order of the file.
func JSON() Type[string] {
	return Type[string]{
		doc:    Doc{Type: "any value"},
		schema: func() Schema { return Schema{} },
		decode: func(d *Decoder, n *yaml.Node, out *string) {
			var b strings.Builder
			d.writeJSON(&b, n)
			*out = b.String()
		},
		encode: func(v *string) *yaml.Node { return defaultNode(*v) },
	}
}

func (d *Decoder) writeJSON(b *strings.Builder, n *yaml.Node) {
	n = resolve(n)
	switch n.Kind {
	case yaml.MappingNode:
		first := true
		b.WriteByte('{')
		d.pairs(n, func(k, v *yaml.Node) {
			if !first {
				b.WriteByte(',')
			}
			first = false
			writeString(b, k.Value)
			b.WriteByte(':')
			d.writeJSON(b, v)
		})
		b.WriteByte('}')
	case yaml.SequenceNode:
		b.WriteByte('[')
		for i, c := range n.Content {
			if i > 0 {
				b.WriteByte(',')
			}
			d.writeJSON(b, c)
		}
		b.WriteByte(']')
	default:
		d.writeScalar(b, n)
	}
}

func (d *Decoder) writeScalar(b *strings.Builder, n *yaml.Node) {
	switch n.ShortTag() {
	case "!!null":
		b.WriteString("null")
	case "!!bool":
		b.WriteString(strconv.FormatBool(strings.EqualFold(n.Value, "true")))
	case "!!int", "!!float":
		if !json.Valid([]byte(n.Value)) {
			d.wrong(n, "`"+n.Value+"` is not a number in JSON", "write decimal digits, or put it in quotes")
			b.WriteString("null")
			return
		}
		b.WriteString(n.Value)
	default:
		writeString(b, n.Value)
	}
}

func writeString(b *strings.Builder, s string) {
	var line strings.Builder
	enc := json.NewEncoder(&line)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil { // a string always encodes
		b.WriteString(`""`)
		return
	}
	b.WriteString(strings.TrimSuffix(line.String(), "\n"))
}
