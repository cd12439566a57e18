package suggest

// assign gives each row at most one column of a matrix of scores, and each
// column to at most one row, so that the sum of scores is the largest
// possible. It returns the column of each row, or -1. Where nothing is gained,
// nothing is given.
//
// It is the Hungarian method with potentials, in time rows² × columns (Kuhn
// 1955; Jonker and Volgenant 1987). Every row has a column of its own beside
// the real ones, which stands for none and costs nothing.
func assign(scores [][]float64) []int {
	rows := len(scores)
	if rows == 0 {
		return nil
	}
	real := len(scores[0])
	columns := real + rows
	cost := func(row, column int) float64 {
		if column < real {
			return -scores[row][column]
		}
		return 0
	}
	const far = 1e18
	rowPotential, columnPotential := make([]float64, rows+1), make([]float64, columns+1)
	holder, way := make([]int, columns+1), make([]int, columns+1) // row that holds a column, both from 1
	for row := 1; row <= rows; row++ {
		holder[0] = row
		at := 0
		least, used := make([]float64, columns+1), make([]bool, columns+1)
		for i := range least {
			least[i] = far
		}
		for holder[at] != 0 {
			used[at] = true
			i, delta, next := holder[at], far, 0
			for j := 1; j <= columns; j++ {
				if used[j] {
					continue
				}
				if c := cost(i-1, j-1) - rowPotential[i] - columnPotential[j]; c < least[j] {
					least[j], way[j] = c, at
				}
				if least[j] < delta {
					delta, next = least[j], j
				}
			}
			for j := 0; j <= columns; j++ {
				if used[j] {
					rowPotential[holder[j]] += delta
					columnPotential[j] -= delta
				} else {
					least[j] -= delta
				}
			}
			at = next
		}
		for at != 0 {
			holder[at] = holder[way[at]]
			at = way[at]
		}
	}
	given := make([]int, rows)
	for i := range given {
		given[i] = -1
	}
	for j := 1; j <= real; j++ {
		if row := holder[j]; row > 0 && scores[row-1][j-1] > 0 {
			given[row-1] = j - 1
		}
	}
	return given
}
