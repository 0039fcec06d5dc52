package tiers

import (
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
)

// Location is how the metadata of the lake names the file at an absolute path: a
// file:// URL, with the characters that mean something in a URL percent-encoded.
func Location(path string) string {
	return (&url.URL{Scheme: "file", Path: filepath.ToSlash(path)}).String()
}

// LocalDir is the path of a directory as a person may name it: of a file: URL, or
// a path, which may be relative to where the process works.
func LocalDir(name string) (string, error) {
	if strings.HasPrefix(name, "file:") {
		return LocalPath(name)
	}
	return filepath.Abs(name)
}

// LocalPath is the path of a location: of a file: URL, or an absolute path, which
// is taken as it is. Other writers leave # and ? in a URL, which then stand for
// themselves: a file has neither a query nor a fragment.
func LocalPath(loc string) (string, error) {
	rest, isURL := strings.CutPrefix(loc, "file:")
	if !isURL {
		if !strings.HasPrefix(loc, "/") {
			return "", fmt.Errorf("location %q is not a local file", loc)
		}
		return filepath.Clean(loc), nil
	}
	if host, is := strings.CutPrefix(rest, "//"); is {
		if rest = strings.TrimPrefix(host, "localhost"); !strings.HasPrefix(rest, "/") {
			return "", fmt.Errorf("location %q is of another machine", loc)
		}
	}
	path, err := url.PathUnescape(rest)
	if err != nil {
		return "", fmt.Errorf("location %q: %w", loc, err)
	}
	if !strings.HasPrefix(path, "/") {
		return "", fmt.Errorf("location %q is not a whole path", loc)
	}
	return filepath.Clean(filepath.FromSlash(path)), nil
}
