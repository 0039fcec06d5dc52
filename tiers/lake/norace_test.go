//go:build !race

package lake_test

const stride = 1
