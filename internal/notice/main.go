// Command notice writes down what the program has in it: NOTICE names each
// module with its licence, and THIRD-PARTY-LICENSES has the licences' texts. Run
// it from the repository's root.
package main

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"slices"
)

func main() {
	if err := write("."); err != nil {
		fmt.Fprintln(os.Stderr, "notice:", err)
		os.Exit(1)
	}
}

func write(root string) error {
	files, err := documents(root)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := os.WriteFile(root+"/"+name, files[name], 0o644); err != nil { //nolint:gosec // it is for everyone
			return fmt.Errorf("write %s: %w", name, err)
		}
	}
	return nil
}

// documents are the files by their names.
func documents(root string) (map[string][]byte, error) {
	modules, err := bundled(root)
	if err != nil {
		return nil, err
	}
	var notice, texts bytes.Buffer
	writeNotice(&notice, modules)
	writeTexts(&texts, modules)
	return map[string][]byte{"NOTICE": notice.Bytes(), "THIRD-PARTY-LICENSES": texts.Bytes()}, nil
}
