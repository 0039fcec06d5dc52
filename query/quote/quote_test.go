package quote

import "testing"

func TestQuotesAreDoubled(t *testing.T) {
	for in, want := range map[string][2]string{
		"":         {`""`, `''`},
		"a b":      {`"a b"`, `'a b'`},
		`a"b`:      {`"a""b"`, `'a"b'`},
		"o'hara":   {`"o'hara"`, `'o''hara'`},
		`\' OR 1`:  {`"\' OR 1"`, `'\'' OR 1'`},
		"a\n-- b;": {"\"a\n-- b;\"", "'a\n-- b;'"},
	} {
		if got := [2]string{Ident(in), Text(in)}; got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
