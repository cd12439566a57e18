package upsert

import (
	"crossdock/internal/store"
	"crossdock/schemas"
)

// inTurn refuses what is written in a turn that is over: the latest one that
// wrote here is remembered (table turn).
func inTurn(c *store.Conn, t schemas.Turn) error {
	if t.Number == 0 {
		return nil
	}
	value, err := c.Value(`SELECT number FROM turn WHERE pipeline = ?`, t.Of)
	if err != nil {
		return err
	}
	latest, _ := value.(int64)
	switch {
	case t.Number < latest:
		return schemas.ErrOvertaken
	case t.Number == latest:
		return nil
	}
	return c.Run(`INSERT INTO turn (pipeline, number) VALUES (?, ?) ON CONFLICT (pipeline) DO UPDATE SET number = excluded.number`, t.Of, t.Number)
}
