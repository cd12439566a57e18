package catalog

import (
	"context"
	"database/sql/driver"
	"fmt"

	"crossdock/commerce/internal/upsert"
	"crossdock/internal/store"
	"crossdock/schemas"
)

// Apply writes the selected rows of a batch of products or categories in one
// transaction, and says what became of each. The same batch applied again changes
// nothing and returns the first outcome.
func (s *Service) Apply(ctx context.Context, id schemas.BatchID, b *schemas.Batch) (schemas.Outcome, error) {
	outcome, err := s.engine.Apply(ctx, id, b)
	if err == nil && outcome.Applied > 0 {
		s.wakeUp()
	}
	return outcome, err
}

// wakeUp has the indexes brought up to date.
func (s *Service) wakeUp() {
	select {
	case s.wake <- struct{}{}:
	default: // it will look anyway
	}
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
	answer, err := s.engine.Revert(ctx, id, r)
	if err == nil && answer.Applied > 0 {
		s.wakeUp()
	}
	return answer, err
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
// where none has. Of products, gtin, category and brand are indexed; any other
// field costs reading all of them.
func (s *Service) Holders(ctx context.Context, entity, field string, values []string) ([]string, error) {
	if entity == "product" {
		switch field {
		case "gtin", "category", "brand":
			return s.holdersByFacet(ctx, field, values)
		}
	}
	return s.engine.Holders(ctx, entity, field, values)
}

// maxDepth bounds the tree of categories, so that a walk up it always ends.
const maxDepth = 100

// judgeCategories keeps the categories a tree.
func judgeCategories(e *schemas.Entity) func(*store.Conn) (upsert.Judge, error) {
	code, parent := upsert.Position(e, "category"), upsert.Position(e, "parent")
	return func(c *store.Conn) (upsert.Judge, error) {
		return func(ch *upsert.Change) (*upsert.Refusal, error) {
			if ch.Kind == upsert.Delete {
				return judgeDelete(c, ch.Old[code])
			}
			if ch.New[parent] == nil || ch.Old != nil && ch.Old[parent] == ch.New[parent] {
				return nil, nil
			}
			return judgeParent(c, ch.New[code], ch.New[parent])
		}, nil
	}
}

func judgeDelete(c *store.Conn, code driver.Value) (*upsert.Refusal, error) {
	below, err := c.Value(`SELECT category FROM category WHERE parent = ? LIMIT 1`, code)
	if err != nil || below == nil {
		return nil, err
	}
	return &upsert.Refusal{
		Field: "category", Rule: "referenced", Later: true,
		Message: fmt.Sprintf("has categories below it, such as %s: delete or move those first", below),
	}, nil
}

// judgeParent walks up from the new parent: the category itself must not be there.
func judgeParent(c *store.Conn, code, parent driver.Value) (*upsert.Refusal, error) {
	at := parent
	for depth := 0; at != nil; depth++ {
		if at == code {
			return &upsert.Refusal{Field: "parent", Rule: "cycle", Message: "would place the category below itself"}, nil
		}
		if depth == maxDepth {
			return &upsert.Refusal{Field: "parent", Rule: "depth", Message: fmt.Sprintf("would place the category more than %d levels deep", maxDepth)}, nil
		}
		above, err := c.Value(`SELECT coalesce(parent, '') FROM category WHERE category = ?`, at)
		if err != nil {
			return nil, err
		}
		if above == nil {
			return &upsert.Refusal{
				Field: "parent", Rule: "reference", Later: true,
				Message: "is no category: import that one first, or correct the code",
			}, nil
		}
		if at = above; at == "" {
			at = nil
		}
	}
	return nil, nil
}
