package conformance

import (
	"os"
	"testing"

	"portico/internal/proctest"
)

func TestMain(m *testing.M) { os.Exit(proctest.Main(m)) }
