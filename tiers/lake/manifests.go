package lake

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"github.com/apache/iceberg-go"

	"github.com/lakeward/lakeward/tiers"
)

// CheckManifests reads the manifests of every table's newest snapshot from
// their files, also those that are known: what was read before a file was
// damaged serves queries until the process ends, and would hide the damage from
// whoever verifies. The error wraps a *tiers.MetadataError if one is damaged.
func (l *Lake) CheckManifests(ctx context.Context) error {
	names, err := l.Tables(ctx)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := l.checkManifestsOf(ctx, name); err != nil && !errors.Is(err, tiers.ErrNoTable) {
			return fmt.Errorf("lake.%s: %w", name, err)
		}
	}
	return nil
}

func (l *Lake) checkManifestsOf(ctx context.Context, name string) error {
	t, err := l.open(ctx, name)
	if err != nil {
		return err
	}
	v, s, err := t.find(ctx, 0)
	if err != nil {
		return err
	}
	ms, err := l.manifests(s)
	if err != nil {
		return err
	}
	for _, m := range ms {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := l.checkManifest(m, v.boundIDs()); err != nil {
			return err
		}
	}
	return nil
}

var errDiffers = errors.New("it is not what was read of it before")

func (l *Lake) checkManifest(m iceberg.ManifestFile, ids boundIDs) error {
	path, err := tiers.LocalPath(m.FilePath())
	if err != nil {
		return err
	}
	_, reason, err := l.trust.stat(path, m.Length())
	if err != nil {
		return broken("manifest", m.FilePath(), err, err)
	}
	if reason != "" {
		return broken("manifest", m.FilePath(), nil, errors.New("it "+reason))
	}
	files, err := l.readManifest(m, ids)
	if err != nil {
		return err
	}
	if known, ok := l.cache.get(manifestKey{m.FilePath(), ids}); ok && !reflect.DeepEqual(known, files) {
		return broken("manifest", m.FilePath(), nil, errDiffers)
	}
	return nil
}
