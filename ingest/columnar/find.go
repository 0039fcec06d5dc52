package columnar

import "bytes"

// find returns where the value at a path stands in a valid JSON object; a key
// may hold dots itself. Null is nothing. fold: case does not matter.
func find(buf []byte, path []string, fold bool) span {
	s := scanner{buf: buf}
	if s.space() != '{' {
		return span{}
	}
	s.p++
	for {
		if s.space() != '"' {
			return span{}
		}
		name, _, _, ok := s.str()
		if !ok {
			return span{}
		}
		used := matches(name, path, fold)
		s.colon()
		c := s.space()
		v, _ := s.skip()
		switch {
		case used == len(path) && c != 'n':
			return v
		case used > 0 && used < len(path) && c == '{':
			if in := find(buf[v.from:v.to], path[used:], fold); in.to > 0 {
				return span{v.from + in.from, v.from + in.to}
			}
		}
		if s.space() != ',' {
			return span{}
		}
		s.p++
	}
}

// matches is the number of a path's parts that a key spells, 0 if none.
func matches(name []byte, path []string, fold bool) int {
	for i, part := range path {
		if len(name) < len(part) {
			return 0
		}
		head := name[:len(part)]
		if string(head) != part && (!fold || !bytes.EqualFold(head, []byte(part))) {
			return 0
		}
		name = name[len(part):]
		if len(name) == 0 {
			return i + 1
		}
		if name[0] != '.' {
			return 0
		}
		name = name[1:]
	}
	return 0
}
