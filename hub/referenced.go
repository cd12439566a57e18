package hub

import (
	"context"
	"fmt"
	"strings"

	"crossdock/hub/journal"
	"crossdock/pipelines"
	"crossdock/schemas"
)

// shownKeys bounds the keys that a message about rows of the target names.
const shownKeys = 5

// lookBack tells, behind a run, which rows of the target nothing points at that
// should. The run has done its work whatever comes of it.
func (x *execution) lookBack(ctx context.Context) {
	if x.options.DryRun {
		return
	}
	for i := range x.pipeline.Referenced {
		r := &x.pipeline.Referenced[i]
		message, err := x.unreferenced(ctx, r)
		if err != nil {
			message = fmt.Sprintf("which rows of %s have no %s is not known: %s", x.pipeline.Entity.Name, r.By.Name, err)
		}
		if message != "" {
			x.notices = append(x.notices, message)
			x.told = append(x.told, journal.Drift{Column: r.By.Name, Kind: "check", Message: message})
		}
	}
}

// unreferenced counts the rows of the target at which no row of another entity
// points, and names the first of them.
func (x *execution) unreferenced(ctx context.Context, r *pipelines.ReferencedBy) (string, error) {
	other, err := x.hub.target(r.By)
	if err != nil {
		return "", err
	}
	pointed := pipelines.NewSet(x.scratch)
	_, err = other.Rows(ctx, schemas.RowsRequest{Entity: r.By.Name, Columns: []string{r.Field}}, func(b *schemas.Batch) error {
		return eachText(b, r.Field, pointed.Add)
	})
	if err != nil {
		return "", err
	}
	entity := x.pipeline.Entity
	total, lacking := int64(0), int64(0)
	var first []string
	_, err = x.target.Rows(ctx, schemas.RowsRequest{Entity: entity.Name, Columns: []string{}, Where: r.Where}, func(b *schemas.Batch) error {
		return eachText(b, entity.Key()[0].Name, func(key string) error {
			total++
			has, err := pointed.Has(key)
			if has || err != nil {
				return err
			}
			if lacking++; lacking <= shownKeys {
				first = append(first, strings.Clone(key)) // the batch is not ours
			}
			return nil
		})
	})
	if err != nil || lacking == 0 {
		return "", err
	}
	if more := lacking - int64(len(first)); more > 0 {
		first = append(first, fmt.Sprintf("and %d more", more))
	}
	return fmt.Sprintf("%d of %d rows of %s have no %s: %s", lacking, total, entity.Name, r.By.Name, strings.Join(first, ", ")), nil
}

// eachText calls fn with the values of a column.
func eachText(b *schemas.Batch, column string, fn func(string) error) error {
	at := b.Index(column)
	for row := range int(b.Rows.NumRows()) {
		if text, ok := b.Text(at, row); ok {
			if err := fn(text); err != nil {
				return err
			}
		}
	}
	return nil
}
