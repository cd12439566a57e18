// Package journal is the hub's memory: runs with their exact counters, and the
// error queue. What the error queue holds is the truth of it; brokers and
// files only carry copies.
//
// Begin with [Journal.Begin], [Journal.Commit] and [Journal.Finish], which
// frame a run, and [Journal.Errors], which reads the queue.
package journal

import (
	"context"
	"database/sql"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"crossdock/internal/store"
)

//go:embed migrations
var migrations embed.FS

// A Journal keeps runs and errors in one database.
type Journal struct {
	db    *store.DB
	clock func() time.Time
}

// Open opens or creates the journal: the file journal.db, or the schema hub of
// a PostgreSQL database.
func Open(ctx context.Context, place store.Place, clock func() time.Time) (*Journal, error) {
	name := "journal"
	if place.URL != "" {
		name = "hub"
	}
	db, err := place.Open(ctx, name, migrations)
	if err != nil {
		return nil, err
	}
	j := &Journal{db: db, clock: clock}
	if db.Postgres() {
		return j, nil
	}
	// The rows of a large error queue pass by once; there is no use in keeping
	// as much of them in memory as a service keeps of its tables.
	err = db.Bulk(ctx, func(c *store.Conn) error { return c.Run(`PRAGMA cache_size = -8192`) })
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	if err := j.regroup(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("database %s: %w", db.Path(), err), db.Close())
	}
	return j, nil
}

// Close closes the database.
func (j *Journal) Close() error { return j.db.Close() }

// Ping reports whether the database answers.
func (j *Journal) Ping(ctx context.Context) error { return j.db.Read().PingContext(ctx) }

// Lock takes the lock of a pipeline across all hubs that share the database. It
// is false where another has it; where the journal is a file there are no others.
func (j *Journal) Lock(ctx context.Context, pipeline string) (release func(), taken bool, err error) {
	return j.db.Lock(ctx, pipeline)
}

// ErrNotFound tells that there is no run or error of the id given.
var ErrNotFound = errors.New("not found")

// A Status says how far a run has come.
type Status string

// The statuses of runs.
const (
	Queued    Status = "queued"    // an upload was accepted and waits
	Running   Status = "running"   //
	Succeeded Status = "succeeded" // every row was applied, unchanged or skipped
	Partial   Status = "partial"   // finished; some rows were rejected
	Failed    Status = "failed"    // an error ended it
	Stopped   Status = "stopped"   // a guard, a person or the end of the process stopped it
	Held      Status = "held"      // a guard holds it until a person approves it
)

// Statuses lists them all.
func Statuses() []string {
	return []string{string(Queued), string(Running), string(Succeeded), string(Partial), string(Failed), string(Stopped), string(Held)}
}

// Counts accounts for the rows of a run.
type Counts struct {
	Read      int64 `json:"read"`
	Applied   int64 `json:"applied"`
	Unchanged int64 `json:"unchanged"`
	Rejected  int64 `json:"rejected"`
	Skipped   int64 `json:"skipped"`
	Warned    int64 `json:"warned"` // findings that did not keep their row back
	// Waiting are those of the rejected rows that wait for what they refer to.
	Waiting int64 `json:"waiting,omitempty"`
}

// Add adds what another batch counted.
func (c *Counts) Add(d Counts) {
	c.Read += d.Read
	c.Applied += d.Applied
	c.Unchanged += d.Unchanged
	c.Rejected += d.Rejected
	c.Skipped += d.Skipped
	c.Warned += d.Warned
	c.Waiting += d.Waiting
}

// Subtract takes what a batch counted off again.
func (c *Counts) Subtract(d Counts) {
	c.Add(Counts{-d.Read, -d.Applied, -d.Unchanged, -d.Rejected, -d.Skipped, -d.Warned, -d.Waiting})
}

// Balanced reports whether every row read is accounted for.
func (c Counts) Balanced() bool {
	return c.Read == c.Applied+c.Unchanged+c.Rejected+c.Skipped
}

// A Run is one execution of a pipeline.
type Run struct {
	ID           string
	Pipeline     string
	Entity       string
	Cause        string // command, upload or replay
	Status       Status
	PipelineFile string
	PipelineHash string
	InputPath    string
	InputName    string
	TraceParent  string // W3C trace context of what caused it, or ""
	Error        string
	Started      time.Time
	Finished     time.Time // zero while it runs
	Score        *int64    // quality in tenths; nil where nothing was judged
	Batches      int64
	Deactivated  int64     // rows that a snapshot no longer held
	Guard        string    // that holds it
	Lifted       string    // guards that were lifted for it, separated by commas
	ApprovedBy   string    // who approved it after it was held, "" for none
	ApprovedAt   time.Time // zero for never
	Turn         int64     // in which it begins: see Claim. It is not read
	Counts
}

// Claim returns the run with the turn in which it is written.
func (r *Run) Claim() Claim { return Claim{r.ID, r.Turn} }

// Seconds returns how long the run took, or has taken by now.
func (r *Run) Seconds(now time.Time) float64 {
	end := r.Finished
	if end.IsZero() {
		end = now
	}
	return end.Sub(r.Started).Seconds()
}

// Begin writes a new run.
func (j *Journal) Begin(ctx context.Context, r Run) error {
	return j.db.Tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `
			INSERT INTO run (id, pipeline, entity, cause, status, pipeline_file, pipeline_hash, input_path, input_name, error, lifted, trace, started_at, turn, number)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, '', ?, ?, ?, ?, (SELECT coalesce(max(number), 0) + 1 FROM run))`,
			r.ID, r.Pipeline, r.Entity, r.Cause, r.Status, r.PipelineFile, r.PipelineHash, r.InputPath, r.InputName, r.Lifted, r.TraceParent, j.now(), r.Turn)
		return err
	})
}

// Register keeps where a pipeline is found, for uploads and replays.
func (j *Journal) Register(ctx context.Context, pipeline, file string) error {
	return j.db.Tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `
			INSERT INTO pipeline (name, file) VALUES (?, ?)
			ON CONFLICT (name) DO UPDATE SET file = excluded.file`, pipeline, file)
		return err
	})
}

// Restart sets a queued run to its beginning: what an earlier attempt parked is
// forgotten and its counters are zero. It returns false, and does nothing,
// where the run is not queued: someone else has taken it.
func (j *Journal) Restart(ctx context.Context, c Claim) (taken bool, err error) {
	id := c.Run
	err = j.db.Tx(ctx, func(tx *sql.Tx) error {
		if err := claimed(ctx, tx, c); err != nil {
			return err
		}
		result, err := tx.ExecContext(ctx, `
			UPDATE run SET status = 'running', started_at = ?, finished_at = NULL, error = '', batches = 0, deactivated = 0, cursor = '',
			       read = 0, applied = 0, unchanged = 0, rejected = 0, skipped = 0, warned = 0, waiting = 0
			WHERE id = ? AND status = 'queued'`, j.now(), id)
		if err != nil {
			return err
		}
		n, err := result.RowsAffected()
		if err != nil || n == 0 {
			return err
		}
		taken = true
		_, err = tx.ExecContext(ctx, `DELETE FROM parked_row WHERE run = ?`, id)
		return err
	})
	return taken, err
}

// Requeue puts a run that is under way, or was when its process ended, back
// among those that wait. A run that has ended stays as it is.
func (j *Journal) Requeue(ctx context.Context, c Claim) error { return j.PutOff(ctx, c, "") }

// Queued lists the runs that wait, in the order in which they were accepted.
func (j *Journal) Queued(ctx context.Context) ([]Run, error) {
	return store.Collect(ctx, j.db.Read(), scanRun, `SELECT `+runColumns+` FROM run WHERE status = 'queued' ORDER BY number`)
}

// A Commit is what the hub knows of a batch after the service has applied it.
type Commit struct {
	Counts Counts
	Parked []*Row
	Cursor string
	// Superseded are open rows whose keys the batch has delivered well, or that
	// a replay has left behind for a newer row or the filter.
	Superseded []int64
	// Settled are the parked rows that the batch replayed: those now done, and
	// those that remain, with the findings of this attempt.
	Settled  []int64
	Remained []*Row
	By       string // who asked for the replay; "" where none is recorded
}

// Commit writes one batch: counters, rejections and cursor in one transaction.
func (j *Journal) Commit(ctx context.Context, claim Claim, c Commit) error {
	run := claim.Run
	return j.db.CopyTx(ctx, func(tx *sql.Tx, copier store.Copier) error {
		if err := claimed(ctx, tx, claim); err != nil {
			return err
		}
		n := c.Counts
		var batch int64
		if err := tx.QueryRowContext(ctx, `
			UPDATE run SET batches = batches + 1, cursor = ?, read = read + ?, applied = applied + ?, unchanged = unchanged + ?,
			       rejected = rejected + ?, skipped = skipped + ?, warned = warned + ?, waiting = waiting + ? WHERE id = ? RETURNING batches`,
			c.Cursor, n.Read, n.Applied, n.Unchanged, n.Rejected, n.Skipped, n.Warned, n.Waiting, run).Scan(&batch); err != nil {
			return fmt.Errorf("count batch of run %s: %w", run, err)
		}
		for _, r := range c.Parked {
			r.Batch = batch
		}
		if err := j.park(ctx, tx, copier, c.Parked); err != nil {
			return err
		}
		if err := j.supersede(ctx, tx, c.Superseded); err != nil {
			return err
		}
		if err := j.settle(ctx, tx, c.Settled); err != nil {
			return err
		}
		if err := j.remain(ctx, tx, c.Remained); err != nil || c.By == "" {
			return err
		}
		remained := make([]int64, len(c.Remained))
		for i, r := range c.Remained {
			remained[i] = r.ID
		}
		return errors.Join(
			j.noteReplay(ctx, tx, run, c.By, c.Settled, "applied"), j.noteReplay(ctx, tx, run, c.By, remained, "rejected again"))
	})
}

// Finish ends a run. Rows that it has parked anew supersede those that earlier
// runs of the pipeline parked under the same key, or with the same cells where
// there is no key. Rows without a key, and warnings, of the resources that it
// has read to their end are superseded as well: whatever is still wrong there
// is parked anew. It returns how many open rows that closed.
func (j *Journal) Finish(ctx context.Context, c Claim, status Status, reason string, resources []string) (superseded int64, err error) {
	id := c.Run
	err = j.db.Tx(ctx, func(tx *sql.Tx) error {
		if err := claimed(ctx, tx, c); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE run SET status = ?, error = ?, finished_at = ? WHERE id = ? AND status = 'running'`,
			status, reason, j.now(), id); err != nil {
			return err
		}
		if err := finishFiles(ctx, tx, id, status); err != nil {
			return err
		}
		update, err := j.wideUpdate(ctx, tx)
		if err != nil {
			return err
		}
		close := func(condition string, args ...any) error {
			result, err := tx.ExecContext(ctx, update+` parked_row SET status = 'superseded', last_seen = ?2
				WHERE pipeline = (SELECT pipeline FROM run WHERE id = ?1) AND run <> ?1 AND `+condition, append([]any{id, j.now()}, args...)...)
			if err != nil {
				return err
			}
			n, err := result.RowsAffected()
			superseded += n
			return err
		}
		if err := close(`status IN ('open', 'waiting') AND key <> '' AND key IN (SELECT key FROM parked_row WHERE run = ?1 AND status IN ('open', 'waiting'))`); err != nil {
			return err
		}
		if err := close(`status = 'open' AND key = '' AND cells IN (SELECT cells FROM parked_row WHERE run = ?1 AND status = 'open' AND key = '')`); err != nil {
			return err
		}
		for _, resource := range resources {
			if err := close(`status = 'open' AND key = '' AND resource = ?3`, resource); err != nil {
				return err
			}
			closed := superseded
			if err := close(`status = 'noted' AND resource = ?3`, resource); err != nil {
				return err
			}
			superseded = closed // warnings are no errors
		}
		return forget(ctx, tx)
	})
	return superseded, err
}

// wideUpdate returns the beginning of an UPDATE that compares many rows with
// many, and prepares the transaction for it.
func (j *Journal) wideUpdate(ctx context.Context, tx *sql.Tx) (string, error) {
	if !j.db.Postgres() {
		// Not "or abort", for which SQLite would keep every page that the
		// statement changes in memory a second time, to take it back alone.
		return `UPDATE OR ROLLBACK`, nil
	}
	// Writers look rows up one by one; here that would take the square of the time.
	_, err := tx.ExecContext(ctx, `SET LOCAL enable_hashjoin = on; SET LOCAL enable_seqscan = on`)
	return `UPDATE`, err
}

func (j *Journal) supersede(ctx context.Context, tx *sql.Tx, ids []int64) error {
	return j.eachID(ctx, tx, `UPDATE parked_row SET status = 'superseded', last_seen = ?2 WHERE status IN ('open', 'waiting') AND id IN `, ids, j.now())
}

// eachID executes a statement that ends with the list of ids, which is its
// first argument.
func (j *Journal) eachID(ctx context.Context, tx *sql.Tx, statement string, ids []int64, args ...any) error {
	if len(ids) == 0 {
		return nil
	}
	list, err := json.Marshal(ids)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, statement+`(SELECT CAST(value AS BIGINT) FROM `+j.db.List("?1")+` ids)`, append([]any{string(list)}, args...)...)
	return err
}

// OpenKeys returns, by key, the open rows that earlier runs of the pipeline
// have parked: at most limit of them.
func (j *Journal) OpenKeys(ctx context.Context, pipeline string, limit int) (map[string][]int64, error) {
	type parked struct {
		key string
		id  int64
	}
	rows, err := store.Collect(ctx, j.db.Read(), func(rows *sql.Rows) (p parked, err error) { return p, rows.Scan(&p.key, &p.id) }, `
		SELECT key, id FROM parked_row`+j.indexedBy("parked_row_by_key")+`
		WHERE pipeline = ? AND status IN ('open', 'waiting') AND key > '' LIMIT ?`, pipeline, limit)
	keys := make(map[string][]int64, len(rows))
	for _, p := range rows {
		keys[p.key] = append(keys[p.key], p.id)
	}
	return keys, err
}

// indexedBy makes SQLite use an index, which knows little of what tables hold.
func (j *Journal) indexedBy(index string) string {
	if j.db.Postgres() {
		return ""
	}
	return ` INDEXED BY ` + index
}

const runColumns = `id, pipeline, entity, cause, status, pipeline_file, pipeline_hash, input_path, input_name, trace, error,
	started_at, finished_at, batches, deactivated, guard, lifted, approved_by, approved_at, read, applied, unchanged, rejected, skipped, warned, waiting,
	(SELECT score FROM quality WHERE quality.run = run.id AND source = '')`

func scanRun(rows *sql.Rows) (Run, error) {
	var r Run
	var started int64
	var finished, approved sql.NullInt64
	err := rows.Scan(&r.ID, &r.Pipeline, &r.Entity, &r.Cause, &r.Status, &r.PipelineFile, &r.PipelineHash, &r.InputPath,
		&r.InputName, &r.TraceParent, &r.Error, &started, &finished, &r.Batches, &r.Deactivated,
		&r.Guard, &r.Lifted, &r.ApprovedBy, &approved,
		&r.Read, &r.Applied, &r.Unchanged, &r.Rejected, &r.Skipped, &r.Warned, &r.Waiting, &r.Score)
	r.Started = time.UnixMicro(started).UTC()
	if finished.Valid {
		r.Finished = time.UnixMicro(finished.Int64).UTC()
	}
	if approved.Valid {
		r.ApprovedAt = time.UnixMicro(approved.Int64).UTC()
	}
	return r, err
}

// Run returns one run, or ErrNotFound.
func (j *Journal) Run(ctx context.Context, id string) (Run, error) {
	r, found, err := store.First(ctx, j.db.Read(), scanRun, `SELECT `+runColumns+` FROM run WHERE id = ?`, id)
	if err == nil && !found {
		err = fmt.Errorf("run %s: %w (crossdock runs list)", id, ErrNotFound)
	}
	return r, err
}

// RunFilter says which runs to list; zero fields mean any.
type RunFilter struct {
	Pipeline string
	Status   Status
	Limit    int // 0: 50
}

// Runs lists runs, newest first.
func (j *Journal) Runs(ctx context.Context, f RunFilter) ([]Run, error) {
	limit := f.Limit
	if limit <= 0 {
		limit = 50
	}
	return store.Collect(ctx, j.db.Read(), scanRun, `
		SELECT `+runColumns+` FROM run WHERE (?1 = '' OR pipeline = ?1) AND (?2 = '' OR status = ?2)
		ORDER BY started_at DESC, id DESC LIMIT ?3`, f.Pipeline, f.Status, limit)
}

// PipelineFiles returns where the pipelines that were run are found, by name.
func (j *Journal) PipelineFiles(ctx context.Context) (map[string]string, error) {
	rows, err := j.db.Read().QueryContext(ctx, `SELECT name, file FROM pipeline`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	files := map[string]string{}
	for rows.Next() {
		var name, file string
		if err := rows.Scan(&name, &file); err != nil {
			return nil, err
		}
		files[name] = file
	}
	return files, rows.Err()
}

func (j *Journal) now() int64 { return j.clock().UnixMicro() }
