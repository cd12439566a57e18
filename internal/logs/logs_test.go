package logs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const canary = "kanarienvogel-7431"

// TestSecretsAreInNoLine plants a secret wherever one may come from.
func TestSecretsAreInNoLine(t *testing.T) {
	for _, tt := range []struct {
		name, message string
		args          []any
	}{
		{"key password", "m", []any{"password", canary}},
		{"key of two words", "m", []any{"client_secret", canary}},
		{"key in camel case", "m", []any{"accessToken", canary}},
		{"key Authorization", "m", []any{"Authorization", "Bearer " + canary}},
		{"key api-key", "m", []any{"x-api-key", canary}},
		{"in a group", "m", []any{slog.Group("request", "cookie", canary)}},
		{"URL in a value", "m", []any{"url", "postgres://crossdock:" + canary + "@db/hub?sslmode=disable"}},
		{"URL in the message", "cannot reach amqp://guest:" + canary + "@mq:5672/", nil},
		{"URL with an @ in its password", "m", []any{"url", "amqp://guest:" + canary + "@" + canary + "@mq/"}},
		{"URL in an error", "m", []any{"error", fmt.Errorf("open: %w", errors.New("postgres://a:"+canary+"@b: refused"))}},
		{"connection string", "m", []any{"error", errors.New("dsn host=db password=" + canary + " dbname=hub")}},
		{"quoted connection string", "m", []any{"dsn", "host=db password='" + canary + " 1' dbname=hub"}},
		{"query", "m", []any{"path", "/v1/x?api_key=" + canary + "&b=1"}},
		{"JSON in a text", "m", []any{"body", `{"token": "` + canary + `"}`}},
		{"header in a text", "m", []any{"error", errors.New("GET /: Authorization: Bearer " + canary)}},
		{"header in a map", "m", []any{"headers", http.Header{"Authorization": {"Basic " + canary}}}},
		{"struct", "m", []any{"settings", struct{ URL string }{"https://u:" + canary + "@h"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, format := range []string{Text, JSON} {
				var out bytes.Buffer
				log := New(&out, Options{Format: format})
				log.Info(tt.message, tt.args...)
				log.With(tt.args...).WithGroup("g").Info("again", tt.args...)
				if strings.Contains(out.String(), canary) || !strings.Contains(out.String(), "[redacted]") {
					t.Errorf("%s: %s", format, out.String())
				}
			}
		})
	}
}

// TestWhatIsNoSecretStays holds the masks to secrets.
func TestWhatIsNoSecretStays(t *testing.T) {
	for _, text := range []string{
		"https://example.com:8443/v1/products?q=nut", "file:///data/catalog.db", "tokens were counted", "12:30:45",
		"run 20261121-141058-k7qd ended", "user@example.com", "password is required", "amqp://mq:5672/",
	} {
		if got := newRedactor().text(text); got != text {
			t.Errorf("%q became %q", text, got)
		}
	}
}

func TestLinesOfJSON(t *testing.T) {
	var out bytes.Buffer
	log := New(&out, Options{
		Format: JSON, Level: slog.LevelInfo,
		Names:   map[string]string{"time": "@timestamp", "level": "log.level", "msg": "message", "run": "run.id"},
		Fixed:   []slog.Attr{slog.String("service.name", "crossdock")},
		Context: func(context.Context) []slog.Attr { return []slog.Attr{slog.String("trace", "t1")} },
	})
	ctx := With(With(t.Context(), slog.String("run", "r1")), slog.String("pipeline", "p1"))
	log.DebugContext(ctx, "not written")
	log.WarnContext(ctx, "it \"happened\"\nhere", "rows", 7, "pipeline", "p2")
	var got map[string]any
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatalf("%v in %s", err, out.String())
	}
	if got["@timestamp"] == "" {
		t.Error("no time")
	}
	delete(got, "@timestamp")
	want := map[string]any{
		"log.level": "warn", "message": "it \"happened\"\nhere", "service.name": "crossdock", "rows": 7.0,
		"run.id": "r1", "pipeline": "p2", "trace": "t1",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if n := strings.Count(out.String(), `"pipeline"`); n != 1 {
		t.Errorf("pipeline stands there %d times: %s", n, out.String())
	}
}

func TestParseLevel(t *testing.T) {
	for name, want := range map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError} {
		if got, err := ParseLevel(name); got != want || err != nil {
			t.Errorf("ParseLevel(%s) = %v, %v", name, got, err)
		}
	}
	if _, err := ParseLevel("WARN+1"); err == nil {
		t.Error("WARN+1 is a level")
	}
}
