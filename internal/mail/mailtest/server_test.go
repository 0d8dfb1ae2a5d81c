package mailtest_test

import (
	"testing"

	"portico/internal/mail/mailtest"
)

// A server may be closed before it has begun to serve.
func TestAServerThatNobodyUsesEndsWithItsTest(t *testing.T) {
	t.Parallel()
	for range 500 {
		t.Run("one", func(t *testing.T) {
			t.Parallel()
			mailtest.NewServer(t)
		})
	}
}
