package main

import (
	"fmt"
	"io"
	"strings"
)

const intro = `Lakeward
Copyright The Lakeward authors

Licensed under the Apache License, Version 2.0; see the file LICENSE.

The program has the modules below in it. Their licences' texts are in the file
THIRD-PARTY-LICENSES. Both files are written by "go run ./internal/notice".

`

// native is what the modules' own files do not say.
const native = `
The file ingest/mapping/ocsf/1.8.0.json.gz is taken from the Open Cybersecurity
Schema Framework 1.8.0 (Apache-2.0, https://github.com/ocsf/ocsf-schema), cut
down to types, requirements and enumerations.

The library of github.com/duckdb/duckdb-go-bindings is DuckDB (MIT), which has
parts of others in it under permissive licences of their own; they are in
https://github.com/duckdb/duckdb/tree/main/third_party.
`

func writeNotice(w io.Writer, modules []module) {
	fmt.Fprint(w, intro)
	for _, m := range modules {
		fmt.Fprintf(w, "  %s %s: %s\n", m.path, m.version, strings.Join(m.licences, ", "))
	}
	fmt.Fprint(w, native)
	for _, m := range modules {
		for _, text := range m.notices {
			fmt.Fprintf(w, "\n%s\n%s says:\n\n%s\n", rule, m.path, text)
		}
	}
}

const rule = "------------------------------------------------------------------------------"

// writeTexts writes each text once, with all modules that have it.
func writeTexts(w io.Writer, modules []module) {
	var order []string
	of := map[string][]string{}
	for _, m := range modules {
		for _, text := range m.texts {
			if of[text] == nil {
				order = append(order, text)
			}
			of[text] = append(of[text], m.path+" "+m.version)
		}
	}
	fmt.Fprint(w, "The licences of what the program has in it, as NOTICE lists it.\n")
	for _, text := range order {
		fmt.Fprintf(w, "\n%s\n%s\n\n%s\n", rule, strings.Join(of[text], "\n"), text)
	}
}
