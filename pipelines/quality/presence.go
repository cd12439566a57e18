package quality

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// requiredJudge finds rows in which none of a field's columns has a value.
type requiredJudge struct {
	message string
	key     bool // a row without it cannot even be looked for
}

func buildRequired(c *compiler, _ *spec, r *rule) {
	j := requiredJudge{message: "is empty, but required", key: c.rules.columns[r.columns[0]].Field.Key}
	if len(r.columns) > 1 {
		j.message = "is empty in " + listed(r.Fields) + ", but required in one of them"
	}
	r.start = func() judge { return j }
}

func (j requiredJudge) judge(v *view) {
	for _, row := range v.rows {
		if !j.holds(v, int(row)) {
			v.blameValue(row, "", j.message)
		}
	}
}

func (j requiredJudge) holds(v *view, row int) bool {
	for i, a := range v.columns {
		if !isEmpty(a, row) || !j.key && v.batch.IsAbsent(v.at[i], row) {
			return true
		}
	}
	return false
}

func isEmpty(a arrow.Array, row int) bool {
	if a.IsNull(row) {
		return true
	}
	text, ok := a.(*array.String)
	return ok && text.Value(row) == ""
}
