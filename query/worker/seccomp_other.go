//go:build !linux || !(amd64 || arm64)

package worker

import "errors"

func refuseCalls() error { return errors.New("no seccomp on this system") }
