package webhook_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portico/internal/webhook"
)

// crowd is a receiver that notes whose requests it gets, refuses two events of each subscription once, and notices when two of a
// subscription are under way together.
type crowd struct {
	*inbox
	mu       sync.Mutex
	underWay map[string]bool
	refused  map[string]bool
	together int
	owners   map[int64]bool
}

func (m *merchant) crowd(t *testing.T) *crowd {
	t.Helper()
	c := &crowd{underWay: map[string]bool{}, refused: map[string]bool{}, owners: map[int64]bool{}}
	c.inbox = receive(t, func(out http.ResponseWriter, body string) {
		_, subscription, _ := strings.Cut(body, `"subscriptionId":`)
		var owner int64
		c.mu.Lock()
		if c.underWay[subscription] {
			c.together++
		}
		c.underWay[subscription] = true
		if !c.refused[body] && (strings.Contains(body, `"sequence":7,`) || strings.Contains(body, `"sequence":14,`)) {
			c.refused[body] = true
			out.WriteHeader(http.StatusInternalServerError)
		}
		c.mu.Unlock()
		err := m.w.DB.Tenant(m.id).QueryRow(t.Context(), `select lease_owner from webhook_endpoint where merchant_id = $1`, m.id).Scan(&owner)
		c.mu.Lock()
		defer c.mu.Unlock()
		if err == nil {
			c.owners[owner] = true
		}
		delete(c.underWay, subscription)
	})
	return c
}

// processes is how many of the two had the endpoint.
func (c *crowd) processes() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	of := map[int64]bool{}
	for owner := range c.owners {
		of[owner%2] = true
	}
	return len(of)
}

func TestASubscriptionsEventsStayInOrderWithTenDrainsOfTwoProcesses(t *testing.T) {
	t.Parallel()
	const subscriptions, atLeast, drains = 6, 20, 10
	w := newWorld(t)
	m := w.merchant(t)
	ids := m.subscriptions(t, subscriptions)
	r := m.crowd(t)
	e, _ := m.endpoint(t, r.URL)
	processes := [2]*webhook.Webhooks{w.Webhooks, w.process(t)}
	enough := make(chan struct{})
	done := make(chan error)
	for i := range drains {
		go func() {
			var err error
			for owner := int64(i + 1); err == nil; owner += drains {
				if err = processes[i%2].Drain(t.Context(), m.job(e), owner); err != nil {
					break
				}
				select {
				case <-enough:
					done <- nil
					return
				case <-time.After(5 * time.Millisecond): // most find that another has the endpoint
				}
			}
			done <- err
		}()
	}
	// Slices end every half a second, and what was refused is due after a moment.
	timePassesUntil := func(is func() bool) {
		t.Helper()
		require.Eventually(t, func() bool {
			w.clock.advance(2 * time.Second)
			return is()
		}, patience, 100*time.Millisecond)
	}
	published := 0
	for ; published < atLeast || r.processes() < 2; published++ {
		m.publish(t, ids...)
		timePassesUntil(func() bool { return len(r.got()) > subscriptions*published })
	}
	timePassesUntil(func() bool { return m.ask(t, `select count(*) from webhook_delivery where merchant_id = $1`) == 0 })
	close(enough)
	for range drains {
		require.NoError(t, <-done)
	}
	require.Zero(t, r.together, "one at a time")
	var want []string
	for n := 1; n <= published; n++ {
		want = append(want, fmt.Sprint(n))
		if n == 7 || n == 14 {
			want = append(want, fmt.Sprint(n)) // refused, and sent again before any later one
		}
	}
	for _, id := range ids {
		require.Equal(t, strings.Join(want, " "), r.orderOf(id))
	}
}
