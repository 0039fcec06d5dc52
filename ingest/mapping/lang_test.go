package mapping

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// small is a mapping with the given lines for its one rule's set.
func small(t testing.TB, set string) *Mapping {
	t.Helper()
	m, ps := Parse("small.yaml", []byte(`name: small
vendor: V
product: P
paths:
  d.*: [a.*, "*"]
tables:
  kinds: {x: Logon, y: Logoff}
takes: {kind: "*"}
rules:
  - name: r
    when: {kind: "*"}
    class: authentication
    set:
      time: at
      user.uid: ["who", "=nobody"]
      service.name: =S
`+set))
	if len(ps) > 0 {
		t.Fatal(ps)
	}
	return m
}

func mapped(t testing.TB, m *Mapping, event string) map[string]any {
	t.Helper()
	table, row, ok := m.NewMapper().Map([]byte(event))
	if !ok || table != "authentication" {
		t.Fatalf("%s: table %q, %v", event, table, ok)
	}
	if wrong := m.Verify([]byte(event), row); len(wrong) > 0 {
		t.Errorf("%s:\n%s\n%s", event, row, strings.Join(wrong, "\n"))
	}
	var out map[string]any
	if err := decode(row, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestExpressions(t *testing.T) {
	for _, c := range []struct{ expression, event, want string }{
		{"v", `"v":"Ada"`, "Ada"},
		{"v", `"v":""`, "<nil>"},
		{"v", `"v":"-"`, "<nil>"},
		{"v", `"v":null`, "<nil>"},
		{"v", `"v":{"x":1}`, "<nil>"},
		{"v", `"v":12`, "12"},
		{"v", `"v":true`, "true"},
		{"v.w", `"v":{"w":"x"}`, "x"},
		{"v.w", `"v.w":"x"`, "x"},
		{"v.w", `"v":{"w":"x"},"v.w":"y"`, "x"},
		{"v", `"\u0076":"x"`, "x"},
		{"v[1]", `"v":["a","b"]`, "b"},
		{"v[2]", `"v":["a","b"]`, "<nil>"},
		{"v[k=b].n", `"v":[{"k":"a","n":"1"},{"n":"2","k":"b"}]`, "2"},
		{"d.v", `"a":{"v":"in"},"v":"out"`, "in"},
		{"d.v", `"v":"out"`, "out"},
		{"[no, v]", `"v":"x"`, "x"},
		{"v | lower", `"v":"ÄbC"`, "äbc"},
		{"v | trim", `"v":"  x "`, "x"},
		{`v | after "for " | before " from"`, `"v":"password for ada from there"`, "ada"},
		{`v | after "for "`, `"v":"nothing"`, "<nil>"},
		{`v | after_last \`, `"v":"a\\b\\c"`, "c"},
		{`v | before_last "|"`, `"v":"a|b|c"`, "a|b"},
		{"v | address", `"v":"[2001:db8::1]:443"`, "2001:db8::1"},
		{"v | address", `"v":"10.0.0.1:443"`, "10.0.0.1"},
		{"v | address", `"v":"::ffff:10.0.0.1"`, "10.0.0.1"},
		{"v | address", `"v":"fe80::1%eth0"`, "fe80::1"},
		{"v | address", `"v":"host"`, "<nil>"},
		{"v | port", `"v":"[::1]:443"`, "443"},
		{"v | port", `"v":"::1"`, "<nil>"},
		{"v | number", `"v":"0x1F4"`, "500"},
		{"v | number", `"v":"0x1g"`, "<nil>"},
		{"v | number", `"v":"007"`, "7"},
		{"v | person", `"v":" CORP\\Ada "`, "ada@corp"},
		{"v | person", `"v":"Ada@Example.com"`, "ada@example.com"},
		{"v | person", `"v":".\\ada"`, "ada"},
		{"v | person", `"v":"AzureAD\\Ada@example.com"`, "ada@example.com"},
		{"v | account", `"v":"CORP\\Ada"`, "ada@corp"},
		{"v | account", `"v":"ada@CORP.EXAMPLE"`, "ada@corp"},
		{"v | account", `"v":"corp.example\\DC01$"`, "dc01$@corp"},
		{"v | account", `"v":"ada"`, "ada"},
		{"v | account", `"v":"DC1$/CORP.EXAMPLE"`, "dc1$@corp"},
		{"v | account", `"v":"host/dc1.corp/CORP.EXAMPLE"`, "host/dc1.corp@corp"},
		{"v | account", `"v":"@.x"`, "@.x"},
		{"v | until ,", `"v":"a,b,c"`, "a"},
		{"v | until ,", `"v":"abc"`, "abc"},
		{"v | not abc", `"v":"abc"`, "<nil>"},
		{"v | not abc", `"v":"ab"`, "ab"},
		{"v | until ,", `"v":",abc"`, "<nil>"},
		{"v | hex", `"v":"6C73002D6c"`, "ls -l"},
		{"v | hex", `"v":"6C7"`, "6C7"},
		{"v | hex", `"v":"ls"`, "ls"},
		{"v | hex", `"v":"ff20"`, "ff20"},
		{"v | hex", `"v":"4142"`, "4142"},
		{`"{v | hex} {w? | after \"|\"} {no?} | trim"`, `"v":"6C202D6c","w":"a|b"`, "l -l b"},
		{`"{v}{w? | after x}"`, `"v":"a","w":"b"`, "a"},
		{`"{v | after x}"`, `"v":"a"`, "<nil>"},
		{"v | host", `"v":"\\\\DC1.Corp.Local."`, "dc1.corp.local"},
		{"v | file", `"v":"C:\\Windows\\a.exe"`, "a.exe"},
		{"v | folder", `"v":"/usr/bin/ls"`, "/usr/bin"},
		{`v | match "id=([0-9]+)"`, `"v":"x id=42;"`, "42"},
		{`v | like "^[a-z]+$"`, `"v":"abc"`, "abc"},
		{`v | like "^[a-z]+$"`, `"v":"ab1"`, "<nil>"},
		{"v | as x", `"v":"y"`, "x"},
		{"v | as x", ``, "<nil>"},
		{"v | word", `"v":"CreateUser"`, "Create"},
		{"v | word", `"v":"Set-Mailbox"`, "Set"},
		{"v | word", `"v":"IAMUser"`, "IAMUser"},
		{"v | word", `"v":"Ändern"`, "Ändern"},
		{"v | word", `"v":"2x"`, "<nil>"},
		{`v | unlike "^i-"`, `"v":"ada"`, "ada"},
		{`v | unlike "^i-"`, `"v":"i-01"`, "<nil>"},
		{"v | json a.b", `"v":"{ \"x\":[1], \"a\" : {\"b\":\"\\u0041\"} }"`, "A"},
		{"v | json a.c", `"v":"{\"a\":{\"b\":1}}"`, "<nil>"},
		{"v | json a", `"v":"{\"a\":null}"`, "<nil>"},
		{"v | json [1].n | lower", `"v":"[{\"n\":\"x\"} , {\"n\":\"Y\"}]"`, "y"},
		{"v | json a[k=b].n", `"v":"{\"a\":[{\"k\":\"a\"},{\"n\":2,\"k\":\"b\"}]}"`, "2"},
		{"v | json [2]", `"v":"[1,2]"`, "<nil>"},
		{"v | json a", `"v":"{\"a\":"`, "<nil>"},
		{"v | json a", `"v":"a"`, "<nil>"},
		{`"{v}@{w}"`, `"v":"a","w":"b"`, "a@b"},
		{`"{v}@{w}"`, `"v":"a"`, "<nil>"},
		{`"{v}/{w} | lower"`, `"v":"A","w":"B"`, "a/b"},
		{"=c", ``, "c"},
	} {
		m := small(t, "      status_detail: "+quoteIf(c.expression)+"\n")
		event := `{"kind":"x","at":1793500200`
		if c.event != "" {
			event += "," + c.event
		}
		if got := fmt.Sprint(mapped(t, m, event+"}")["status_detail"]); got != c.want {
			t.Errorf("%s of %s is %s, not %s", c.expression, c.event, got, c.want)
		}
	}
}

// quoteIf quotes what YAML would read otherwise.
func quoteIf(s string) string {
	if strings.HasPrefix(s, `"`) || strings.HasPrefix(s, "[no") {
		return s
	}
	return "'" + s + "'"
}

func TestValuesBecomeWhatOCSFSays(t *testing.T) {
	m := small(t, `      activity_id: kind | lookup kinds
      logon_type_id: t
      src_endpoint.port: port
      src_endpoint.ip: ip
      is_mfa: mfa
      user.groups[].name: groups
      session.is_remote: remote
      http_request.x_forwarded_for: via
`)
	for event, want := range map[string]map[string]any{
		`"kind":"y"`:                             {"activity_id": 2, "activity_name": "Logoff", "type_uid": 300202},
		`"kind":"z","t":"Network"`:               {"logon_type_id": 3, "logon_type": "Network"},
		`"kind":"x","t":"3"`:                     {"logon_type_id": 3, "logon_type": "Network"},
		`"kind":"x","t":"Teleport"`:              {"logon_type_id": 99, "logon_type": "Teleport"},
		`"kind":"x","mfa":"yes"`:                 {"is_mfa": true},
		`"kind":"x","mfa":"maybe"`:               {"is_mfa": nil},
		`"kind":"x","port":443`:                  {"src_endpoint": nil}, // it needs an address or a name as well
		`"kind":"x","remote":true`:               {"session": map[string]any{"is_remote": true}},
		`"kind":"x","via":"10.0.0.1"`:            {"http_request": map[string]any{"x_forwarded_for": []any{"10.0.0.1"}}},
		`"kind":"x","via":[1]`:                   {"http_request": nil},
		`"kind":"x","groups":["a",7]`:            {"user": map[string]any{"uid": "nobody", "groups": []any{map[string]any{"name": "a"}, map[string]any{"name": "7"}}}},
		`"kind":"x","ip":"1.2.3.4","port":"443"`: {"src_endpoint": map[string]any{"ip": "1.2.3.4", "port": 443}},
	} {
		row := mapped(t, m, `{"at":1,`+event+`}`)
		for name, v := range want {
			got, err := json.Marshal(row[name])
			if err != nil {
				t.Fatal(err)
			}
			expected, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != string(expected) {
				t.Errorf("%s: %s is %s, not %s", event, name, got, expected)
			}
		}
	}
}

// TestListsOfSeveralElements also checks what may be missing before and between.
func TestListsOfSeveralElements(t *testing.T) {
	m := small(t, `      device.name: =d
      device.groups[0].name: a
      device.groups[1].name: b
      device.groups[1].desc: desc
      device.groups[2].uid: c
      device.os.name: os
`)
	for event, want := range map[string]string{
		``:                             `null`,
		`,"a":"x"`:                     `[{"name":"x"}]`,
		`,"a":"x","b":"y","c":"z"`:     `[{"name":"x"},{"name":"y"},{"uid":"z"}]`,
		`,"b":"y","desc":"t","os":"o"`: `[{"desc":"t","name":"y"}]`,
		`,"a":"x","desc":"t","c":"z"`:  `[{"name":"x"},{"uid":"z"}]`,
		`,"a":"x","desc":"t","os":"o"`: `[{"name":"x"}]`,
		`,"c":"z"`:                     `[{"uid":"z"}]`,
	} {
		row := mapped(t, m, `{"kind":"x","at":1`+event+`}`)
		got, err := json.Marshal(row["device"].(map[string]any)["groups"])
		if err != nil || string(got) != want {
			t.Errorf("%s: %s, %v, not %s", event, got, err, want)
		}
	}
}

func TestAnElementIsFoundByIndexAndByMember(t *testing.T) {
	m := small(t, "      user.name: \"l[k=a].n\"\n      status_detail: \"l[0].m\"\n      status_code: \"l[0].n\"\n"+
		"      message: \"l[z=1].m\"\n")
	row := mapped(t, m, `{"kind":"x","at":1,"l":[{"m":"y","n":"z","k":"a"},{"z":1,"m":"q"}]}`)
	if got := fmt.Sprint(row["user"], row["status_detail"], row["status_code"], row["message"]); got != "map[name:z uid:nobody]yzq" {
		t.Error(got)
	}
}

func TestLastResortSavesAnObject(t *testing.T) {
	m := small(t, "      src_endpoint.ip: ip | address\n      src_endpoint.name: [host, \"?=unknown\"]\n"+
		"      src_endpoint.port: port\n")
	for event, want := range map[string]string{
		`"ip":"10.0.0.1"`:            `{"ip":"10.0.0.1"}`,
		`"ip":"10.0.0.1","host":"h"`: `{"ip":"10.0.0.1","name":"h"}`,
		`"ip":"none"`:                `{"name":"unknown"}`,
		`"port":7`:                   `{"name":"unknown","port":7}`,
	} {
		got, err := json.Marshal(mapped(t, m, `{"kind":"x","at":1,`+event+`}`)["src_endpoint"])
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != want {
			t.Errorf("%s: %s, not %s", event, got, want)
		}
	}
}

func TestSpellings(t *testing.T) {
	m, ps := Parse("s.yaml", []byte(`name: s
vendor: V
product: P
spellings: [lower, capital, column]
takes: {eventKind: "*"}
rules:
  - name: r
    when: {eventKind: X}
    class: authentication
    set: {time: eventTime, user.name: "theList[userType=User].userName", service.name: =S}
`))
	if len(ps) > 0 {
		t.Fatal(ps)
	}
	for _, event := range []string{
		`{"eventKind":"X","eventTime":1,"theList":[{},{"userType":"User","userName":"ada"}]}`,
		`{"EventKind":"X","EventTime":1,"TheList":[{},{"userType":"User","userName":"ada"}]}`,
		`{"eventkind":"X","eventtime":1,"thelist":[{},{"usertype":"User","username":"ada"}]}`,
		`{"eventkind":"X","eventtime":1,"thelist":[{},{"userType":"User","userName":"ada"}]}`,
	} {
		if got := mapped(t, m, event)["user"]; fmt.Sprint(got) != "map[name:ada]" {
			t.Errorf("%s: %v", event, got)
		}
	}
	_, ps = Parse("s.yaml", []byte("name: s\nvendor: V\nproduct: P\nspellings: [upper]\ntakes: {k: v}\nrules: []\n"))
	if want := `"upper" is no spelling of keys`; !strings.Contains(ps.Error(), want) {
		t.Errorf("says %v, not %s", ps, want)
	}
}

func TestFunctionsAllocateNothing(t *testing.T) {
	m := small(t, "      status_detail: v | unlike \"^[0-9]+$\" | json a.b | lower\n")
	x, event := m.NewMapper(), []byte(`{"kind":"x","at":1,"v":"{\"a\":{\"b\":\"Q\\\"\"}}"}`)
	if n := testing.AllocsPerRun(100, func() { x.Map(event) }); n != 0 {
		t.Errorf("%v allocations an event", n)
	}
}

func TestPatterns(t *testing.T) {
	for _, c := range []struct {
		patterns string
		value    string // JSON; empty: there is none
		want     bool
	}{
		{"a", `"a"`, true}, {"a", `"A"`, false}, {"a", ``, false}, {"'4'", `4`, true},
		{"[a, b]", `"b"`, true}, {"a*", `"abc"`, true}, {"'*c'", `"abc"`, true}, {"'*b*'", `"abc"`, true},
		{"a*c", `"ac"`, true}, {"a*a", `"a"`, false}, {"'!a'", `"b"`, true}, {"'!a'", `"a"`, false}, {"'!a'", ``, true},
		{"'!a*'", `"ab"`, false}, {"['a*', '!ab']", `"ab"`, false}, {"['a*', '!ab']", `"ac"`, true},
		{"'*'", `"x"`, true}, {"'*'", `{"y":1}`, true}, {"'*'", ``, false}, {"'*'", `""`, false},
		{"'!*'", ``, true}, {"'!*'", `"x"`, false}, {"[a, '!*']", ``, true}, {"[a, '!*']", `"a"`, true},
		{"[a, '!*']", `"b"`, false},
	} {
		m, ps := Parse("p.yaml", []byte("name: p\nvendor: V\nproduct: P\ntakes: {kind: '*'}\nrules: [{name: r, class: "+
			"authentication, when: {v: "+c.patterns+"}, set: {time: at, user.name: =u, service.name: =s}}]\n"))
		if len(ps) > 0 {
			t.Fatal(ps)
		}
		event := `{"kind":1,"at":1}`
		if c.value != "" {
			event = `{"kind":1,"at":1,"v":` + c.value + `}`
		}
		if _, _, ok := m.NewMapper().Map([]byte(event)); ok != c.want {
			t.Errorf("%s with %s: %v, not %v", c.patterns, c.value, ok, c.want)
		}
	}
}

func TestWhatIsTakenLeavesTheRawEvent(t *testing.T) {
	m := small(t, "      user.name: u.name\n      user.full_name: u.full\n      status_detail: list[0].a\n"+
		"      status_code: list[1]\n")
	for event, want := range map[string]string{
		`{"kind":"k","at":1,"u":{"name":"n"}}`:                             `{"kind":"k","at":1}`,
		`{"u":{"name":"n","full":"f"},"kind":"k","at":1}`:                  `{"kind":"k","at":1}`,
		`{"kind":"k" , "u" : { "name" : "n" , "x" : {} } ,"at":1}`:         `{"kind":"k" , "u" : { "x" : {} } ,"at":1}`,
		`{"kind":"k","u":{"x":1,"full":"f"},"at":1}`:                       `{"kind":"k","u":{"x":1},"at":1}`,
		`{"kind":"k","at":1,"list":[{"a":"1"},"c"]}`:                       `{"kind":"k","at":1,"list":[null,null]}`,
		`{"kind":"k","at":1,"list":[{"a":"1","b":2},"c",3]}`:               `{"kind":"k","at":1,"list":[{"b":2},null,3]}`,
		`{"kind":"k","at":1,"u":{"na\u006de":"n"},"q\"":{"u":{"name":1}}}`: `{"kind":"k","at":1,"q\"":{"u":{"name":1}}}`,
		`{"who":"w","kind":"k","at":1}`:                                    `{"kind":"k","at":1}`,
		`{"kind":"k","at":1,"who":"w"}`:                                    `{"kind":"k","at":1}`,
	} {
		row := mapped(t, m, event)
		_, text, _ := m.NewMapper().Map([]byte(event))
		var raw struct{ Unmapped json.RawMessage }
		if err := json.Unmarshal(text, &raw); err != nil {
			t.Fatal(err)
		}
		if string(raw.Unmapped) != want {
			t.Errorf("of %s is left %s, not %s\n%v", event, raw.Unmapped, want, row)
		}
	}
}

func TestMistakesAreNamedWithTheirPlace(t *testing.T) {
	rule := func(set string) string {
		return "name: p\nvendor: V\nproduct: P\ntakes: {kind: '*'}\nrules:\n  - name: r\n    when: {k: v}\n    class: authentication\n    set:\n      service.name: =s\n      user.name: u\n      time: t\n      " + set + "\n"
	}
	for text, want := range map[string]string{
		rule("user.nam: x"):                `p.yaml:13:7: rule "r": OCSF 1.8.0 has no attribute nam in authentication.user`,
		rule("status_id: =Sucess"):         `p.yaml:13:18: "Sucess" is no value of this enumeration: use one of Failure, Other, Success, Unknown`,
		rule("message: x | uper"):          `p.yaml:13:16: unknown function "uper": use one of account, address, after, after_last`,
		rule("status_id: x | as Failed"):   `p.yaml:13:18: "Failed" is no value of this enumeration`,
		rule("message: x | before"):        `p.yaml:13:16: before needs an argument: before "text"`,
		rule("message: x | lower a"):       `p.yaml:13:16: lower takes no argument`,
		rule("message: x | lookup t"):      `p.yaml:13:16: the mapping has no table "t"`,
		rule("message: x[a]"):              `p.yaml:13:16: the path "x[a]": [a] is neither an index up to 999 nor [member=text]`,
		rule("message: 'a..b'"):            `p.yaml:13:16: the path "a..b" has an empty key`,
		rule("user.groups.name: x"):        `p.yaml:13:7: rule "r": authentication.user.groups is a list: name its element, groups[0]`,
		rule("src_endpoint: x"):            `p.yaml:13:7: src_endpoint is an object: set its attributes`,
		rule("device.hw_info.cpu_type: x"): `rule "r" sets device, which needs one of ip, uid, name`,
		rule("message: '{a | uper}'"):      `p.yaml:13:16: unknown function "uper"`,
		rule("message: '{a'"):              `"{a" has a { without its }`,
		"name: p\nvendor: V\nproduct: P\ntakes: {k: v}\nrules: [{name: r, when: {k: v}, class: autentication}]\n":                `p.yaml:5:40: OCSF 1.8.0 has no class "autentication": did you mean ` + "`authentication`?" + ``,
		"name: p\nvendor: V\nproduct: P\ntakes: {k: v}\nrules: [{name: r, when: {k: v}, class: dns_activity, set: {time: t}}]\n": `needs one of`,
	} {
		_, ps := Parse("p.yaml", []byte(text))
		if !strings.Contains(ps.Error(), want) {
			t.Errorf("%s\nsays %v, not %s", text, ps, want)
		}
	}
}

func FuzzMap(f *testing.F) {
	f.Add([]byte(`{"kind":"k","at":1,"u":{"name":"n","x":[]},"list":[{"a":"1"},"c"],"v":"a\\u0041"}`))
	f.Add([]byte(`{"kind":"k","list":[{"k":"b","n":null}],"u.name":"x","a":{"v":{}}}`))
	f.Add([]byte(`{"kind":"k","at":1,"v":"{\"a\":[{\"k\":\"b\",\"c\":[1,\"x\"]}]}"}`))
	m := small(f, "      user.name: [u.name, d.v]\n      status_detail: list[0].a\n      status_code: \"list[k=b].n\"\n"+
		"      message: v | lower | before_last x\n      metadata.uid: \"v | json a[k=b].c[1]\"\n      is_mfa: mfa\n      src_endpoint.ip: v | address\n")
	x := m.NewMapper()
	f.Fuzz(func(t *testing.T, event []byte) {
		_, row, ok := x.Map(event)
		if !ok || !json.Valid(event) || strings.Contains(string(event), `\`) || repeats(event) {
			return
		}
		for _, wrong := range m.Verify(event, row) {
			t.Errorf("%s\n%s\n%s", event, row, wrong)
		}
	})
}

// repeats tells whether an object of an event has a key twice, or keys with
// dots: of these Verify keeps one.
func repeats(event []byte) bool {
	var keys []map[string]bool // of the objects that are open; nil: a list
	value := false             // a key came last
	for d := json.NewDecoder(bytes.NewReader(event)); ; {
		token, err := d.Token()
		if err != nil {
			return false
		}
		in := len(keys) > 0 && keys[len(keys)-1] != nil
		switch v := token.(type) {
		case json.Delim:
			switch v {
			case '{':
				keys = append(keys, map[string]bool{})
			case '[':
				keys = append(keys, nil)
			default:
				keys = keys[:len(keys)-1]
			}
			value = false
			continue
		case string:
			if in && !value {
				if keys[len(keys)-1][v] || strings.Contains(v, ".") {
					return true
				}
				keys[len(keys)-1][v], value = true, true
				continue
			}
		}
		value = false
	}
}
