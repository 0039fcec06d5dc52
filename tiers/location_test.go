package tiers

import "testing"

func TestLocations(t *testing.T) {
	for _, path := range []string{"/w/lake", "/with space", "/50%", "/a%20b", "/a#b", "/a?b=c", "/ü/日本", "/a+b", "/[x]*", "/a:b",
		`/back\slash`, "/'quote\""} {
		loc := Location(path)
		if got, err := LocalPath(loc); err != nil || got != path {
			t.Errorf("%s is %s, and that is %s, %v", path, loc, got, err)
		}
		if got, err := LocalPath(path); err != nil || got != path {
			t.Errorf("%s by itself is %s, %v", path, got, err)
		}
	}
	for loc, want := range map[string]string{
		"file:/spark/style": "/spark/style", "file://localhost/x": "/x", "file:///a b": "/a b", "file:///a#b?c": "/a#b?c",
		"/a/../b": "/b",
	} {
		if got, err := LocalPath(loc); err != nil || got != want {
			t.Errorf("%s is %q, %v; want %s", loc, got, err, want)
		}
	}
	for _, loc := range []string{"", "relative", "file:relative", "file://host/x", "s3://bucket/x", "file:///50%", "file://"} {
		if got, err := LocalPath(loc); err == nil {
			t.Errorf("%s is taken for %s", loc, got)
		}
	}
}
