package api

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"reflect"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"crossdock/hub"
)

// registerMended adds the way back of exports that were mended.
func (s *server) registerMended(api huma.API) {
	form := &huma.Schema{
		Type: "object", Required: []string{"file", "by"},
		Properties: map[string]*huma.Schema{
			"file":    {Type: "string", Format: "binary", Description: "The mended workbook or CSV file, under its name"},
			"by":      {Type: "string", Description: "Who has mended it"},
			"dry_run": {Type: "boolean", Description: "Say what would happen, and change nothing"},
		},
	}
	problem := problems(api)
	op := &huma.Operation{
		OperationID: "import-mended-errors", Method: http.MethodPost, Path: "/v1/errors:import", Tags: []string{"errors"},
		Summary: "Take back an export of rejected rows that was mended, and replay its rows",
		Description: "Rows are known by their `_row_token`, whatever their order and whichever columns are left. Cells that differ from what was " +
			"exported are recorded as edits, and exactly these rows are replayed. The same file a second time changes nothing.",
		RequestBody: &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"multipart/form-data": {Schema: form}}},
		Responses: map[string]*huma.Response{
			"200": {
				Description: "What became of the rows",
				Content: map[string]*huma.MediaType{"application/json": {
					Schema: huma.SchemaFromType(api.OpenAPI().Components.Schemas, reflect.TypeFor[hub.MendReport]()),
				}},
			},
			"400": problem("The body is not a whole form"),
			"409": problem("A pipeline concerned is running: send the file again later"),
			"413": problem("The file is too large"),
			"415": problem("The body is not multipart/form-data"),
			"422": problem("A part is missing or wrong, or the file is no export of rejected rows"),
			"503": problem("Too many uploads at a time"),
		},
	}
	api.OpenAPI().AddOperation(op)
	api.Adapter().Handle(op, api.Middlewares().Handler(func(hc huma.Context) {
		ctx := context.WithoutCancel(hc.Context()) // what is begun is finished, whether or not the client waits
		report, err := s.mend(ctx, hc)
		if err != nil {
			s.refuse(ctx, api, hc, "import-mended-errors", answerTo(err))
			return
		}
		hc.SetHeader("Content-Type", "application/json")
		hc.SetStatus(http.StatusOK)
		_ = json.NewEncoder(hc.BodyWriter()).Encode(report)
	}))
}

func (s *server) mend(ctx context.Context, hc huma.Context) (hub.MendReport, error) {
	var upload *hub.Upload
	defer func() {
		if upload != nil {
			_ = upload.Drop() // its edits are kept, and it has done its work
		}
	}()
	form, release, err := s.openForm(hc, "the parts file and by, as in: curl -F by=kim -F file=@mended.xlsx")
	if err != nil {
		return hub.MendReport{}, err
	}
	defer release()
	parts := map[string]string{}
	for {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return hub.MendReport{}, huma.Error400BadRequest("the body ends before the form does, or is no form", err)
		}
		name := part.FormName()
		_, twice := parts[name]
		switch {
		case name == "file" && upload == nil:
			upload, err = s.file(part)
		case (name == "by" || name == "dry_run") && !twice:
			parts[name], err = shortPart(name, part)
		default:
			err = invalid("body."+name, name, "is not expected here: send the parts file, by and, if need be, dry_run once each")
		}
		if err != nil {
			return hub.MendReport{}, err
		}
	}
	options := hub.MendOptions{By: strings.TrimSpace(parts["by"])}
	if text := parts["dry_run"]; text != "" {
		if options.DryRun, err = strconv.ParseBool(text); err != nil {
			return hub.MendReport{}, invalid("body.dry_run", text, "must be true or false")
		}
	}
	switch {
	case upload == nil:
		return hub.MendReport{}, invalid("body.file", nil, "is missing: send the mended file as part file")
	case options.By == "":
		return hub.MendReport{}, invalid("body.by", nil, "is missing: say who has mended the file")
	}
	report, err := s.Hub.Mend(ctx, upload.Input(), options)
	if hub.IsAboutFile(err) {
		err = invalid("body.file", upload.Name, err.Error())
	}
	return report, err
}

// shortPart reads a part that is a name.
func shortPart(name string, part io.Reader) (string, error) {
	text, err := io.ReadAll(io.LimitReader(part, maxNameBytes+1))
	if err != nil {
		return "", huma.Error400BadRequest("the body ends before the form does", err)
	}
	if len(text) > maxNameBytes {
		return "", invalid("body."+name, nil, "is longer than 200 bytes")
	}
	return string(text), nil
}
