package analytics

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/lakeward/lakeward/query/quote"
	"github.com/lakeward/lakeward/tiers"
)

// unite brings a table of findings that was made when the sink's columns stood
// beside the findings' own to have one of each. The engine does not commit
// changes of rows and of columns together: it takes two transactions, between
// which the table is good as well.
func unite(ctx context.Context, c tiers.Statements, name string) error {
	if !strings.EqualFold(name, tiers.FindingsTable) {
		return nil
	}
	held, err := describe(ctx, c, name)
	if errors.Is(err, tiers.ErrNoTable) {
		return nil
	}
	if err != nil {
		return err
	}
	var fill, change []string
	pipeline, run := tiers.Owner(name)
	for _, pair := range [][2]string{{tiers.ColPipeline, pipeline}, {tiers.ColRunID, run}} {
		old, own := quote.Ident(pair[0]), quote.Ident(pair[1])
		switch {
		case find(held.columns, pair[0]) < 0:
		case find(held.columns, pair[1]) < 0:
			change = append(change, " RENAME COLUMN "+old+" TO "+own)
		default:
			fill = append(fill, " SET "+own+" = "+old+" WHERE "+own+" IS NULL")
			change = append(change, " DROP COLUMN "+old)
		}
	}
	for i, list := range [][]string{fill, change} {
		if len(list) == 0 {
			continue
		}
		err := transact(ctx, c, func() error {
			for _, what := range list {
				if _, err := c.Exec(ctx, []string{"UPDATE ", "ALTER TABLE "}[i]+qualified(held.name)+what); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("take the columns %s and %s out of the findings: %w", tiers.ColPipeline, tiers.ColRunID, err)
		}
	}
	return nil
}
