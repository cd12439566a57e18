package upsert

import (
	"database/sql/driver"
	"sync"

	"crossdock/schemas"
)

// A prepared is a row with the values that an insert of it stores.
type prepared struct {
	row    int
	values []driver.Value
}

// ahead makes the rows of a batch ready while those before them are written:
// a load is limited by the one connection that writes, which has better to do.
type ahead struct {
	ready chan []prepared
	free  chan []prepared // portions to fill again
	quit  chan struct{}
	done  sync.WaitGroup
}

const (
	rowsReady     = 128 // in a portion
	portionsReady = 4
)

// prepare begins to make the selected rows ready. Whoever calls it takes
// portions from ready until that is closed, gives them back to free, and
// calls stop.
func prepare(s *shape, b *schemas.Batch) *ahead {
	a := &ahead{
		ready: make(chan []prepared, portionsReady), free: make(chan []prepared, portionsReady), quit: make(chan struct{}),
	}
	width := len(s.values)
	for range portionsReady {
		portion, values := make([]prepared, rowsReady), make([]driver.Value, rowsReady*width)
		for i := range portion {
			portion[i].values = values[i*width : (i+1)*width]
			copy(portion[i].values, s.values) // those that no row changes
		}
		a.free <- portion
	}
	a.done.Go(func() { // ends with the rows of the batch, or when quit is closed
		defer close(a.ready)
		a.fill(s, b)
	})
	return a
}

func (a *ahead) fill(s *shape, b *schemas.Batch) {
	var o objects
	var portion []prepared
	n := 0
	b.Each(func(row int) bool {
		if n == len(portion) {
			if n > 0 {
				a.ready <- portion // has room for all portions there are
			}
			select {
			case portion = <-a.free:
				portion, n = portion[:rowsReady], 0
			case <-a.quit:
				portion, n = nil, 0
				return false
			}
		}
		portion[n].row = row
		s.fill(portion[n].values, &o, row)
		n++
		return true
	})
	if n > 0 {
		a.ready <- portion[:n]
	}
}

// stop ends the work and waits for it.
func (a *ahead) stop() {
	close(a.quit)
	a.done.Wait()
}
