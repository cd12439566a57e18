package schemas

// A Difference is what a row of a batch would change.
type Difference struct {
	Row    int               `json:"row"`  // index into the record batch, from 0
	Kind   string            `json:"kind"` // create, update or delete
	Fields []FieldDifference `json:"fields"`
}

// A FieldDifference is a column that would hold another value, as people write
// it; nil is none.
type FieldDifference struct {
	Column string  `json:"column"`
	Old    *string `json:"old"`
	New    *string `json:"new"`
}
