package profile

import (
	"fmt"
	"math/big"
	"strconv"
)

// A Tally counts the rows of a run, or of one source of it, for their score.
type Tally struct {
	Read     int64 `json:"read"`
	Skipped  int64 `json:"skipped"`
	Rejected int64 `json:"rejected"`
	Warned   int64 `json:"warned"` // rows that passed, and drew a warning
	Cells    int64 `json:"cells"`  // mapped fields of the rows that passed
	Filled   int64 `json:"filled"` // of them, those with a value
}

// Add adds what another batch counted.
func (t *Tally) Add(u Tally) {
	t.Read += u.Read
	t.Skipped += u.Skipped
	t.Rejected += u.Rejected
	t.Warned += u.Warned
	t.Cells += u.Cells
	t.Filled += u.Filled
}

// A Score says how good the rows of a source were, in tenths: 1000 is best.
type Score int64

// String writes a score as 97.4.
func (s Score) String() string { return fmt.Sprintf("%d.%d", s/10, s%10) }

// MarshalJSON writes a score as the number 97.4.
func (s Score) MarshalJSON() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalJSON reads what MarshalJSON writes.
func (s *Score) UnmarshalJSON(text []byte) error {
	f, err := strconv.ParseFloat(string(text), 64)
	if err != nil || f < 0 || f > 100 {
		return fmt.Errorf("%.20s is no score from 0 to 100", text)
	}
	*s = Score(f*10 + 0.5)
	return nil
}

// The parts of a score, in tenths.
const (
	pointsOfRows  = 800
	pointsOfCells = 200
	warnedWeighs  = 4 // rows with a warning that weigh as one that is rejected
)

// Score returns 80 points for the rows that were good, of which each row
// rejected takes its whole share and each row with a warning a quarter of it,
// and 20 points for the cells that were filled. It is computed exactly and
// rounded half up. It is false where no row was judged.
func (t Tally) Score() (Score, bool) {
	judged := t.Read - t.Skipped
	if judged <= 0 {
		return 0, false
	}
	rows := big.NewRat(warnedWeighs*(judged-t.Rejected)-t.Warned, warnedWeighs*judged)
	cells := new(big.Rat)
	if t.Cells > 0 {
		cells.SetFrac64(t.Filled, t.Cells)
	}
	sum := rows.Mul(rows, big.NewRat(pointsOfRows, 1))
	sum.Add(sum, cells.Mul(cells, big.NewRat(pointsOfCells, 1)))
	sum.Add(sum, big.NewRat(1, 2))
	return Score(new(big.Int).Quo(sum.Num(), sum.Denom()).Int64()), true
}
