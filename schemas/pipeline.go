package schemas

import _ "embed" // the schema below

//go:embed pipeline.schema.json
var pipelineSchema []byte

// PipelineSchema returns the JSON Schema of pipeline files, for editors.
func PipelineSchema() []byte { return pipelineSchema }
