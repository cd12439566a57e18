package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"crossdock/commerce"
	"crossdock/commerce/feed"
	"crossdock/schemas"
)

func (a *app) eventsCommand() *cobra.Command {
	var t tail
	cmd := &cobra.Command{
		Use: "tail", Short: "Follow the events of the services as they happen",
		Long: "Follow the events of the services as they happen: one a line, with --json as CloudEvents.\n" +
			"At its end it says where to go on, which --after takes.",
		Example: "  crossdock events tail --type 'catalog.*'\n  crossdock events tail --after oldest --follow=false --json",
		Args:    arguments(cobra.NoArgs, "no arguments"),
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.tail(cmd.Context(), t) },
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&t.types, "type", nil, "those of a type, such as catalog.product.changed.v1 or 'catalog.*'; may be repeated")
	flags.StringVar(&t.after, "after", feed.Latest, "where to begin: latest, oldest, or where an earlier one ended")
	flags.BoolVar(&t.follow, "follow", true, "wait for more")
	flags.StringVar(&t.server, "server", "", "read them of a server, such as http://127.0.0.1:8080, and not of the databases")
	flags.Int64Var(&t.count, "count", 0, "end after so many events; 0: never")
	return group("events", "Follow what happens in the services", cmd, a.failedCommand())
}

// A tail is what shall be followed.
type tail struct {
	types  []string
	after  string
	server string
	follow bool
	count  int64
}

// oldest is what --after has for the empty cursor.
const oldest = "oldest"

const (
	tailEvery = 500 * time.Millisecond
	tailPage  = 500
)

// tail prints events until there is no more to print, or ctx ends.
func (a *app) tail(ctx context.Context, t tail) (err error) {
	if t.count < 0 {
		return usagef("--count is %d, but must not be below zero", t.count)
	}
	for _, pattern := range t.types {
		if err := commerce.CheckTypePattern(pattern); err != nil {
			return usagef("--type: %s", strings.TrimPrefix(err.Error(), "query.type: "))
		}
	}
	read := serverFeed(t.server).Read
	if t.server == "" {
		s, err := a.open(ctx)
		if err != nil {
			return err
		}
		defer func() { err = first(err, s.close()) }()
		read = s.feed.Read
	}
	return a.follow(ctx, t, read)
}

// A reader reads a page of a feed.
type reader func(ctx context.Context, cursor string, types []string, limit int) (feed.Page, error)

// follow prints what it reads.
func (a *app) follow(ctx context.Context, t tail, read reader) error {
	cursor := t.after
	if cursor == oldest {
		cursor = ""
	}
	for printed := int64(0); ; {
		limit := int64(tailPage)
		if t.count > 0 {
			limit = min(limit, t.count-printed)
		}
		page, err := read(ctx, cursor, t.types, int(limit))
		if ctx.Err() != nil {
			break // asked to stop, which is how following ends
		}
		if err != nil {
			return afterFlag(err)
		}
		for _, item := range page.Events {
			a.printEvent(item.Event)
		}
		printed += int64(len(page.Events))
		cursor = page.Cursor
		if printed == t.count && t.count > 0 || !t.follow && !page.More || !page.More && !sleep(ctx, tailEvery) {
			break
		}
	}
	if cursor != t.after && cursor != "" {
		fmt.Fprintf(a.stderr, "go on with: crossdock events tail --after %s\n", cursor)
	}
	return nil
}

// A serverFeed is the address of a server whose feed is read.
type serverFeed string

const (
	serverTimeout = 40 * time.Second // the server's own limit, and the way
	maxPageBytes  = 64 << 20
)

// Read reads a page over HTTP.
func (s serverFeed) Read(ctx context.Context, cursor string, types []string, limit int) (page feed.Page, err error) {
	ctx, cancel := context.WithTimeout(ctx, serverTimeout)
	defer cancel()
	query := url.Values{"type": types, "limit": {strconv.Itoa(limit)}}
	if cursor != "" {
		query.Set("after", cursor)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(string(s), "/")+"/v1/events?"+query.Encode(), http.NoBody)
	if err != nil {
		return page, usagef("--server: %q is no address such as http://127.0.0.1:8080", string(s))
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return page, fmt.Errorf("--server: %w", err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxPageBytes))
	if err != nil {
		return page, fmt.Errorf("--server: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return page, refused(response.StatusCode, text)
	}
	if err := json.Unmarshal(text, &page); err != nil {
		return page, fmt.Errorf("--server: %s answers with something else than events: %w", s, err)
	}
	return page, nil
}

// refused returns the error that the server has answered with.
func refused(status int, text []byte) error {
	var problem struct {
		Detail string `json:"detail"`
	}
	if err := json.Unmarshal(text, &problem); err != nil || problem.Detail == "" {
		return fmt.Errorf("--server: answers with status %d", status)
	}
	switch status {
	case http.StatusBadRequest:
		return commerce.Errorf(commerce.Invalid, "%s", problem.Detail)
	case http.StatusGone:
		return commerce.Errorf(commerce.Gone, "%s", problem.Detail)
	}
	return fmt.Errorf("--server: %s (status %d)", problem.Detail, status)
}

// afterFlag names the flag where the error names the parameter of the request.
func afterFlag(err error) error {
	if code := commerce.CodeOf(err); code == commerce.Invalid || code == commerce.Gone {
		_, message, _ := strings.Cut(err.Error(), "query.after: ")
		if code == commerce.Invalid {
			return usagef("--after %s", message)
		}
		return fmt.Errorf("--after: %s: begin with --after oldest", message)
	}
	return err
}

// sleep reports whether the time has passed, and not ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

func (a *app) printEvent(e commerce.Event) {
	if a.json {
		a.printJSON(e)
		return
	}
	fmt.Fprintf(a.stdout, "%s  %s  %s\n", e.Time.Format("2006-01-02 15:04:05Z"), e.Type, about(e))
}

// shownKeys is how many keys a line shows.
const shownKeys = 5

// about tells in a line what an event is about.
func about(e commerce.Event) string {
	var data struct {
		Batch string `json:"batch"`
		Keys  []any  `json:"keys"`
	}
	if err := json.Unmarshal(e.Data, &data); err != nil || len(data.Keys) == 0 {
		return strings.TrimSpace(e.Subject + " " + schemas.Shorten(string(e.Data)))
	}
	var names []string
	for _, key := range data.Keys[:min(shownKeys, len(data.Keys))] {
		names = append(names, keyName(key))
	}
	line := strings.Join(names, ", ")
	if more := len(data.Keys) - shownKeys; more > 0 {
		line += fmt.Sprintf(" and %d more", more)
	}
	return line + " (batch " + data.Batch + ")"
}

// keyName writes a key in one word: its parts with slashes between them.
func keyName(key any) string {
	parts, several := key.([]any)
	if !several {
		return fmt.Sprint(key)
	}
	var texts []string
	for _, part := range parts {
		texts = append(texts, fmt.Sprint(part))
	}
	return strings.Join(texts, "/")
}

func (a *app) schemaEventsCommand() *cobra.Command {
	return &cobra.Command{
		Use: "events [TYPE]", Short: "List the types of events, or show the JSON Schema of one",
		Args: arguments(cobra.MaximumNArgs(1), "at most the type of an event"),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 1 {
				t, err := schemas.EventTypeOf(args[0])
				if err != nil {
					return usagef("%s (see: crossdock schema events)", err)
				}
				_, err = a.stdout.Write(t.Schema)
				return err
			}
			if a.json {
				a.printJSON(schemas.EventTypes())
				return nil
			}
			a.printTable(func(w io.Writer) {
				for _, t := range schemas.EventTypes() {
					fmt.Fprintf(w, "%s\t%s\n", t.Name, t.Doc)
				}
			})
			return nil
		},
	}
}

func (a *app) asyncAPICommand() *cobra.Command {
	return &cobra.Command{
		Use: "asyncapi", Short: "Print the AsyncAPI document of the events",
		Args: arguments(cobra.NoArgs, "no arguments"),
		RunE: func(*cobra.Command, []string) error {
			_, err := a.stdout.Write(schemas.AsyncAPI(version()))
			return err
		},
	}
}
