package csvfile

import (
	"testing"

	"crossdock/connectors/connectortest"
)

func TestSink(t *testing.T) {
	connectortest.RunSink(t, connectortest.SinkHarness{Format: Format(), Type: Type()})
}
