package account

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"portico/db"
	"portico/internal/fault"
	"portico/internal/secret"
)

// bucket holds attempts: so many at once, and then one more after each pause. Buckets of one thing with longer and longer pauses
// make the delays grow.
type bucket struct {
	name  string // of what is counted, and by what
	most  int
	pause time.Duration
}

// Each table begins with the buckets of the network, so that one that is refused takes nothing from anybody else's.

// guesses bound who may try passwords: of one account, whoever tries, and from one network, whatever accounts. Where the owner of the
// account is signed in, strangers' guesses do not count, so that nobody can keep the owner out by guessing.
func (a *Accounts) guesses(ctx context.Context, from Origin, email string) ([]bucket, error) {
	account := strings.ToLower(email)
	if from.Address.IsValid() {
		known, err := a.DB.SignedInFrom(ctx, a.DB.Pool(), db.SignedInFromParams{Email: email, Now: a.Now(), Network: from.network()})
		if err != nil {
			return nil, fmt.Errorf("look where a member is signed in: %w", err)
		}
		if known {
			account += "/at/" + from.network()
		}
	}
	return from.buckets([]bucket{
		{"guess/network/", 30, 20 * time.Second},
		{"guess/network/day/", 300, 5 * time.Minute},
	}, []bucket{
		{"guess/account/" + account, 5, time.Minute},
		{"guess/account/day/" + account, 30, 30 * time.Minute},
	}), nil
}

// operatorGuesses bound who may try operators' passwords: from one network. An account has no bucket of its own, so that a stranger who
// knows an operator's address cannot keep the operator out; behind the password there is always the second factor.
func operatorGuesses(from Origin) []bucket {
	return from.buckets([]bucket{
		{"guess/operator/network/", 10, time.Minute},
		{"guess/operator/network/day/", 60, 20 * time.Minute},
	}, nil)
}

// signUps bound how many merchants one network opens.
func signUps(from Origin) []bucket {
	return from.buckets([]bucket{{"signup/network/", 60, time.Minute}}, nil)
}

// resets bound how many mails one network asks for.
func resets(from Origin) []bucket {
	return from.buckets([]bucket{{"reset/network/", 20, time.Minute}}, nil)
}

// mails bound how many mails of one kind an address gets that anybody may ask for.
func mails(kind, email string) []bucket {
	return []bucket{{"mail/" + kind + "/" + strings.ToLower(email), 3, 20 * time.Minute}}
}

// invitations bound how many mails a merchant sends to people who have not asked for them.
func invitations(merchantID int64) []bucket {
	return []bucket{{fmt.Sprintf("invitation/merchant/%d", merchantID), 30, 10 * time.Minute}}
}

func (o Origin) buckets(ofNetwork, others []bucket) []bucket {
	if !o.Address.IsValid() {
		return others
	}
	for i := range ofNetwork {
		ofNetwork[i].name += o.network()
	}
	return append(ofNetwork, others...)
}

// take takes an attempt from each bucket in turn. From the first that is empty on it takes nothing: THROTTLED.
func (a *Accounts) take(ctx context.Context, buckets []bucket) error {
	now := a.Now()
	for _, b := range buckets {
		key, brim := a.bucketKey(b), now.Add(time.Duration(b.most)*b.pause)
		taken, err := a.DB.TakeAttempt(ctx, a.DB.Pool(), db.TakeAttemptParams{KeyHash: key, Moment: now, Step: interval(b.pause), Brim: brim})
		if err != nil {
			return fmt.Errorf("count an attempt: %w", err)
		}
		if taken {
			continue
		}
		full, err := a.DB.AttemptsFullAt(ctx, a.DB.Pool(), key)
		if err != nil && !db.IsNoRows(err) {
			return fmt.Errorf("read when there is another attempt: %w", err)
		}
		return fault.Throttled(max(full.Add(b.pause).Sub(brim), time.Second))
	}
	return nil
}

// giveBack puts back what take took, for an attempt that was none against anybody.
func (a *Accounts) giveBack(ctx context.Context, buckets []bucket) error {
	for _, b := range buckets {
		err := a.DB.GiveBackAttempt(ctx, a.DB.Pool(), db.GiveBackAttemptParams{KeyHash: a.bucketKey(b), Step: interval(b.pause)})
		if err != nil {
			return fmt.Errorf("give an attempt back: %w", err)
		}
	}
	return nil
}

// bucketKey keeps addresses out of the table.
func (a *Accounts) bucketKey(b bucket) []byte { return a.Keys.Hash(secret.Text("limit/" + b.name)) }

func interval(d time.Duration) pgtype.Interval {
	return pgtype.Interval{Microseconds: d.Microseconds(), Valid: true}
}
