// Package outage owns how it is told that the database is away, and nothing is wrong with a request or with us.
package outage

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// Public is what callers are told.
const Public = "This service is not available at the moment. Try again in a few seconds."

// Is tells whether err comes of a database that cannot be reached, is stopping or starting, or takes no more connections. A database that
// does not answer in time is not among it: that may be the request's fault.
func Is(err error) bool {
	var connecting *pgconn.ConnectError
	if errors.As(err, &connecting) {
		return true
	}
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		const connection, stopping, full = "08", "57P", "53300"
		return strings.HasPrefix(refused.Code, connection) || strings.HasPrefix(refused.Code, stopping) || refused.Code == full
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	var broken *net.OpError // no other network is used while somebody waits for an answer
	return errors.As(err, &broken) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed)
}
