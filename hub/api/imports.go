package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"crossdock/hub"
	"crossdock/pipelines"
)

// registerImports adds the upload. Its body is streamed to disk as it arrives,
// which typed operations cannot do, so that it is a handler of its own with a
// description written by hand.
func (s *server) registerImports(api huma.API) {
	form := &huma.Schema{
		Type: "object", Required: []string{"pipeline", "file"},
		Properties: map[string]*huma.Schema{
			"pipeline": {Type: "string", Description: "Name of the pipeline that reads the file"},
			"file":     {Type: "string", Format: "binary", Description: "The file, as the pipeline's connector reads it"},
			"again":    {Type: "boolean", Description: "Whether to apply a file that was applied last once more"},
		},
	}
	run := huma.SchemaFromType(api.OpenAPI().Components.Schemas, reflect.TypeFor[Run]())
	problem := problems(api)
	op := &huma.Operation{
		OperationID: "create-import", Method: http.MethodPost, Path: "/v1/imports", Tags: []string{"imports"},
		Summary:     "Upload a file and run a pipeline over it",
		Description: fmt.Sprintf("The file, of at most %d bytes, is safe when 202 is answered. Follow the run at the Location of the answer.", s.MaxUploadBytes),
		RequestBody: &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"multipart/form-data": {Schema: form}}},
		Responses: map[string]*huma.Response{
			"200": {
				Description: "The file was sent before, and nothing else since: the answer is its run, and no other is queued",
				Headers:     map[string]*huma.Header{"Location": {Schema: &huma.Schema{Type: "string"}, Description: "Address of the run"}},
				Content:     map[string]*huma.MediaType{"application/json": {Schema: run}},
			},
			"202": {
				Description: "The file is safe and the run is queued",
				Headers:     map[string]*huma.Header{"Location": {Schema: &huma.Schema{Type: "string"}, Description: "Address of the run"}},
				Content:     map[string]*huma.MediaType{"application/json": {Schema: run}},
			},
			"400": problem("The body is not a whole form"),
			"413": problem("The file is too large"),
			"415": problem("The body is not multipart/form-data"),
			"422": problem("A part is missing, unknown or wrong"),
			"503": problem("Too many uploads at a time"),
		},
	}
	api.OpenAPI().AddOperation(op)
	api.Adapter().Handle(op, api.Middlewares().Handler(func(hc huma.Context) {
		s.createImport(api, hc)
	}))
}

// problems returns what describes an answer that tells what is wrong.
func problems(api huma.API) func(description string) *huma.Response {
	return func(description string) *huma.Response {
		return &huma.Response{Description: description, Content: map[string]*huma.MediaType{
			"application/problem+json": {Schema: huma.SchemaFromType(api.OpenAPI().Components.Schemas, reflect.TypeFor[huma.ErrorModel]())},
		}}
	}
}

// Bounds of uploads: how many are received at a time, and how long one may
// stand still.
const (
	maxUploads  = 16
	stallsAfter = time.Minute
)

// A patientReader gives the client a while for each piece of the body, however
// long the whole may take.
type patientReader struct {
	io.Reader
	connection *http.ResponseController
	clock      func() time.Time
}

func (r *patientReader) Read(p []byte) (int, error) {
	// Without a connection that has deadlines, as in tests, there is none.
	_ = r.connection.SetReadDeadline(r.clock().Add(stallsAfter))
	return r.Reader.Read(p)
}

func (s *server) createImport(api huma.API, hc huma.Context) {
	// An upload may take longer than an operation may; what is read of the form
	// is queued whether or not the client waits for the answer.
	ctx := context.WithoutCancel(hc.Context())
	v, queued, err := s.receive(ctx, hc)
	if err != nil {
		s.refuse(ctx, api, hc, "import", err)
		return
	}
	hc.SetHeader("Content-Type", "application/json")
	hc.SetHeader("Location", "/v1/runs/"+v.ID)
	if queued {
		hc.SetStatus(http.StatusAccepted)
	}
	_ = json.NewEncoder(hc.BodyWriter()).Encode(v)
}

// refuse answers a form that came to nothing.
func (s *server) refuse(ctx context.Context, api huma.API, hc huma.Context, doing string, err error) {
	var status huma.StatusError
	if !errors.As(err, &status) {
		s.Log.ErrorContext(ctx, doing, "error", err)
		status = huma.Error500InternalServerError("internal error")
	}
	var errs []error
	if model, ok := status.(*huma.ErrorModel); ok {
		for _, detail := range model.Errors {
			errs = append(errs, detail)
		}
	}
	_ = huma.WriteErr(api, hc, status.GetStatus(), status.Error(), errs...)
}

// openForm begins to read a form. The caller calls release when it is done.
func (s *server) openForm(hc huma.Context, expected string) (form *multipart.Reader, release func(), err error) {
	media, params, err := mime.ParseMediaType(hc.Header("Content-Type"))
	if err != nil || media != "multipart/form-data" || params["boundary"] == "" {
		return nil, nil, huma.NewError(http.StatusUnsupportedMediaType, "send multipart/form-data with "+expected)
	}
	select {
	case s.uploads <- struct{}{}:
	default:
		return nil, nil, huma.Error503ServiceUnavailable(fmt.Sprintf("%d uploads are being received: try again in a minute", maxUploads))
	}
	_, w := humago.Unwrap(hc)
	body := &patientReader{hc.BodyReader(), http.NewResponseController(w), s.Hub.Clock}
	return multipart.NewReader(body, params["boundary"]), func() { <-s.uploads }, nil
}

// receive reads the form: the parts pipeline, file and again, in any order. It
// reports whether the run that it returns was queued for it.
func (s *server) receive(ctx context.Context, hc huma.Context) (v Run, queued bool, err error) {
	form, release, err := s.openForm(hc, "the parts pipeline and file, as in: curl -F pipeline=acme-catalog -F file=@products.csv")
	if err != nil {
		return Run{}, false, err
	}
	defer release()
	var upload *hub.Upload
	var pipeline *pipelines.Pipeline
	var again *bool
	defer func() {
		if upload != nil {
			_ = upload.Drop() // the form was refused
		}
	}()
	for {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return Run{}, false, huma.Error400BadRequest("the body ends before the form does, or is no form", err)
		}
		switch name := part.FormName(); {
		case name == "pipeline" && pipeline == nil:
			pipeline, err = s.pipeline(ctx, part)
		case name == "file" && upload == nil:
			upload, err = s.file(part)
		case name == "again" && again == nil:
			again, err = truth(part)
		default:
			err = invalid("body."+name, name, "is not expected here: send the parts pipeline, file and again once each")
		}
		if err != nil {
			return Run{}, false, err
		}
	}
	switch {
	case pipeline == nil:
		return Run{}, false, invalid("body.pipeline", nil, "is missing: name the pipeline that reads the file")
	case upload == nil:
		return Run{}, false, invalid("body.file", nil, "is missing: send the file as part file")
	}
	run, queued, err := s.Hub.Queue(ctx, pipeline, upload, again != nil && *again)
	if err != nil {
		return Run{}, false, err
	}
	if queued {
		upload = nil // the run's from here on
	}
	return s.view(run), queued, nil
}

// truth reads a part that is true or false.
func truth(part io.Reader) (*bool, error) {
	text, err := io.ReadAll(io.LimitReader(part, maxNameBytes))
	if err != nil {
		return nil, huma.Error400BadRequest("the body ends before the form does", err)
	}
	if s := string(text); s != "true" && s != "false" {
		return nil, invalid("body.again", s, "must be true or false")
	}
	value := string(text) == "true"
	return &value, nil
}

const maxNameBytes = 200

func (s *server) pipeline(ctx context.Context, part io.Reader) (*pipelines.Pipeline, error) {
	text, err := io.ReadAll(io.LimitReader(part, maxNameBytes+1))
	if err != nil {
		return nil, huma.Error400BadRequest("the body ends before the form does", err)
	}
	if len(text) > maxNameBytes {
		return nil, invalid("body.pipeline", nil, "is too long for the name of a pipeline")
	}
	p, err := s.Hub.Find(ctx, string(text))
	if errors.Is(err, hub.ErrUnknownPipeline) {
		return nil, invalid("body.pipeline", string(text), err.Error())
	}
	return p, err
}

func (s *server) file(part *multipart.Part) (*hub.Upload, error) {
	upload, err := s.Hub.Receive(part.FileName(), part, s.MaxUploadBytes)
	switch {
	case errors.Is(err, hub.ErrTooLarge):
		return nil, huma.NewError(http.StatusRequestEntityTooLarge, err.Error(), detail("body.file", nil, err.Error()))
	case errors.Is(err, hub.ErrEmpty):
		return nil, invalid("body.file", nil, err.Error())
	case errors.Is(err, io.ErrUnexpectedEOF):
		return nil, huma.Error400BadRequest("the body ends before the form does", err)
	case err != nil:
		return nil, err
	}
	return upload, nil
}

func detail(location string, value any, message string) *huma.ErrorDetail {
	return &huma.ErrorDetail{Location: location, Message: message, Value: value}
}

func invalid(location string, value any, message string) error {
	return huma.Error422UnprocessableEntity(location+" "+message, detail(location, value, message))
}
