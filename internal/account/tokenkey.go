package account

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/db"
	"portico/internal/fault"
	"portico/internal/secret"
)

// TokenKey is the credential that Portico and a merchant share: it authenticates the merchant's calls, and Portico sends it with
// payment notifications, so that the merchant can tell that they are Portico's. Hence it is stored sealed.
type TokenKey struct {
	Key         secret.Text
	CreatedAt   time.Time
	RolledUntil *time.Time // until when one that it replaced is accepted as well; nil when none is
}

// TokenKey is the one of the merchant that the caller acts for.
func (a *Accounts) TokenKey(ctx context.Context, caller Caller) (TokenKey, error) {
	return a.tokenKey(ctx, a.DB.Tenant(caller.MerchantID), caller.MerchantID)
}

// SentTokenKey is what payment notifications of the merchant carry.
func (a *Accounts) SentTokenKey(ctx context.Context, merchantID int64) (secret.Text, error) {
	sent, err := a.tokenKey(ctx, a.DB.Tenant(merchantID), merchantID)
	return sent.Key, err
}

// TokenKeyRoll replaces the merchant's token key: the new one is sent from now on, and the old one is accepted until the overlap
// ends.
func (a *Accounts) TokenKeyRoll(ctx context.Context, caller Caller, overlapSeconds int32) (TokenKey, error) {
	var check fault.Check
	ends := a.overlapEnd(&check, overlapSeconds)
	if err := check.Err(); err != nil {
		return TokenKey{}, err
	}
	var rolled TokenKey
	err := a.DB.Tenant(caller.MerchantID).Tx(ctx, func(tx pgx.Tx) error {
		row, err := a.DB.LockMerchant(ctx, tx, caller.MerchantID)
		if db.IsNoRows(err) {
			return fault.NotFound("", "merchant")
		}
		if err != nil {
			return err
		}
		now := a.Now()
		err = a.DB.ExpireTokenKey(ctx, tx, db.ExpireTokenKeyParams{MerchantID: row.ID, Now: &now, ExpiresAt: ends})
		if err != nil {
			return err
		}
		if err := a.insertTokenKey(ctx, tx, merchantOf(row)); err != nil {
			return err
		}
		rolled, err = a.tokenKey(ctx, tx, row.ID)
		return err
	})
	if err != nil {
		return TokenKey{}, fmt.Errorf("roll the token key: %w", err)
	}
	return rolled, nil
}

// TokenKeyIdentity names the column that holds a token key, as Keyring.Seal and Keyring.Open want it.
func TokenKeyIdentity(id int64) string { return "token_key/" + strconv.FormatInt(id, 10) + "/key" }

func (a *Accounts) tokenKey(ctx context.Context, tx db.DBTX, merchantID int64) (TokenKey, error) {
	row, err := a.DB.SentTokenKey(ctx, tx, merchantID)
	if db.IsNoRows(err) {
		return TokenKey{}, fault.NotFound("", "token key")
	}
	if err != nil {
		return TokenKey{}, fmt.Errorf("find the token key of merchant %d: %w", merchantID, err)
	}
	sent := row.TokenKey
	key, err := a.Keys.Open(TokenKeyIdentity(sent.ID), sent.KeyCipher)
	if err != nil {
		return TokenKey{}, fmt.Errorf("open token key %d: %w", sent.ID, err)
	}
	return TokenKey{Key: key, CreatedAt: sent.CreatedAt, RolledUntil: a.unlessPast(row.RolledUntil)}, nil
}

func (a *Accounts) insertTokenKey(ctx context.Context, tx db.DBTX, merchant Merchant) error {
	id, err := a.DB.NextTokenKeyID(ctx, tx)
	if err != nil {
		return fmt.Errorf("reserve a token key's id: %w", err)
	}
	key := secret.NewCredential(secret.KindTokenKey, !merchant.Sandbox())
	err = a.DB.InsertTokenKey(ctx, tx, db.InsertTokenKeyParams{
		MerchantID: merchant.ID, ID: id, KeyHash: a.Keys.Hash(key), KeyCipher: a.Keys.Seal(TokenKeyIdentity(id), key), CreatedAt: a.Now(),
	})
	if err != nil {
		return fmt.Errorf("insert a token key: %w", err)
	}
	return nil
}

func (a *Accounts) authenticateTokenKey(ctx context.Context, credential secret.Text, shop string) (Caller, error) {
	key, err := a.DB.TokenKeyByHash(ctx, a.DB.System(), a.Keys.Hash(credential))
	if db.IsNoRows(err) {
		return Caller{}, ErrUnauthenticated
	}
	if err != nil {
		return Caller{}, fmt.Errorf("authenticate a token key: %w", err)
	}
	if key.ExpiresAt != nil && !a.Now().Before(*key.ExpiresAt) {
		return Caller{}, ErrUnauthenticated
	}
	if shop != "" && shop != key.Shop {
		return Caller{}, foreignMerchant()
	}
	if err := refuseSuspended(key.SuspensionReason); err != nil {
		return Caller{}, err
	}
	return Caller{Kind: KindTokenKey, MerchantID: key.MerchantID}, nil
}

// unlessPast is an end that is yet to come.
func (a *Accounts) unlessPast(end *time.Time) *time.Time {
	if end == nil || !end.After(a.Now()) {
		return nil
	}
	return end
}
