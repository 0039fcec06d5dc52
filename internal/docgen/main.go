// Command docgen writes the references that are taken from the code: run it
// from the repository's root.
package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

func main() {
	if err := generate("."); err != nil {
		fmt.Fprintln(os.Stderr, "docgen:", err)
		os.Exit(1)
	}
}

// generate writes every document below root.
func generate(root string) error {
	docs, err := documents()
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(docs)) {
		path := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { // documentation is for everyone
			return fmt.Errorf("make %s: %w", filepath.Dir(path), err)
		}
		if err := os.WriteFile(path, docs[name], 0o644); err != nil { // documentation is for everyone
			return fmt.Errorf("write %s: %w", path, err)
		}
	}
	return nil
}
