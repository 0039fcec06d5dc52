package query

import "testing"

func TestVerb(t *testing.T) {
	for sql, want := range map[string]string{
		"": "", "SELECT 1": "SELECT", " \n\tshow tables": "SHOW", "(SELECT 1)": "", "-- a": "", "--": "", "/* a": "",
		"-- EXPLAIN\nSELECT 1": "SELECT", "/* a */explain SELECT": "EXPLAIN", "/* a /* b */ c */ -- d\r\n/**/FROM x": "FROM",
		"/*/ a */ SELECT": "SELECT", "/": "", "explain_it": "EXPLAIN_IT", "ÄSELECT": "",
	} {
		if got := Verb(sql); got != want {
			t.Errorf("%q begins with %q", sql, got)
		}
	}
	if got := WithoutVerb("/* a */ EXPLAIN\nSELECT 1"); got != "/* a */        \nSELECT 1" {
		t.Errorf("%q", got)
	}
}
