package schemas

import "encoding/json"

// AsyncAPI returns the AsyncAPI 3.0 document of the events, for programs that
// consume them: a channel for each type, whose address is the routing key, and
// the schemas of what comes there.
func AsyncAPI(version string) json.RawMessage {
	channels, operations, messages, components := map[string]any{}, map[string]any{}, map[string]any{}, map[string]any{
		"cloudevent": cloudEventSchema(),
	}
	for _, t := range loadEventTypes() {
		message := map[string]any{"$ref": "#/components/messages/" + t.Name}
		channels[t.Name] = map[string]any{
			"address": t.Name, "description": t.Doc,
			"messages": map[string]any{t.Name: message},
		}
		operations[t.Name] = map[string]any{
			"action": "send", "summary": t.Doc,
			"channel":  map[string]any{"$ref": "#/channels/" + t.Name},
			"messages": []any{map[string]any{"$ref": "#/channels/" + t.Name + "/messages/" + t.Name}},
		}
		messages[t.Name] = map[string]any{
			"name": t.Name, "summary": t.Doc, "contentType": "application/cloudevents+json",
			"payload": map[string]any{"allOf": []any{
				map[string]any{"$ref": "#/components/schemas/cloudevent"},
				map[string]any{"properties": map[string]any{
					"type":   map[string]any{"const": t.Name},
					"source": map[string]any{"const": "/" + t.Service},
					"data":   map[string]any{"$ref": "#/components/schemas/" + t.Name},
				}},
			}},
		}
		components[t.Name] = t.Schema
	}
	return mustJSON(map[string]any{
		"asyncapi": "3.0.0",
		"info": map[string]any{
			"title": "Crossdock events", "version": version,
			"description": "What the services tell of, as CloudEvents 1.0. Each event comes at least once, with the same id every time, " +
				"and those of one service in the order of their sequence. On RabbitMQ they are published on the topic exchange crossdock.events, " +
				"the type being the routing key; over HTTP they are read at GET /v1/events.",
		},
		"defaultContentType": "application/cloudevents+json",
		"channels":           channels,
		"operations":         operations,
		"components":         map[string]any{"messages": messages, "schemas": components},
	})
}

// cloudEventSchema is what every event has around its data.
func cloudEventSchema() map[string]any {
	text := func(doc string) map[string]any { return map[string]any{"type": "string", "description": doc} }
	sequence := text("Grows from one event of a source to the next.")
	sequence["pattern"] = "^[0-9]{19}$"
	at := text("When it happened.")
	at["format"] = "date-time"
	id := text("The same each time that the event is delivered.")
	id["minLength"], id["maxLength"] = 1, 255
	return map[string]any{
		"type": "object",
		"required": []string{
			"specversion", "id", "source", "type", "time", "sequence", "datacontenttype", "data",
		},
		"properties": map[string]any{
			"specversion": map[string]any{"const": "1.0"},
			"id":          id,
			"source":      text("The service, such as /catalog."),
			"type":        text("What has happened."),
			"subject":     text("What it has happened to, where that is one thing."),
			"time":        at, "sequence": sequence,
			"traceparent":     text("W3C trace context of what made it happen."),
			"datacontenttype": map[string]any{"const": "application/json"},
			"data":            map[string]any{"type": "object"},
		},
	}
}
