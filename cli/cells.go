package cli

import (
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// row is one row of a batch whose columns' types the caller knows.
type row struct {
	arrow.RecordBatch
	at int
}

func (r row) column(name string) arrow.Array {
	for i, f := range r.Schema().Fields() {
		if f.Name == name && !r.Column(i).IsNull(r.at) {
			return r.Column(i)
		}
	}
	return nil
}

func (r row) text(name string) string {
	if a, ok := r.column(name).(*array.String); ok {
		return a.Value(r.at)
	}
	return ""
}

func (r row) double(name string) float64 {
	if a, ok := r.column(name).(*array.Float64); ok {
		return a.Value(r.at)
	}
	return 0
}

func (r row) micros(name string) time.Time {
	if a, ok := r.column(name).(*array.Int64); ok {
		return time.UnixMicro(a.Value(r.at)).UTC()
	}
	return time.Time{}
}
