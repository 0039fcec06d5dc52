//go:build !linux

package daemon

// unmapProgram does nothing here: only Linux lists what is mapped, and how.
func unmapProgram() error { return nil }

// residentBytes is not known here.
func residentBytes() (int64, error) { return -1, nil }
