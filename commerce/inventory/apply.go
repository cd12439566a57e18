package inventory

import (
	"context"
	"database/sql/driver"
	"fmt"
	"time"

	"crossdock/commerce/internal/upsert"
	"crossdock/internal/store"
	"crossdock/schemas"
)

// Apply writes the selected rows of a batch of warehouses and stock levels in one
// transaction, and says what became of each. The same batch applied again changes
// nothing and returns the first outcome.
func (s *Service) Apply(ctx context.Context, id schemas.BatchID, b *schemas.Batch) (schemas.Outcome, error) {
	return s.engine.Apply(ctx, id, b)
}

// Plan says what Apply would do, and writes nothing.
func (s *Service) Plan(ctx context.Context, b *schemas.Batch) (schemas.Outcome, error) {
	return s.engine.Plan(ctx, b)
}

// Diff says what Plan says, and what every row would change.
func (s *Service) Diff(ctx context.Context, b *schemas.Batch) (schemas.Outcome, []schemas.Difference, error) {
	return s.engine.Diff(ctx, b)
}

// Revert puts back some of the rows that a run has changed, where nothing has
// changed them since, and says where to go on.
func (s *Service) Revert(ctx context.Context, id schemas.BatchID, r schemas.RevertRequest) (schemas.Reverted, error) {
	return s.engine.Revert(ctx, id, r)
}

// Rows calls fn with the rows of an entity as batches, all of one moment, and
// returns the sequence to ask after for what changes later.
func (s *Service) Rows(ctx context.Context, r schemas.RowsRequest, fn func(*schemas.Batch) error) (int64, error) {
	return s.engine.Rows(ctx, r, fn)
}

// Known reports for each key whether a row of the entity has it.
func (s *Service) Known(ctx context.Context, entity string, keys []string) ([]bool, error) {
	return s.engine.Known(ctx, entity, keys)
}

// Holders returns for each value the key of a row that has it in the field, ""
// where none has.
func (s *Service) Holders(ctx context.Context, entity, field string, values []string) ([]string, error) {
	return s.engine.Holders(ctx, entity, field, values)
}

// judgeWarehouses keeps a warehouse that has stock.
func judgeWarehouses(e *schemas.Entity) func(*store.Conn) (upsert.Judge, error) {
	code := upsert.Position(e, "warehouse")
	return func(c *store.Conn) (upsert.Judge, error) {
		return func(ch *upsert.Change) (*upsert.Refusal, error) {
			if ch.Kind != upsert.Delete {
				return nil, nil
			}
			used, err := c.Value(`SELECT sku FROM stock_level WHERE warehouse = ? LIMIT 1`, ch.Old[code])
			if err != nil || used == nil {
				return nil, err
			}
			return &upsert.Refusal{
				Field: "warehouse", Rule: "referenced",
				Message: fmt.Sprintf("has stock levels, such as that of %s: delete those first, or make the warehouse inactive", used),
			}, nil
		}, nil
	}
}

// judgeLevels holds a stock level to its warehouse, and refuses a figure that
// is older than the one there: sources overtake each other. Warehouses are
// looked up once a batch.
func judgeLevels(e *schemas.Entity) func(*store.Conn) (upsert.Judge, error) {
	warehouse, asOf := upsert.Position(e, "warehouse"), upsert.Position(e, "as_of")
	return func(c *store.Conn) (upsert.Judge, error) {
		known := map[driver.Value]bool{}
		return func(ch *upsert.Change) (*upsert.Refusal, error) {
			if ch.Kind == upsert.Delete {
				return nil, nil
			}
			code := ch.New[warehouse]
			is, read := known[code]
			if !read {
				found, err := c.Value(`SELECT 1 FROM warehouse WHERE warehouse = ?`, code)
				if err != nil {
					return nil, err
				}
				is = found != nil
				known[code] = is
			}
			if !is {
				return &upsert.Refusal{
					Field: "warehouse", Rule: "reference", Message: "is no warehouse: import that one first, or correct the code",
				}, nil
			}
			return judgeAge(ch, asOf), nil
		}, nil
	}
}

func judgeAge(ch *upsert.Change, asOf int) *upsert.Refusal {
	if ch.Kind != upsert.Update || ch.Reverts {
		return nil
	}
	stored, dated := ch.Old[asOf].(int64)
	sent, datedToo := ch.New[asOf].(int64)
	if !dated || !datedToo || sent >= stored {
		return nil
	}
	return &upsert.Refusal{
		Field: "as_of", Rule: "out_of_date",
		Message: fmt.Sprintf("is older than %s, for which the quantity is known already", time.UnixMicro(stored).UTC().Format(time.RFC3339Nano)),
	}
}
