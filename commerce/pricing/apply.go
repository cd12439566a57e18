package pricing

import (
	"context"
	"database/sql/driver"
	"fmt"

	"crossdock/commerce/internal/upsert"
	"crossdock/internal/store"
	"crossdock/schemas"
)

// Apply writes the selected rows of a batch of price lists and prices in one
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

// judgeLists keeps a list that has prices as it is: in their currency, and there.
func judgeLists(e *schemas.Entity) func(*store.Conn) (upsert.Judge, error) {
	code, currency := upsert.Position(e, "list"), upsert.Position(e, "currency")
	return func(c *store.Conn) (upsert.Judge, error) {
		return func(ch *upsert.Change) (*upsert.Refusal, error) {
			switch ch.Kind {
			case upsert.Delete:
				used, err := c.Value(`SELECT sku FROM price WHERE list = ? LIMIT 1`, ch.Old[code])
				if err != nil || used == nil {
					return nil, err
				}
				return &upsert.Refusal{
					Field: "list", Rule: "referenced",
					Message: fmt.Sprintf("has prices, such as that of %s: delete those first, or make the list inactive", used),
				}, nil
			case upsert.Update:
				if ch.Old[currency] == ch.New[currency] {
					return nil, nil
				}
				used, err := c.Value(`SELECT sku FROM price WHERE list = ? LIMIT 1`, ch.Old[code])
				if err != nil || used == nil {
					return nil, err
				}
				return &upsert.Refusal{
					Field: "currency", Rule: "list_currency",
					Message: fmt.Sprintf("is not %s, in which the list has prices: a list keeps its currency", ch.Old[currency]),
				}, nil
			case upsert.Create:
			}
			return nil, nil
		}, nil
	}
}

// judgePrices holds a price to its list. Lists are read once a batch.
func judgePrices(e *schemas.Entity) func(*store.Conn) (upsert.Judge, error) {
	list, currency := upsert.Position(e, "list"), upsert.Position(e, "currency")
	return func(c *store.Conn) (upsert.Judge, error) {
		currencies := map[driver.Value]driver.Value{}
		return func(ch *upsert.Change) (*upsert.Refusal, error) {
			if ch.Kind == upsert.Delete {
				return nil, nil
			}
			code := ch.New[list]
			of, read := currencies[code]
			if !read {
				var err error
				if of, err = c.Value(`SELECT currency FROM price_list WHERE list = ?`, code); err != nil {
					return nil, err
				}
				currencies[code] = of
			}
			switch of {
			case ch.New[currency]:
				return nil, nil
			case nil:
				return &upsert.Refusal{
					Field: "list", Rule: "reference", Message: "is no price list: import that one first, or correct the code",
				}, nil
			}
			return &upsert.Refusal{
				Field: "currency", Rule: "list_currency", Message: fmt.Sprintf("is not %s, the currency of the list %s", of, code),
			}, nil
		}, nil
	}
}
