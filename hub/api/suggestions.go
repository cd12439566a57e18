package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"crossdock/connectors"
	"crossdock/hub"
	"crossdock/pipelines"
	"crossdock/pipelines/suggest"
)

// registerSuggestions adds the proposal of a pipeline for a file, which is
// received as imports are, and dropped when it has been looked at.
func (s *server) registerSuggestions(api huma.API) {
	form := &huma.Schema{
		Type: "object", Required: []string{"file"},
		Properties: map[string]*huma.Schema{
			"entity": {Type: "string", Description: "What the rows are; else it is guessed"},
			"file":   {Type: "string", Format: "binary", Description: "The file to propose a pipeline for"},
		},
	}
	problem := problems(api)
	proposal := huma.SchemaFromType(api.OpenAPI().Components.Schemas, reflect.TypeFor[suggest.Proposal]())
	op := &huma.Operation{
		OperationID: "create-suggestion", Method: http.MethodPost, Path: "/v1/suggestions", Tags: []string{"imports"},
		Summary:     "Propose a pipeline for a file",
		Description: fmt.Sprintf("The file, of at most %d bytes, is looked at and not kept. The member yaml of the answer is the pipeline as text.", s.MaxUploadBytes),
		RequestBody: &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"multipart/form-data": {Schema: form}}},
		Responses: map[string]*huma.Response{
			"200": {Description: "The proposal", Content: map[string]*huma.MediaType{"application/json": {Schema: proposal}}},
			"400": problem("The body is not a whole form"),
			"413": problem("The file is too large"),
			"415": problem("The body is not multipart/form-data"),
			"422": problem("A part is missing, unknown or wrong, or the file cannot be read"),
			"503": problem("Too many uploads at a time"),
		},
	}
	api.OpenAPI().AddOperation(op)
	api.Adapter().Handle(op, api.Middlewares().Handler(func(hc huma.Context) {
		p, err := s.suggest(hc.Context(), hc)
		if err != nil {
			s.refuse(hc.Context(), api, hc, "suggestion", err)
			return
		}
		hc.SetHeader("Content-Type", "application/json")
		_ = json.NewEncoder(hc.BodyWriter()).Encode(p)
	}))
}

// suggest reads the form, and proposes a pipeline for its file.
func (s *server) suggest(ctx context.Context, hc huma.Context) (*suggest.Proposal, error) {
	form, release, err := s.openForm(hc, "the part file, as in: curl -F file=@products.csv")
	if err != nil {
		return nil, err
	}
	defer release()
	var upload *hub.Upload
	defer func() {
		if upload != nil {
			_ = upload.Drop() // it was looked at
		}
	}()
	entity := ""
	for {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, huma.Error400BadRequest("the body ends before the form does, or is no form", err)
		}
		switch name := part.FormName(); {
		case name == "entity" && entity == "":
			entity, err = s.entity(part)
		case name == "file" && upload == nil:
			upload, err = s.file(part)
		default:
			err = invalid("body."+name, name, "is not expected here: send the part file, and entity where it is known, once each")
		}
		if err != nil {
			return nil, err
		}
	}
	if upload == nil {
		return nil, invalid("body.file", nil, "is missing: send the file as part file")
	}
	p, err := s.Hub.SuggestFor(ctx, upload, entity)
	if e, ok := errors.AsType[*connectors.Error](err); ok || pipelines.IsSetting(err) || errors.Is(err, suggest.ErrNoMatch) {
		message := err.Error()
		if ok && e.Hint != "" {
			message += " (" + e.Hint + ")"
		}
		return nil, invalid("body.file", nil, message)
	}
	return p, err
}

func (s *server) entity(part io.Reader) (string, error) {
	text, err := io.ReadAll(io.LimitReader(part, maxNameBytes))
	if err != nil {
		return "", huma.Error400BadRequest("the body ends before the form does", err)
	}
	if _, err := s.Hub.Registry.Entity(string(text)); err != nil {
		return "", invalid("body.entity", string(text), err.Error())
	}
	return string(text), nil
}
