package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestListenComesBackSoonAfterAConnectionThatLasted(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ before, lasted, after time.Duration }{
		"the first time":                  {0, time.Second, 500 * time.Millisecond},
		"an outage goes on":               {4 * time.Second, 2 * time.Second, 8 * time.Second},
		"a long outage goes on":           {30 * time.Second, 0, 30 * time.Second},
		"it was there and is lost again":  {30 * time.Second, time.Minute, 500 * time.Millisecond},
		"it was there, without an outage": {0, time.Hour, 500 * time.Millisecond},
	} {
		require.Equal(t, c.after, reconnectAfter(c.before, c.lasted), name)
	}
}
