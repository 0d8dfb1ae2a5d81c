package graph

import (
	"sync"
	"time"

	"portico/internal/account"
	"portico/internal/fault"
)

// seatWait is when to try again for a connection.
const seatWait = 10 * time.Second

var (
	errFull  error = fault.New(fault.CodeThrottled, "", "this server has no room for another open connection: try again in a moment")
	errSeats error = fault.New(fault.CodeThrottled, "", "too many connections of this caller are open: close one, or follow several things over one WebSocket")
)

// payer is whose seats a caller takes: those that share a bucket of points share these, too.
func (x *exchange) payer(caller account.Caller) string {
	key, _ := x.handler.rates.Payer(caller, x.origin.Address)
	return key
}

// seats are the connections of a process that stay open.
type seats struct {
	limits Limits

	mu    sync.Mutex
	taken map[string]int
	all   int
}

func newSeats(limits Limits) *seats { return &seats{limits: limits, taken: map[string]int{}} }

// take takes a seat for a caller's key, until it is left.
func (s *seats) take(key string) (leave func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.all >= s.limits.Connections:
		return nil, errFull
	case s.taken[key] >= s.limits.CallerConnections:
		return nil, errSeats
	}
	s.all++
	s.taken[key]++
	return func() { s.leave(key) }, nil
}

func (s *seats) leave(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all--
	if s.taken[key]--; s.taken[key] == 0 {
		delete(s.taken, key)
	}
}
