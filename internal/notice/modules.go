package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// module is one that is linked into the program.
type module struct {
	path, version string
	licences      []string // by their SPDX identifiers
	texts         []string // of its licence files
	notices       []string // of its NOTICE files
}

// bundled are the modules of the program as it is released, on Linux.
func bundled(ctx context.Context, root string) ([]module, error) {
	cmd := exec.CommandContext(ctx, "go", "list", "-deps", "-f",
		"{{with .Module}}{{if not .Main}}{{.Path}}\t{{.Version}}\t{{.Dir}}{{end}}{{end}}", ".")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=1")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("list the modules: %w: %s", err, stderr.String())
	}
	lines := strings.Fields(strings.ReplaceAll(string(out), "\t", "|"))
	slices.Sort(lines)
	var all []module
	for _, line := range slices.Compact(lines) {
		parts := strings.SplitN(line, "|", 3)
		m := module{path: parts[0], version: parts[1]}
		if err := m.read(parts[2]); err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	return all, nil
}

// read reads the licences of a module from its directory.
func (m *module) read(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("look for the licence of %s: %w", m.path, err)
	}
	for _, e := range entries {
		name := strings.ToUpper(e.Name())
		licence := strings.HasPrefix(name, "LICENSE") || strings.HasPrefix(name, "LICENCE") ||
			strings.HasPrefix(name, "COPYING")
		if e.IsDir() || !licence && !strings.HasPrefix(name, "NOTICE") {
			continue
		}
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return fmt.Errorf("read the licence of %s: %w", m.path, err)
		}
		text := string(bytes.TrimSpace(bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))))
		if !licence {
			m.notices = append(m.notices, text)
			continue
		}
		m.texts = append(m.texts, text)
		for _, id := range identify(text) {
			if !slices.Contains(m.licences, id) {
				m.licences = append(m.licences, id)
			}
		}
	}
	if len(m.licences) == 0 {
		return fmt.Errorf("the licence of %s %s is not known here: read %s, and teach internal/notice", m.path, m.version,
			dir)
	}
	slices.Sort(m.licences)
	return nil
}

// identify names the licences that a text has.
func identify(text string) []string {
	words := strings.Join(strings.Fields(text), " ")
	has := func(s string) bool { return strings.Contains(words, s) }
	var out []string
	for id, found := range map[string]bool{
		"Apache-2.0": has("Apache License") && (has("Version 2.0") || has("2.0")),
		"MPL-2.0":    has("Mozilla Public License") && has("2.0"),
		"MIT":        has("Permission is hereby granted, free of charge, to any person obtaining a copy"),
		"ISC":        has("Permission to use, copy, modify, and/or distribute this software for any purpose"),
		"Unlicense":  has("This is free and unencumbered software released into the public domain"),
		"blessing":   has("The author disclaims copyright to this source code"), // SQLite's
	} {
		if found {
			out = append(out, id)
		}
	}
	if has("Redistribution and use in source and binary forms") {
		if has("endorse or promote products") {
			out = append(out, "BSD-3-Clause")
		} else {
			out = append(out, "BSD-2-Clause")
		}
	}
	slices.Sort(out)
	return out
}
