// Lakeward is a security data lake in one binary.
package main

import (
	"os"

	"github.com/lakeward/lakeward/daemon"
)

func main() {
	os.Exit(daemon.Main(os.Args[1:], daemon.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}, os.Environ()))
}
