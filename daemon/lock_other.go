//go:build !linux

package daemon

import "os"

// holdersOf names the processes that have a file locked: here the system does
// not say.
func holdersOf(*os.File) string { return "" }
