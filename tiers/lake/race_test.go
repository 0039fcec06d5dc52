//go:build race

package lake_test

// stride: under the race detector SQLite is many times slower, so the fault
// tests fail one operation in seven; test/run.sh has them all without it.
const stride = 7
