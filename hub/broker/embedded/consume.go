package embedded

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"time"

	"crossdock/hub/broker"
	"crossdock/internal/store"
)

// settleAfter is how long what a consumer has done waits for more before it is
// written down. It comes again where the process ends first.
const settleAfter = 50 * time.Millisecond

// pause is how long a consumer waits after the file could not be read or written.
const pause = time.Second

// Consume implements [broker.Broker].
func (b *Broker) Consume(ctx context.Context, consumer broker.Consumer, handle func(context.Context, broker.Message) error) error {
	c, err := consumer.Checked()
	if err != nil {
		return err
	}
	s := &session{b: b, Consumer: c, queue: broker.QueueOf(c.Name), handle: handle, wake: make(chan struct{}, 1)}
	b.enter(s.queue, s.wake)
	defer b.leave(s.queue, s.wake)
	for ctx.Err() == nil {
		wait, err := s.step(ctx)
		if err != nil && ctx.Err() == nil {
			b.Log.WarnContext(ctx, "consumer of messages waits", "consumer", c.Name, "error", err)
			wait = pause
		}
		if wait > 0 {
			s.sleep(ctx, wait)
		}
	}
	return nil
}

func (b *Broker) enter(queue string, wake chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.consumers[queue] == nil {
		b.consumers[queue] = map[chan struct{}]bool{}
	}
	b.consumers[queue][wake] = true
}

func (b *Broker) leave(queue string, wake chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.consumers[queue], wake)
}

// wake tells the consumers of a queue of this process to look.
func (b *Broker) wake(queue string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for c := range b.consumers[queue] {
		select {
		case c <- struct{}{}:
		default: // it is told already
		}
	}
}

// A session is one call of Consume.
type session struct {
	broker.Consumer
	b      *Broker
	queue  string
	handle func(context.Context, broker.Message) error
	wake   chan struct{}

	unmade bool // Made is to be called
	tried  bool // the queue was declared
}

// step takes messages in hand and settles them. It returns how long to wait
// until there may be more, 0 where there may be more now.
func (s *session) step(ctx context.Context) (wait time.Duration, err error) {
	if err := s.prepare(ctx); err != nil {
		return 0, err
	}
	if wait, err := s.look(ctx); wait > 0 || err != nil {
		return wait, err
	}
	list, err := s.claim(ctx)
	if err != nil {
		return 0, err
	}
	if len(list) == s.Prefetch {
		s.b.wake(s.queue) // there may be more than one consumer can hold
	}
	return 0, s.work(ctx, list)
}

// prepare sees to the queue at the beginning, and when it was lost.
func (s *session) prepare(ctx context.Context) error {
	if !s.tried {
		made, err := s.b.declare(ctx, s.Consumer)
		if err != nil {
			return err
		}
		s.tried, s.unmade = true, s.unmade || made
	}
	if s.unmade && s.Made != nil {
		if err := s.Made(ctx); err != nil {
			return fmt.Errorf("what was published before its queue was made: %w", err)
		}
	}
	s.unmade = false
	return nil
}

// look reports how long to wait for the next message, without writing.
func (s *session) look(ctx context.Context) (time.Duration, error) {
	if err := s.b.freeOrphans(ctx, s.queue); err != nil {
		return 0, err
	}
	type state struct {
		there, ready bool
		due          int64
	}
	now := s.b.Clock().UnixMicro()
	st, _, err := store.First(ctx, s.b.db.Read(), func(rows *sql.Rows) (st state, err error) {
		return st, rows.Scan(&st.there, &st.ready, &st.due)
	}, `SELECT EXISTS (SELECT 1 FROM queue WHERE name = ?1),
		EXISTS (SELECT 1 FROM message WHERE queue = ?1 AND due = 0 AND owner = ''),
		coalesce((SELECT min(due) FROM message WHERE queue = ?1 AND due > 0), 0)`, s.queue)
	switch {
	case err != nil:
		return 0, err
	case !st.there:
		s.b.Log.WarnContext(ctx, "a queue was lost, and is made again", "queue", s.queue)
		s.tried = false
		return 0, s.prepare(ctx)
	case st.ready || st.due > 0 && st.due <= now:
		return 0, nil
	case st.due > 0:
		return min(s.b.Poll, time.Duration(st.due-now)*time.Microsecond), nil
	}
	return s.b.Poll, nil
}

func (s *session) sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-s.wake:
	case <-timer.C:
	}
}

// A delivery is a message in hand, and what became of it.
type delivery struct {
	id int64
	broker.Message
	outcome outcome
	code    string
	reason  string
}

type outcome int

const (
	untouched outcome = iota // nobody has tried it: it is free again
	done
	retry
	dead
)

// claim takes the messages that are ready in hand, as many as are wanted.
func (s *session) claim(ctx context.Context) (list []*delivery, err error) {
	err = s.b.db.Bulk(ctx, func(c *store.Conn) error {
		list = nil
		if err := c.Run(`UPDATE message SET due = 0 WHERE queue = ? AND due > 0 AND due <= ?`, s.queue, s.b.Clock().UnixMicro()); err != nil {
			return err
		}
		find, err := c.Prepare(`
			SELECT id, message_id, type, key, content_type, time, headers, body, failures FROM message
			WHERE queue = ? AND due = 0 AND owner = '' ORDER BY id LIMIT ?`)
		if err != nil {
			return err
		}
		args := store.Args(2)
		args[0].Value, args[1].Value = s.queue, int64(s.Prefetch)
		size := 0
		if err := find.Query(args, func(row []driver.Value) error {
			d, err := scanDelivery(row)
			if size += len(d.Body); err == nil && (size <= maxInHand || len(list) == 0) {
				list = append(list, d)
			}
			return err
		}); err != nil {
			return err
		}
		for _, d := range list {
			if err := c.Run(`UPDATE message SET owner = ? WHERE id = ?`, s.b.owner.name, d.id); err != nil {
				return err
			}
		}
		return nil
	})
	return list, err
}

// maxInHand bounds the memory of what a consumer has in hand.
const maxInHand = 32 << 20

func scanDelivery(row []driver.Value) (*delivery, error) {
	text := func(i int) string { s, _ := row[i].(string); return s }
	number := func(i int) int64 { n, _ := row[i].(int64); return n }
	body, _ := row[7].([]byte)
	d := &delivery{id: number(0), Message: broker.Message{
		ID: text(1), Type: text(2), Key: text(3), ContentType: text(4), Time: time.UnixMicro(number(5)).UTC(),
		Body: append([]byte(nil), body...), Attempt: int(number(8)) + 1,
	}}
	if err := json.Unmarshal([]byte(text(6)), &d.Headers); err != nil {
		return d, fmt.Errorf("message %s: its headers: %w", d.ID, err)
	}
	return d, nil
}

// work handles the messages and settles them.
func (s *session) work(ctx context.Context, list []*delivery) error {
	begun := s.b.Clock()
	settled := 0
	for i, d := range list {
		if ctx.Err() != nil {
			break
		}
		s.try(ctx, d)
		if s.b.Clock().Sub(begun) < settleAfter {
			continue
		}
		if err := s.settle(ctx, list[settled:i+1]); err != nil {
			return err
		}
		settled, begun = i+1, s.b.Clock()
	}
	// Those that were not reached are let go of.
	return s.settle(ctx, list[settled:])
}

func (s *session) try(ctx context.Context, d *delivery) {
	err := broker.Call(ctx, s.handle, d.Message)
	switch {
	case err == nil:
		d.outcome = done
		return
	case ctx.Err() != nil:
		return // asked to stop, it has tried nothing
	}
	var final bool
	d.code, d.reason, final = broker.FailureOf(err)
	d.outcome = retry
	if final || d.Attempt >= s.Attempts {
		d.outcome = dead
		s.b.Log.WarnContext(ctx, "a message goes to the error queue", "consumer", s.Name, "message", d.ID, "type", d.Type, "attempt", d.Attempt, "error", err)
	}
}

// settle writes down what became of messages, until that has succeeded or ctx
// ends: it would be forgotten else, and they would stay in hand.
func (s *session) settle(ctx context.Context, list []*delivery) error {
	for len(list) > 0 {
		// What was done was done, though ctx may have ended meanwhile.
		err := s.settleAll(context.WithoutCancel(ctx), list)
		if err == nil || ctx.Err() != nil {
			return err
		}
		s.b.Log.WarnContext(ctx, "what a consumer has done cannot be written down yet", "consumer", s.Name, "error", err)
		s.sleep(ctx, pause)
	}
	return nil
}

func (s *session) settleAll(ctx context.Context, list []*delivery) error {
	return s.b.db.Tx(ctx, func(tx *sql.Tx) error {
		left := 0
		for _, d := range list {
			gone, err := s.settleOne(ctx, tx, d)
			if err != nil {
				return err
			}
			left += gone
		}
		_, err := tx.ExecContext(ctx, `UPDATE queue SET messages = messages - ? WHERE name = ?`, left, s.queue)
		return err
	})
}

// settleOne returns 1 where the message has left the queue.
func (s *session) settleOne(ctx context.Context, tx *sql.Tx, d *delivery) (left int, err error) {
	exec := func(statement string, args ...any) (int, error) {
		result, err := tx.ExecContext(ctx, statement+` WHERE id = ? AND owner = ?`, append(args, d.id, s.b.owner.name)...)
		if err != nil {
			return 0, err
		}
		n, err := result.RowsAffected()
		return int(n), err
	}
	switch d.outcome {
	case done:
		return exec(`DELETE FROM message`)
	case retry:
		due := s.b.Clock().Add(broker.DelayAfter(s.b.Delays, d.Attempt)).UnixMicro()
		_, err = exec(`UPDATE message SET owner = '', failures = ?, due = ?, error_code = ?, error = ?`, d.Attempt, due, d.code, d.reason)
		return 0, err
	case dead:
		left, err = exec(`UPDATE message SET owner = '', failures = ?, queue = ?, origin = ?, error_code = ?, error = ?`,
			d.Attempt, broker.DeadQueue, s.queue, d.code, d.reason)
		if err != nil {
			return 0, err
		}
		_, err = tx.ExecContext(ctx, `UPDATE queue SET messages = messages + ? WHERE name = ?`, left, broker.DeadQueue)
		return left, err
	default:
		_, err = exec(`UPDATE message SET owner = ''`)
		return 0, err
	}
}

// letGo makes what an owner had in hand everyone's.
func (b *Broker) letGo(ctx context.Context, owner string) error {
	return b.db.Tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE message SET owner = '' WHERE owner = ?`, owner)
		return err
	})
}

// freeOrphans makes what processes had in hand that have ended everyone's.
func (b *Broker) freeOrphans(ctx context.Context, queue string) error {
	owners, err := store.Collect(ctx, b.db.Read(), func(rows *sql.Rows) (name string, err error) { return name, rows.Scan(&name) },
		`SELECT DISTINCT owner FROM message WHERE owner <> '' AND owner <> ? AND queue = ?`, b.owner.name, queue)
	if err != nil {
		return err
	}
	for _, name := range owners {
		gone, err := b.owner.isGone(name)
		if err != nil {
			return err
		}
		if !gone {
			continue
		}
		if err := b.letGo(ctx, name); err != nil {
			return err
		}
	}
	return nil
}
