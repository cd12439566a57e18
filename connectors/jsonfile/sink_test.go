package jsonfile

import (
	"testing"

	"crossdock/connectors/connectortest"
)

func TestSinks(t *testing.T) {
	for _, format := range Formats() {
		t.Run(format.Name, func(t *testing.T) {
			connectortest.RunSink(t, connectortest.SinkHarness{Format: format, Type: Type()})
		})
	}
}
