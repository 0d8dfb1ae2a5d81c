// Package idempotency owns the keys with which callers repeat a request without repeating what it does: the first answer to each is kept
// for a day and given again.
package idempotency

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"portico/db"
	"portico/internal/account"
)

// MaxKey is how many characters a key may have.
const MaxKey = 255

const (
	keepFor = 24 * time.Hour
	// Longer than any request may take: a key that is still reserved then belongs to a process that is gone.
	reserveFor = time.Minute
	finishIn   = 5 * time.Second
	// Keys are forgotten in batches of this size, so that no transaction is long.
	forgetBatch = 1_000
)

// What a key cannot be used for.
var (
	// ErrOther is returned for a key that came with another request before.
	ErrOther = errors.New("the key was used for another request: take a new key for each")
	// ErrRunning is returned while the first request with the key is being performed.
	ErrRunning = errors.New("the first request with this key is still being performed: send it again in a moment")
	// ErrWithheld is returned for a request that was performed and whose answer was secret.
	ErrWithheld = errors.New("the request with this key was performed, and its answer is not repeated: it held a secret, which is not kept")
)

// Keys remembers requests by their keys.
type Keys struct {
	DB  *db.DB
	Now func() time.Time
	Log *slog.Logger
}

// Request is one that carries a key.
type Request struct {
	MerchantID int64
	// Scope tells whose keys these are within the merchant; empty for all who act for it.
	Scope string
	Key   string // 1 to MaxKey characters
	// Hash is of everything that the answer depends on, the caller's permissions among it.
	Hash [32]byte
}

// Whose tells whose keys a caller's are within the merchant, as a request's scope: those who act for the merchant share theirs, so that
// a request may come again with another of its keys.
func Whose(caller account.Caller) string {
	switch caller.Kind {
	case account.KindMember, account.KindAPIKey:
		return ""
	default:
		return string(caller.Kind) + "/" + strconv.FormatInt(caller.ID(), 10)
	}
}

// Answer is what a request came to.
type Answer struct {
	Body []byte
	// Secret answers are not kept: the repetition of such a request is refused.
	Secret bool
}

// Once performs a request, or repeats what it was answered. An error of perform is returned as it is and frees the key, as does the end of
// a process within a minute; perform must be safe to be done again after either.
func (k *Keys) Once(ctx context.Context, r Request, perform func() (Answer, error)) (answer []byte, repeated bool, err error) {
	owner := rand.Text()
	for {
		reserved, err := k.reserve(ctx, r, owner)
		if err != nil {
			return nil, false, err
		}
		if reserved {
			break
		}
		answer, err := k.recall(ctx, r)
		if !db.IsNoRows(err) { // it has been freed in the meantime
			return answer, err == nil, err
		}
	}
	finished := false
	defer func() {
		if !finished { // after a panic, too
			k.finish(ctx, r, owner, nil)
		}
	}()
	given, err := perform()
	if err != nil {
		return nil, false, err
	}
	finished = true
	k.finish(ctx, r, owner, &given)
	return given.Body, false, nil
}

func (k *Keys) reserve(ctx context.Context, r Request, owner string) (bool, error) {
	now := k.Now()
	n, err := k.DB.ReserveIdempotencyKey(ctx, k.DB.Tenant(r.MerchantID), db.ReserveIdempotencyKeyParams{
		MerchantID: r.MerchantID, Scope: r.Scope, Key: r.Key, RequestHash: r.Hash[:], Owner: owner,
		ReservedUntil: now.Add(reserveFor), Now: now, Forgotten: now.Add(-keepFor),
	})
	if err != nil {
		return false, fmt.Errorf("reserve an idempotency key: %w", err)
	}
	return n == 1, nil
}

// recall gives the answer of whoever has the key.
func (k *Keys) recall(ctx context.Context, r Request) ([]byte, error) {
	known, err := k.DB.IdempotencyKey(ctx, k.DB.Tenant(r.MerchantID), db.IdempotencyKeyParams{MerchantID: r.MerchantID, Scope: r.Scope, Key: r.Key})
	switch {
	case err != nil:
		return nil, fmt.Errorf("look an idempotency key up: %w", err)
	case !bytes.Equal(known.RequestHash, r.Hash[:]):
		return nil, ErrOther
	case known.Status == "RUNNING":
		return nil, ErrRunning
	case known.Status == "WITHHELD":
		return nil, ErrWithheld
	}
	return known.Answer, nil
}

// finish keeps an answer, or frees the key when there is none. What was done is done, so that the caller gets its answer even if the
// key cannot be told.
func (k *Keys) finish(ctx context.Context, r Request, owner string, given *Answer) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishIn)
	defer cancel()
	tenant := k.DB.Tenant(r.MerchantID)
	var err error
	if given == nil {
		err = k.DB.FreeIdempotencyKey(ctx, tenant, db.FreeIdempotencyKeyParams{MerchantID: r.MerchantID, Scope: r.Scope, Key: r.Key, Owner: owner})
	} else {
		status, body := "ANSWERED", given.Body
		if given.Secret {
			status, body = "WITHHELD", nil
		}
		_, err = k.DB.AnswerIdempotencyKey(ctx, tenant, db.AnswerIdempotencyKeyParams{
			MerchantID: r.MerchantID, Scope: r.Scope, Key: r.Key, Owner: owner, Status: status, Answer: body,
		})
	}
	if err != nil {
		k.Log.ErrorContext(ctx, "an idempotency key stays reserved", "merchant", r.MerchantID, "error", err)
	}
}

// Retire forgets keys that are no longer kept.
func (k *Keys) Retire(ctx context.Context) error {
	for n := int64(forgetBatch); n == forgetBatch; {
		var err error
		n, err = k.DB.ForgetIdempotencyKeys(ctx, k.DB.System(), db.ForgetIdempotencyKeysParams{Forgotten: k.Now().Add(-keepFor), Most: forgetBatch})
		if err != nil {
			return fmt.Errorf("forget idempotency keys: %w", err)
		}
	}
	return nil
}
