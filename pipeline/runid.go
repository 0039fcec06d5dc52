package pipeline

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/lakeward/lakeward/pipeline/compile"
)

// RunKey names what a run computes: the pipeline, its specification and the
// window. Repeating it gives the same key.
func RunKey(pipeline, hash string, w compile.Range) string {
	return digest(pipeline, hash, stamp(w.Start), stamp(w.End))
}

// RunID is the key and the attempt, from 1.
func RunID(key string, attempt int) string { return fmt.Sprintf("%s-%d", key, attempt) }

func digest(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}
