// Command notice writes down what the program has in it: NOTICE names each
// module with its licence, and THIRD-PARTY-LICENSES has the licences' texts. Run
// it from the repository's root.
package main

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
)

func main() {
	if err := write(context.Background(), "."); err != nil {
		fmt.Fprintln(os.Stderr, "notice:", err)
		os.Exit(1)
	}
}

func write(ctx context.Context, root string) error {
	files, err := documents(ctx, root)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := os.WriteFile(root+"/"+name, files[name], 0o644); err != nil { // it is for everyone
			return fmt.Errorf("write %s: %w", name, err)
		}
	}
	return nil
}

// documents are the files by their names.
func documents(ctx context.Context, root string) (map[string][]byte, error) {
	modules, err := bundled(ctx, root)
	if err != nil {
		return nil, err
	}
	var notice, texts bytes.Buffer
	writeNotice(&notice, modules)
	writeTexts(&texts, modules)
	return map[string][]byte{"NOTICE": notice.Bytes(), "THIRD-PARTY-LICENSES": texts.Bytes()}, nil
}
