package main

import (
	"bytes"
	"os"
	"slices"
	"testing"
)

func TestTheNoticeIsOfWhatIsBundled(t *testing.T) {
	files, err := documents(t.Context(), "../..")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		got, err := os.ReadFile("../../" + name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not of the modules of go.mod: run `go run ./internal/notice`", name)
		}
	}
}

func TestLicencesAreToldApart(t *testing.T) {
	for text, want := range map[string][]string{
		"Apache License\n  Version 2.0, January 2004":                                                          {"Apache-2.0"},
		"Permission is hereby granted, free of charge, to any person obtaining a copy\nof this software":       {"MIT"},
		"Redistribution and use in source and binary forms, with or without modification":                      {"BSD-2-Clause"},
		"Redistribution and use in source and binary forms ... may not be used to endorse or promote products": {"BSD-3-Clause"},
		"Mozilla Public License Version 2.0":                                                                   {"MPL-2.0"},
		"Permission is hereby granted, free of charge, to any person obtaining a copy ... under the Apache License, " +
			"Version 2.0 (the \"License\");": {"Apache-2.0", "MIT"},
		"All rights reserved.": nil,
	} {
		if got := identify(text); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
