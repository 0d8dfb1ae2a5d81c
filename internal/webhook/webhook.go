package webhook

import (
	"context"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"portico/db"
	"portico/internal/secret"
)

// Webhooks publishes events and delivers them.
type Webhooks struct {
	DB    *db.DB
	Keys  *secret.Keyring
	Jobs  *river.Client[pgx.Tx] // inserts only
	Guard *Guard
	Now   func() time.Time // real time, also for customers who live on a test clock
	Log   *slog.Logger
	// TokenKey is the credential that a merchant's payment notifications carry.
	TokenKey func(ctx context.Context, merchantID int64) (secret.Text, error)
	// AccessToken is the merchant's own name for a subscription that was connected, nil for others.
	AccessToken func(ctx context.Context, merchantID, subscriptionID int64) (*secret.Text, error)
	// Mail tells merchants of endpoints that fail, with a link below PublicURL.
	Mail      Mailer
	PublicURL string

	// How long events and attempts are kept, in whole days from the last midnight (UTC). 0 stands for ever.
	EventRetention, AttemptRetention time.Duration

	// Linger is how long after an endpoint's last request its drain rests and waits for more, where there is room among those of this
	// process that do. Until then its events cost no job, lease and looks of their own.
	Linger time.Duration
	// RestFrom is how many requests of this process in five seconds make its drains rest. Where there are fewer, looking out for those who
	// rest costs more than their jobs.
	RestFrom int

	// What the drains of this process share.
	looks   group[lookFor, view]
	records group[record, struct{}]
	leases  group[db.EndLeaseParams, leaseEnd]
	idlers  idlers
	traffic traffic

	beat, pulse beat

	// Who follows in this process.
	eventWatchers, attemptWatchers watchers
}
