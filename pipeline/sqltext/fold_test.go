package sqltext

import (
	"testing"

	"github.com/lakeward/lakeward/query/duckdb"
	"github.com/lakeward/lakeward/query/querytest"
)

func TestOnePersonHasOneNameAndAPlaceholderIsNobody(t *testing.T) {
	for in, want := range map[string]string{
		"ada": "ada", "ADA": "ada", " Ada\t": "ada", "\u00a0Ada@X.example \r\n": "ada@x.example", `CORP\Ada`: `corp\ada`,
		"ÄRGER": "ärger", "na": "na",
		"": "(null)", "  ": "(null)", "-": "(null)", "N/A": "(null)", "Null": "(null)", " unknown ": "(null)",
		"ANONYMOUS LOGON": "(null)",
		"[Unset]":         "(null)", "<redacted>": "(null)", "''": "(null)", "not_available": "(null)", "NaN": "(null)",
		"??": "(null)", "_": "(null)", "\u200b": "(null)",
		`NT AUTHORITY\ANONYMOUS LOGON`: "(null)", "0": "0", "root": "root", "nobody": "nobody", "nilsson": "nilsson",
		"un.known": "un.known", "null.null": "null.null",
		"\ufeffAda\x0b": "ada", "GROSS": "gross", "Groß": "gross", "GROẞ": "gross", "Ju\u0308rgen": "jürgen",
		"JÜRGEN":   "jürgen",
		"ΟΔΥΣΣΕΥΣ": "οδυσσευσ", "Οδυσσεύς": "οδυσσεύσ", "İpek": "ipek", "i\u0307pek": "ipek",
	} {
		if got := rows(t, "SELECT "+Fold("user", Str(in)))[0]; got != want {
			t.Errorf("%q is %q, want %q", in, got, want)
		}
		if got := rows(t, "SELECT "+FoldBy("k", Str(in))+" FROM (SELECT 'user' AS k)")[0]; got != want {
			t.Errorf("%q by its type is %q, want %q", in, got, want)
		}
	}
}

func TestOneAddressHasOneSpelling(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", " 192.0.2.1 ": "192.0.2.1", "192.0.2.1:51234": "192.0.2.1",
		"2001:DB8::1": "2001:db8::1", "2001:0db8:0000:0000:0000:0000:0000:0001": "2001:db8::1",
		"2001:db8:0:0:0::1": "2001:db8::1",
		"[2001:db8::1]:443": "2001:db8::1", "[2001:db8::1]": "2001:db8::1", "fe80::1%eth0": "fe80::1",
		"[fe80::1%25eth0]:80": "fe80::1",
		"::ffff:192.0.2.1":    "192.0.2.1", "::FFFF:C000:0201": "192.0.2.1", "0:0:0:0:0:ffff:192.0.2.1": "192.0.2.1",
		"[::ffff:192.0.2.1]:443": "192.0.2.1",
		"::":                     "(null)", "0:0:0:0:0:0:0:0": "(null)", "0.0.0.0": "(null)", "192.000.002.001": "192.0.2.1",
		"10.0.0.10": "10.0.0.10", "010.0.0.0": "10.0.0.0", "::1": "::1", "1::": "1::", "1:0:0:2:0:0:0:3": "1:0:0:2::3",
		"1:0:0:2:3:0:0:4": "1::2:3:0:0:4", "1:2:3:4:5:6:0:8": "1:2:3:4:5:6:0:8",
		"64:ff9b::192.0.2.33": "64:ff9b::c000:221",
		"host:443":            "host:443", "1:2": "1:2", "a::b::c": "a::b::c", "12345::1": "12345::1", "": "(null)",
		"-": "(null)", "N/A": "(null)",
	} {
		if got := rows(t, "SELECT "+Fold("ip", Str(in)))[0]; got != want {
			t.Errorf("%q is %q, want %q", in, got, want)
		}
	}
}

func TestAValueThatIsNotSaidIsNone(t *testing.T) {
	for in, want := range map[string]string{
		"curl": "curl", "Curl ": "Curl ", "": "(null)", "-": "(null)", "(unknown)": "(null)", "N/A": "(null)", "None": "None",
		"anonymous": "anonymous",
	} {
		if got := rows(t, "SELECT coalesce("+Said("ua")+", '(null)') FROM (SELECT "+Str(in)+" AS ua)")[0]; got != want {
			t.Errorf("%q is %q, want %q", in, got, want)
		}
	}
}

func TestEvidenceHasNumbersAsPeopleWriteThem(t *testing.T) {
	for in, want := range map[string]string{
		"12.0::DOUBLE": "12", "-3.0::DOUBLE": "-3", "12.5::DOUBLE": "12.5", "0.0::FLOAT": "0", "1e300::DOUBLE": "1e300",
		"100.05::DOUBLE": "100.05", "7::BIGINT": "7", "'1.0'": `"1.0"`, "NULL::DOUBLE": "null", "'nan'::DOUBLE": "null",
		"'inf'::DOUBLE": "null", "true": "true", "['a', 'b']": `["a","b"]`, "json_object('n', 1)": `{"n":1}`,
	} {
		if got := rows(t, "SELECT json_object('x', "+Evidence(in)+")::VARCHAR")[0]; got != `{"x":`+want+"}" {
			t.Errorf("%s is %s, want %s", in, got, want)
		}
	}
}

// rows returns a query's rows as text, columns joined by a bar.
func rows(t *testing.T, sql string) []string {
	t.Helper()
	conn, err := duckdb.Scratch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}()
	return querytest.Rows(t, conn, sql)
}
