// Lakeward is a security data lake in one binary.
package main

import (
	"os"

	"github.com/lakeward/lakeward/cli"
	"github.com/lakeward/lakeward/query/worker"
)

func main() {
	worker.Divert()
	os.Exit(cli.Main(os.Args[1:], cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}, os.Environ()))
}
