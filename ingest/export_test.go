package ingest

import "context"

// Hold keeps the source still until release is called.
func (s *Source) Hold(ctx context.Context, why string) (release func(), err error) {
	return s.hold(ctx, why)
}
