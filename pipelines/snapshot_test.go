package pipelines_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"crossdock/pipelines"
	"crossdock/schemas"
)

func TestSnapshots(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       *pipelines.Snapshot
		wantErr    string
	}{
		{"none", "mode: upsert", nil, ""},
		{
			"the constants are the scope", "mode: snapshot",
			&pipelines.Snapshot{Scope: map[string]string{"brand": "ACME", "attributes.source": "erp"}, MaxLoss: 0.1}, "",
		},
		{
			"a scope of its own", "mode: snapshot\nsnapshot: { scope: { status: active, attributes.source: '7' } }\nguard: { max_loss: 2.5% }",
			&pipelines.Snapshot{Scope: map[string]string{"status": "active", "attributes.source": "7"}, MaxLoss: 0.025}, "",
		},
		{"everything", "mode: snapshot\nsnapshot: { scope: {} }", &pipelines.Snapshot{Scope: map[string]string{}, MaxLoss: 0.1}, ""},
		{"another mode", "mode: snapshots", nil, `a.yaml:10:1: mode: is "snapshots", but must be upsert or snapshot, did you mean snapshot?`},
		{"a scope without its mode", "snapshot: { scope: {} }", nil, "a.yaml:10:1: snapshot: goes with mode: snapshot"},
		{"a limit without its mode", "guard: { max_loss: 2% }", nil, "a.yaml:10:10: guard.max_loss: goes with mode: snapshot, as other runs take nothing away"},
		{"an unknown key", "mode: snapshot\nsnapshot: { scoop: {} }", nil, "a.yaml:11:13: snapshot.scoop: unknown key (there are scope)"},
		{"an unknown column", "mode: snapshot\nsnapshot: { scope: { brend: x } }", nil, "a.yaml:11:22: snapshot.scope.brend: product has no field brend, did you mean brand?"},
		{"a number", "mode: snapshot\nsnapshot: { scope: { brand: 7 } }", nil, "a.yaml:11:22: snapshot.scope.brand: must be text: write it in quotes"},
		{"a value that is none", "mode: snapshot\nsnapshot: { scope: { status: aktive } }", nil, `a.yaml:11:22: snapshot.scope.status: is "aktive", but must be draft, active, inactive or discontinued, did you mean active?`},
		{"no mapping", "mode: snapshot\nsnapshot: { scope: all }", nil, "a.yaml:11:13: snapshot.scope: must be a mapping of columns to values, as in { list: dealer-eu }"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			const text = `pipeline: a
source: { connector: csv, path: a.csv }
entity: product
map:
  sku: Nr
  brand: { constant: ACME }
  attributes.source: { constant: erp }
  weight: { constant: 1 }
  status: Status
`
			p, err := pipelines.Parse("a.yaml", []byte(text+tt.text), schemas.Default())
			message := ""
			if err != nil {
				message = err.Error()
			}
			if message != tt.wantErr {
				t.Fatalf("error %q, want %q", message, tt.wantErr)
			}
			if p == nil {
				return
			}
			if diff := cmp.Diff(tt.want, p.Snapshot); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestASnapshotBringsRowsBack(t *testing.T) {
	_, message := parse(t, "mode: snapshot\n")
	want := "a.yaml:5:1: mode: of snapshot sets status to inactive where a row is gone, so that status has to be mapped: else a row that comes back stays so"
	if message != want {
		t.Errorf("error %q, want %q", message, want)
	}
}
