package accounts

import (
	"context"
	"database/sql/driver"
	"fmt"

	"crossdock/commerce/internal/upsert"
	"crossdock/internal/store"
	"crossdock/schemas"
)

// Apply writes the selected rows of a batch of accounts and addresses in one
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

// judgeAccounts keeps an account that has addresses.
func judgeAccounts(e *schemas.Entity) func(*store.Conn) (upsert.Judge, error) {
	code := upsert.Position(e, "account")
	return func(c *store.Conn) (upsert.Judge, error) {
		return func(ch *upsert.Change) (*upsert.Refusal, error) {
			if ch.Kind != upsert.Delete {
				return nil, nil
			}
			used, err := c.Value(`SELECT address FROM address WHERE account = ? LIMIT 1`, ch.Old[code])
			if err != nil || used == nil {
				return nil, err
			}
			return &upsert.Refusal{
				Field: "account", Rule: "referenced",
				Message: fmt.Sprintf("has addresses, such as %s: delete those first, or make the account inactive", used),
			}, nil
		}, nil
	}
}

// judgeAddresses holds an address to its account. Accounts are looked up once
// a batch.
func judgeAddresses(e *schemas.Entity) func(*store.Conn) (upsert.Judge, error) {
	account := upsert.Position(e, "account")
	return func(c *store.Conn) (upsert.Judge, error) {
		known := map[driver.Value]bool{}
		return func(ch *upsert.Change) (*upsert.Refusal, error) {
			if ch.Kind == upsert.Delete {
				return nil, nil
			}
			code := ch.New[account]
			is, read := known[code]
			if !read {
				found, err := c.Value(`SELECT 1 FROM account WHERE account = ?`, code)
				if err != nil {
					return nil, err
				}
				is = found != nil
				known[code] = is
			}
			if is {
				return nil, nil
			}
			return &upsert.Refusal{
				Field: "account", Rule: "reference", Message: "is no account: import that one first, or correct the code",
			}, nil
		}, nil
	}
}
