package ingest_test

import (
	"bytes"
	"compress/gzip"
	"testing"

	natsjs "github.com/nats-io/nats.go/jetstream"
	"github.com/parquet-go/parquet-go"

	"github.com/lakeward/lakeward/ingest"
)

// TestMessagesOfOtherFormatsAreRows: what is not JSON, and what is compressed,
// is taken apart into rows, and what cannot be is in quarantine as it came.
func TestMessagesOfOtherFormatsAreRows(t *testing.T) {
	r := newRig(t)
	r.run()
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, err := w.Write([]byte("{\"n\":1}\n{\"n\":2}\n"))
	r.must(err)
	r.must(w.Close())
	var columns bytes.Buffer
	r.must(parquet.Write(&columns, []struct{ N int64 }{{3}, {4}}))
	messages := [][]byte{
		[]byte("<38>Nov  3 07:42:01 bastion sshd[2211]: Failed password for invalid user admin from 203.0.113.9 port " +
			"52144 ssh2\n<13>x"),
		packed.Bytes(), packed.Bytes()[:packed.Len()-6],
		[]byte("CEF:0|a|b|1|2|n|3|src=1.2.3.4"), []byte("<999>no"), columns.Bytes(), columns.Bytes()[:columns.Len()-9],
	}
	for _, m := range messages {
		_, err := r.js.Publish(t.Context(), "events.mixed", m, natsjs.WithRetryAttempts(10))
		r.must(err)
	}
	r.committed(uint64(len(messages)))
	rows := map[string]int64{}
	for _, table := range r.verify().Tables {
		rows[table.Name] = table.Rows
	}
	if rows["mixed"] != 7 || rows[ingest.Quarantine] != 3 {
		t.Errorf("rows %v, want 7 and 3 in quarantine", rows)
	}
	groups, err := ingest.Books{Lake: r.lake}.Groups(t.Context(), ingest.RejectedFilter{Reason: "Parquet"})
	r.must(err)
	one, err := ingest.Books{Lake: r.lake}.Show(t.Context(), groups[0].Example)
	if err != nil || one.Index != -1 || !bytes.Equal(one.Bytes, messages[len(messages)-1]) {
		t.Errorf("%v: %v", one, err)
	}
}
