package hub_test

import (
	"testing"

	"go.uber.org/goleak"

	"crossdock/internal/store/storetest"
)

// TestMain holds runs and workers to ending what they have started.
func TestMain(m *testing.M) { goleak.VerifyTestMain(storetest.With(m)) }
