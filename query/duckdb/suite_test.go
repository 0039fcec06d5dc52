package duckdb

import (
	"testing"

	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/query/querytest"
)

func TestSuite(t *testing.T) {
	querytest.TestEngine(t, func(t *testing.T) query.Engine { return openEngine(t, Options{}) })
}
