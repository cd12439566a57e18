package connectors

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

type testConfig struct {
	Address string   `json:"address" doc:"Where it is." example:"https://example.com" required:"true"`
	Token   Secret   `json:"token" doc:"What opens it."`
	Pages   int      `json:"pages" doc:"How many at a time." default:"3"`
	Deep    bool     `json:"deep" doc:"All the way." default:"true"`
	Names   []string `json:"names" doc:"What to call them."`
	Order   string   `json:"order" doc:"Which first." default:"oldest" enum:"oldest,newest"`
}

func (c testConfig) Validate() error {
	if c.Pages > 100 {
		return SettingErrors{{Path: "pages", Message: "must be 100 or fewer"}}
	}
	return nil
}

// testType hands the settings that it decoded to got.
func testType(got *testConfig) Type {
	return Define("test", "Reads nothing.", func(c testConfig, _ Env) (Source, error) {
		*got = c
		return nil, nil
	})
}

func TestDefineDescribesSettings(t *testing.T) {
	want := []Setting{
		{Name: "address", Doc: "Where it is.", Example: "https://example.com", Kind: "text", Required: true},
		{Name: "token", Doc: "What opens it.", Kind: "secret"},
		{Name: "pages", Doc: "How many at a time.", Default: "3", Kind: "whole number"},
		{Name: "deep", Doc: "All the way.", Default: "true", Kind: "yes or no"},
		{Name: "names", Doc: "What to call them.", Kind: "list of text"},
		{Name: "order", Doc: "Which first.", Default: "oldest", Kind: "text", Values: []string{"oldest", "newest"}},
	}
	if diff := cmp.Diff(want, testType(&testConfig{}).Settings); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
}

func TestDefineDecodesSettings(t *testing.T) {
	for _, tt := range []struct {
		name string
		in   map[string]any
		want testConfig
	}{
		{"defaults", map[string]any{"address": "a"}, testConfig{Address: "a", Pages: 3, Deep: true, Order: "oldest"}},
		{"null is not given", map[string]any{"address": "a", "token": nil, "names": nil}, testConfig{Address: "a", Pages: 3, Deep: true, Order: "oldest"}},
		{
			"all of them",
			map[string]any{"address": "a", "token": "t", "pages": uint64(7), "deep": false, "names": []any{"x", "y"}, "order": "newest"},
			testConfig{"a", "t", 7, false, []string{"x", "y"}, "newest"},
		},
		{"one name stands for a list", map[string]any{"address": "a", "names": "x"}, testConfig{"a", "", 3, true, []string{"x"}, "oldest"}},
		{"text for numbers, as flags give it", map[string]any{"address": "a", "pages": "9", "deep": "false"}, testConfig{"a", "", 9, false, nil, "oldest"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got testConfig
			if _, err := testType(&got).New(tt.in, Env{}); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("settings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDefineRefusesSettings(t *testing.T) {
	for _, tt := range []struct {
		name string
		in   map[string]any
		want string
	}{
		{"missing", map[string]any{}, "address: is required: Where it is."},
		{"null for what is required", map[string]any{"address": nil}, "address: is required: Where it is."},
		{"unknown", map[string]any{"address": "a", "adress": "b"}, "adress: unknown setting, did you mean address?"},
		{"list for text", map[string]any{"address": []any{"a"}}, `address: must be a text, not "[a]"; put it in quotes`},
		{"number for a secret", map[string]any{"address": "a", "token": 17}, `token: must be a secret, not "17"; put it in quotes`},
		{"text for a number", map[string]any{"address": "a", "pages": "many"}, `pages: must be a whole number, not "many"`},
		{"fraction for a number", map[string]any{"address": "a", "pages": 1.5}, `pages: must be a whole number, not "1.5"`},
		{"text for yes or no", map[string]any{"address": "a", "deep": "perhaps"}, `deep: must be a yes or no, not "perhaps"`},
		{"number for a list", map[string]any{"address": "a", "names": 3}, `names: must be a list of text, not "3"`},
		{"number in a list", map[string]any{"address": "a", "names": []any{"x", 3}}, `names: must be a list of text, not "[x 3]"; put each item in quotes`},
		{"none of the values", map[string]any{"address": "a", "order": "newes"}, `order: is "newes", but must be one of oldest, newest, did you mean newest?`},
		{"refused by Validate", map[string]any{"address": "a", "pages": 101}, "pages: must be 100 or fewer"},
		{"all faults at once, by name", map[string]any{"pages": "x", "zone": 1}, "address: is required: Where it is.\npages: must be a whole number, not \"x\"\nzone: unknown setting"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := testType(&testConfig{}).New(tt.in, Env{})
			if err == nil || err.Error() != tt.want {
				t.Errorf("error is\n%v\nwant\n%s", err, tt.want)
			}
			if _, ok := errors.AsType[SettingErrors](err); !ok {
				t.Errorf("the error has type %T", err)
			}
		})
	}
}

func TestDefinePanicsOnASettingItCannotDecode(t *testing.T) {
	defer func() {
		if p := recover(); p == nil || !strings.Contains(fmt.Sprint(p), "Ratio has type float64") {
			t.Errorf("panic is %v", p)
		}
	}()
	Define("x", "Is wrong.", func(struct{ Ratio float64 }, Env) (Source, error) { return nil, nil })
}

func TestSettingsThatAreMaps(t *testing.T) {
	type config struct {
		Columns map[string]string `json:"columns" doc:"Where they are."`
	}
	var got config
	kind := Define("x", "Reads.", func(c config, _ Env) (Source, error) {
		got = c
		return nil, nil
	})
	if kind.Settings[0].Kind != "map of text" {
		t.Errorf("the setting is a %s", kind.Settings[0].Kind)
	}
	if _, err := kind.New(map[string]any{"columns": map[string]any{"sku": "1-18", "kind": int64(7)}}, Env{}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"sku": "1-18", "kind": "7"}, got.Columns); diff != "" {
		t.Errorf("columns (-want +got):\n%s", diff)
	}
	for _, tt := range []struct {
		in   any
		want string
	}{
		{"sku", `columns: must be a map of text, not "sku"`},
		{map[string]any{"sku": []any{"1"}}, `columns: must be a map of text, not "map[sku:[1]]"; put each value in quotes`},
	} {
		if _, err := kind.New(map[string]any{"columns": tt.in}, Env{}); err == nil || err.Error() != tt.want {
			t.Errorf("error is %v, want %s", err, tt.want)
		}
	}
}

func TestSecretIsMasked(t *testing.T) {
	c := testConfig{Address: "a", Token: "hunter2"}
	for _, shown := range []string{fmt.Sprint(c), fmt.Sprintf("%v %s %+v", c, c.Token, c)} {
		if strings.Contains(shown, "hunter2") {
			t.Errorf("the secret is shown in %s", shown)
		}
	}
}
