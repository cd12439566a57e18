package schemas

// A RevertRequest asks a service to put back what a run has changed in an entity.
type RevertRequest struct {
	Entity string `json:"entity"`
	Run    string `json:"run"`            // whose changes
	From   string `json:"from,omitempty"` // Next of the answer before; "" at first
	DryRun bool   `json:"dry_run,omitempty"`
}

// A Reverted is what became of some of the rows that a run had changed: they
// are as they were before it, or kept as they are.
type Reverted struct {
	Outcome         // Rejected is empty
	KeptRows int    `json:"kept_rows,omitempty"`
	Kept     []Kept `json:"kept,omitempty"` // the first of them
	Next     string `json:"next,omitempty"` // "" at the end
}

// Why a row is kept as it is.
const (
	ChangedSince = "changed_since" // another run has changed it since
	Refused      = "refused"       // the service would not have it back
)

// A Kept is a row that could not be put back.
type Kept struct {
	Key     string `json:"key"` // as people write it
	Reason  string `json:"reason"`
	By      string `json:"by,omitempty"` // the run that has changed it since
	Message string `json:"message"`
}

// MaxKept bounds the rows that an answer names.
const MaxKept = 1000

// Keep notes a row that is kept.
func (r *Reverted) Keep(k Kept) {
	r.KeptRows++
	if len(r.Kept) < MaxKept {
		r.Kept = append(r.Kept, k)
	}
}

// Add adds what became of further rows.
func (r *Reverted) Add(more Reverted) {
	r.Applied += more.Applied
	r.Unchanged += more.Unchanged
	r.Created += more.Created
	r.Updated += more.Updated
	r.Deleted += more.Deleted
	r.KeptRows += more.KeptRows
	r.Kept = append(r.Kept, more.Kept[:min(len(more.Kept), MaxKept-len(r.Kept))]...)
	r.Next = more.Next
}
