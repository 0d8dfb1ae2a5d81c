package audit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"portico/db"
	"portico/internal/account"
)

// TokenKind is a sort of token that is minted for customers. Kinds are stored, so their names are permanent.
type TokenKind string

// The kinds of token.
const (
	LaunchToken TokenKind = "LAUNCH"
	PortalToken TokenKind = "PORTAL"
	AccessToken TokenKind = "ACCESS"
)

// An hour is unusual in which a customer gets more tokens of a kind than UsualAtMost, and more than UnusualTimes as many as in the
// average hour of the week before.
const (
	UsualAtMost  = 60
	UnusualTimes = 5

	week = 7 * 24 * time.Hour
	// RateUnusual is the action of the system's entry for a customer whose tokens come at an unusual rate.
	RateUnusual = "TOKEN_RATE_UNUSUAL"
)

// Mint performs an act that does nothing but make a token, which do is. As nothing is done before somebody has the token, one row
// afterwards suffices, written before Mint returns: without it the token must not be shown. Count makes the row an entry.
func (l *Log) Mint(ctx context.Context, caller account.Caller, act Act, kind TokenKind, do func() (Result, error)) (err error) {
	entry := l.entryOf(caller, act)
	finished := false
	defer func() {
		if !finished {
			err = errors.Join(err, l.write(context.WithoutCancel(ctx), entry, Failed, nil))
		}
	}()
	result, err := do()
	finished = true
	if result.Object != "" {
		entry.Object = &result.Object
	}
	outcome, code := outcomeOf(result, err)
	if outcome != Done {
		return errors.Join(err, l.write(context.WithoutCancel(ctx), entry, outcome, code))
	}
	if result.CustomerID == 0 || entry.Object == nil || entry.MerchantID == nil {
		return fmt.Errorf("record %s: a token is some customer's", act.Action)
	}
	return l.count(ctx, entry, kind, result.CustomerID, false)
}

// RecordToken is Record for an act that makes a token after it has done something else: the token is counted as those of Mint are, before
// RecordToken returns.
func (l *Log) RecordToken(ctx context.Context, caller account.Caller, act Act, kind TokenKind, do func() (Result, error)) error {
	var result Result
	err := l.Record(ctx, caller, act, func() (_ Result, err error) {
		result, err = do()
		return result, err
	})
	if outcome, _ := outcomeOf(result, err); outcome != Done || result.CustomerID == 0 {
		return err
	}
	entry := l.entryOf(caller, act)
	// The release before looks at the request id, where this one looks at HasEntry.
	entry.Object, entry.RequestID = &result.Object, ""
	return l.count(ctx, entry, kind, result.CustomerID, true)
}

// count has a token counted, and made an entry unless its act has one.
func (l *Log) count(ctx context.Context, entry db.RecordAuditEntryParams, kind TokenKind, customerID int64, hasEntry bool) error {
	err := l.DB.RecordMint(ctx, l.scope(entry.MerchantID), db.RecordMintParams{
		MerchantID: *entry.MerchantID, MintedAt: entry.BegunAt, Kind: string(kind), CustomerID: customerID, ActorKind: entry.ActorKind,
		ActorID: entry.ActorID, Action: entry.Action, Fields: entry.Fields, Object: *entry.Object, RequestID: entry.RequestID,
		Address: entry.Address, UserAgent: entry.UserAgent, HasEntry: hasEntry,
	})
	if err != nil {
		return fmt.Errorf("record a token of %s: %w", entry.Action, err)
	}
	return nil
}

// Count makes entries of the tokens that were minted since it last ran, counts them by customer, kind and hour, and flags the first
// unusual hour of a customer's day. Hours and days are those of UTC.
func (l *Log) Count(ctx context.Context) error {
	return inSlices("count tokens", func() (int64, error) {
		counted, err := l.DB.CountMints(ctx, l.DB.System(), db.CountMintsParams{
			Most: slice, UsualAtMost: UsualAtMost, Times: UnusualTimes, Now: l.Now(), Action: RateUnusual,
		})
		if len(counted.Customers) > 0 {
			l.Log.WarnContext(ctx, "tokens are minted at an unusual rate", "customers", counted.Customers)
		}
		return counted.Minted, err
	})
}

// Usage is how many tokens of a kind were minted for a customer in an hour.
type Usage struct {
	Hour    time.Time // its first instant, in UTC
	Kind    TokenKind
	Count   int64
	Flagged bool // the first unusual one of its day
}

// TokenUsage is that of the last seven days, newest first, by customer of the caller's merchant. Hours without tokens are left out.
func (l *Log) TokenUsage(ctx context.Context, caller account.Caller, customerIDs []int64) (map[int64][]Usage, error) {
	rows, err := l.DB.TokenUsage(ctx, l.DB.Tenant(caller.MerchantID), db.TokenUsageParams{
		MerchantID: caller.MerchantID, CustomerIds: customerIDs, Since: l.Now().Add(-week),
	})
	if err != nil {
		return nil, fmt.Errorf("read the token usage of customers: %w", err)
	}
	found := map[int64][]Usage{}
	for _, row := range rows {
		found[row.CustomerID] = append(found[row.CustomerID],
			Usage{Hour: row.Hour.UTC(), Kind: TokenKind(row.Kind), Count: row.Count, Flagged: row.Flagged})
	}
	return found, nil
}
