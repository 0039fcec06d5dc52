//go:build !linux

package daemon

// unmapProgram does nothing here: only Linux lists what is mapped, and how.
func unmapProgram() error { return nil }
