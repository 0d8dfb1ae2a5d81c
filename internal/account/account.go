// Package account owns who is calling and for whom: merchants, their members, sessions, invitations and API keys, their customers
// and the companies that hold what customers buy.
package account

import (
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/riverqueue/river"

	"portico/db"
	"portico/internal/secret"
	"portico/internal/webhook"
)

// Accounts performs the operations of this package. Use it by its address.
type Accounts struct {
	DB   *db.DB
	Keys *secret.Keyring
	Now  func() time.Time
	Mail Mailer
	Jobs *river.Client[pgx.Tx] // inserts only
	// Webhooks tells merchants of new customers.
	Webhooks *webhook.Webhooks
	// PublicURL is the address under which people reach this installation, without a slash at its end.
	PublicURL string
	// PortalFeeBPS is Portico's share of each payment to a merchant that signs up, in basis points.
	PortalFeeBPS int32

	hashing slots
	seen    seenKeys
	origins seenOrigins
}

const day = 24 * time.Hour

// uniqueViolation is the SQLSTATE of a value that must be unique and is in use.
const uniqueViolation = "23505"

// violates tells whether err says that the unique constraint did not hold.
func violates(err error, constraint string) bool {
	var refused *pgconn.PgError
	return errors.As(err, &refused) && refused.Code == uniqueViolation && refused.ConstraintName == constraint
}

// convert makes what the domain shows of rows.
func convert[Row, T any](rows []Row, of func(Row) T) []T {
	converted := make([]T, len(rows))
	for i, row := range rows {
		converted[i] = of(row)
	}
	return converted
}

// byID makes a map of what the domain shows of rows, for callers that look up many at once.
func byID[Row, T any](rows []Row, of func(Row) (int64, T)) map[int64]T {
	found := make(map[int64]T, len(rows))
	for _, row := range rows {
		id, converted := of(row)
		found[id] = converted
	}
	return found
}
