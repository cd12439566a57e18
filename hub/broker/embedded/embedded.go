// Package embedded is the broker of an installation on one machine: its queues
// are tables of a SQLite file in the data folder. Processes that share the
// folder share the queues.
package embedded

import (
	"context"
	"crypto/rand"
	"database/sql"
	"database/sql/driver"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"crossdock/hub/broker"
	"crossdock/internal/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Config is what a Broker is made of.
type Config struct {
	Dir    string          // the data folder, which gets a file broker.db and a folder locks
	Delays []time.Duration // as those of [broker.Delays], which stand in for none
	Limit  int             // messages of a queue; 0: broker.MaxQueue
	// Poll is how often a consumer looks for what other processes have published
	// or left behind (1 s). What this process publishes it hears of at once.
	Poll  time.Duration
	Clock func() time.Time
	Log   *slog.Logger
}

// A Broker keeps its queues in a file.
type Broker struct {
	Config
	db    *store.DB
	owner *owner

	mu        sync.Mutex
	consumers map[string]map[chan struct{}]bool // by queue, each with its call to wake up
}

var _ broker.Broker = (*Broker)(nil)

// Open opens or creates the queues in the data folder.
func Open(ctx context.Context, cfg Config) (_ *Broker, err error) {
	if len(cfg.Delays) == 0 {
		cfg.Delays = broker.Delays()
	}
	if cfg.Limit == 0 {
		cfg.Limit = broker.MaxQueue
	}
	if cfg.Poll == 0 {
		cfg.Poll = time.Second
	}
	b := &Broker{Config: cfg, consumers: map[string]map[chan struct{}]bool{}}
	if b.db, err = store.Open(ctx, filepath.Join(cfg.Dir, "broker.db"), migrations); err != nil {
		return nil, err
	}
	if b.owner, err = newOwner(filepath.Join(cfg.Dir, "locks"), "broker-"+rand.Text()); err != nil {
		return nil, errors.Join(err, b.db.Close())
	}
	if err := b.declareOwn(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("database %s: %w", b.db.Path(), err), b.Close())
	}
	return b, nil
}

// Close closes the file. What is still in hand is everyone's again.
func (b *Broker) Close() error {
	err := b.letGo(context.Background(), b.owner.name)
	return errors.Join(err, b.owner.close(), b.db.Close())
}

// declareOwn makes the queues that every broker has.
func (b *Broker) declareOwn(ctx context.Context) error {
	return b.db.Tx(ctx, func(tx *sql.Tx) error {
		for _, name := range []string{broker.DeadQueue, broker.UnroutableQueue, broker.ErrorsQueue} {
			if _, err := makeQueue(ctx, tx, name); err != nil {
				return err
			}
		}
		return bind(ctx, tx, broker.ErrorsQueue, broker.Errors, "#")
	})
}

// Declare implements [broker.Broker].
func (b *Broker) Declare(ctx context.Context, consumers ...broker.Consumer) (made []string, err error) {
	for _, c := range consumers {
		if c, err = c.Checked(); err != nil {
			return made, err
		}
		isNew, err := b.declare(ctx, c)
		if err != nil {
			return made, err
		}
		if isNew {
			made = append(made, c.Name)
		}
	}
	return made, nil
}

// declare makes the queue of a consumer. Keys that the consumer no longer has
// bring nothing more.
func (b *Broker) declare(ctx context.Context, c broker.Consumer) (made bool, err error) {
	queue := broker.QueueOf(c.Name)
	err = b.db.Tx(ctx, func(tx *sql.Tx) error {
		if made, err = makeQueue(ctx, tx, queue); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM binding WHERE queue = ?`, queue); err != nil {
			return err
		}
		for _, key := range c.Keys {
			if err := bind(ctx, tx, queue, c.Exchange, key); err != nil {
				return err
			}
		}
		return nil
	})
	return made, err
}

func makeQueue(ctx context.Context, tx *sql.Tx, name string) (made bool, err error) {
	result, err := tx.ExecContext(ctx, `INSERT INTO queue (name) VALUES (?) ON CONFLICT DO NOTHING`, name)
	if err != nil {
		return false, err
	}
	n, err := result.RowsAffected()
	return n > 0, err
}

func bind(ctx context.Context, tx *sql.Tx, queue string, exchange broker.Exchange, pattern string) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO binding (queue, exchange, pattern) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`, queue, exchange, pattern)
	return err
}

// Publish implements [broker.Broker].
func (b *Broker) Publish(ctx context.Context, exchange broker.Exchange, messages ...broker.Message) error {
	for i := range messages {
		if err := messages[i].Check(); err != nil {
			return err
		}
	}
	var into map[string]int
	err := b.db.Bulk(ctx, func(c *store.Conn) error {
		p, err := newPublication(c, exchange)
		if err != nil {
			return err
		}
		for i := range messages {
			if err := p.add(&messages[i]); err != nil {
				return err
			}
		}
		into = p.into
		return p.count(b.Limit)
	})
	if err != nil {
		return fmt.Errorf("publish on %s: %w", exchange, err)
	}
	for queue := range into {
		b.wake(queue)
	}
	return nil
}

// A publication is one writing transaction of messages.
type publication struct {
	conn     *store.Conn
	bindings []binding
	insert   *store.Stmt
	into     map[string]int // messages by queue
}

type binding struct{ queue, pattern string }

func newPublication(c *store.Conn, exchange broker.Exchange) (*publication, error) {
	p := &publication{conn: c, into: map[string]int{}}
	find, err := c.Prepare(`SELECT queue, pattern FROM binding WHERE exchange = ? ORDER BY queue`)
	if err != nil {
		return nil, err
	}
	args := store.Args(1)
	args[0].Value = string(exchange)
	if err := find.Query(args, func(row []driver.Value) error {
		p.bindings = append(p.bindings, binding{row[0].(string), row[1].(string)})
		return nil
	}); err != nil {
		return nil, err
	}
	p.insert, err = c.Prepare(`
		INSERT INTO message (queue, message_id, type, key, content_type, time, headers, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`)
	return p, err
}

// add puts the message into the queues that want it, or into that of those
// that nobody wants.
func (p *publication) add(m *broker.Message) error {
	headers, err := json.Marshal(m.Headers)
	if err != nil {
		return err
	}
	var queues []string
	for _, b := range p.bindings {
		// They are sorted, so that a queue with two keys that match stands last.
		if broker.Matches(b.pattern, m.Key) && !slices.Contains(queues[max(0, len(queues)-1):], b.queue) {
			queues = append(queues, b.queue)
		}
	}
	if len(queues) == 0 {
		queues = []string{broker.UnroutableQueue}
	}
	args := store.Args(8)
	for i, v := range []driver.Value{nil, m.ID, m.Type, m.Key, m.ContentType, m.Time.UnixMicro(), string(headers), notNil(m.Body)} {
		args[i].Value = v
	}
	for _, queue := range queues {
		args[0].Value = queue
		if _, _, err := p.insert.Exec(args); err != nil {
			return err
		}
		p.into[queue]++
	}
	return nil
}

// notNil returns a body that is no NULL.
func notNil(body []byte) []byte {
	if body == nil {
		return []byte{}
	}
	return body
}

// count counts what was added to each queue, and refuses what is too much.
func (p *publication) count(limit int) error {
	for queue, n := range p.into {
		v, err := p.conn.Value(`UPDATE queue SET messages = messages + ? WHERE name = ? RETURNING messages`, int64(n), queue)
		if err != nil {
			return err
		}
		messages, _ := v.(int64)
		if queue == broker.UnroutableQueue {
			if err := p.trim(messages - broker.MaxUnroutable); err != nil {
				return err
			}
			continue
		}
		if messages > int64(limit) {
			return fmt.Errorf("%w: %s has its %d messages: see to its consumer", broker.ErrFull, queue, limit)
		}
	}
	return nil
}

// trim takes the oldest messages that nobody wanted away.
func (p *publication) trim(n int64) error {
	if n <= 0 {
		return nil
	}
	if err := p.conn.Run(`DELETE FROM message WHERE id IN (SELECT id FROM message WHERE queue = ? AND due = 0 AND owner = '' ORDER BY id LIMIT ?)`,
		broker.UnroutableQueue, n); err != nil {
		return err
	}
	return p.conn.Run(`UPDATE queue SET messages = messages - ? WHERE name = ?`, n, broker.UnroutableQueue)
}

// Inspect implements [broker.Broker].
func (b *Broker) Inspect(ctx context.Context) ([]broker.Queue, error) {
	list, err := store.Collect(ctx, b.db.Read(), func(rows *sql.Rows) (q broker.Queue, err error) {
		return q, rows.Scan(&q.Name, &q.Messages)
	}, `SELECT name, messages - (SELECT count(*) FROM message WHERE queue = name AND owner <> '') FROM queue ORDER BY name`)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range list {
		list[i].Consumers = len(b.consumers[list[i].Name])
	}
	return list, nil
}
