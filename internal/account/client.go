package account

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"portico/db"
	"portico/internal/fault"
	"portico/internal/page"
	"portico/internal/secret"
)

// Client is a credential for a product's servers: a public client id and a secret, which is stored as a hash.
type Client struct {
	ID          int64
	ProductID   int64 // the only product that it reaches
	ClientID    string
	Name        string
	Hint        string // the first characters of the newest secret, to recognise it by
	CreatedAt   time.Time
	LastUsedAt  *time.Time // to the minute
	RevokedAt   *time.Time
	RolledUntil *time.Time // until when an older secret is accepted as well; nil when none is
}

func (a *Accounts) clientOf(row db.ClientsRow) Client {
	c := row.Client
	return Client{
		ID: c.ID, ProductID: c.ProductID, ClientID: c.ClientID, Name: c.Name, Hint: row.Hint, CreatedAt: c.CreatedAt,
		LastUsedAt: c.LastUsedAt, RevokedAt: c.RevokedAt, RolledUntil: a.unlessPast(row.RolledUntil),
	}
}

// ClientCreate says whose server a new client is for.
type ClientCreate struct {
	ProductID int64
	Name      string
}

// ClientCreate makes a client of one of the merchant's products. This is the only time that its secret can be had. One of a merchant
// that is no sandbox is for members with a proven address: EMAIL_UNVERIFIED.
func (a *Accounts) ClientCreate(ctx context.Context, caller Caller, in ClientCreate) (Client, secret.Text, error) {
	var check fault.Check
	name := line(&check, "name", in.Name, maxName)
	if err := check.Err(); err != nil {
		return Client{}, "", err
	}
	var made Client
	var plain secret.Text
	err := a.DB.Tenant(caller.MerchantID).Tx(ctx, func(tx pgx.Tx) error {
		merchant, err := a.merchant(ctx, tx, caller.MerchantID)
		if err != nil {
			return err
		}
		if err := caller.requireVerifiedFor(merchant); err != nil {
			return err
		}
		row, err := a.DB.InsertClient(ctx, tx, db.InsertClientParams{
			MerchantID: merchant.ID, ProductID: in.ProductID, ClientID: newClientID(!merchant.Sandbox()), Name: name, CreatedAt: a.Now(),
		})
		if err != nil {
			return err
		}
		if plain, err = a.insertClientSecret(ctx, tx, merchant, row.ID); err != nil {
			return err
		}
		made, err = a.client(ctx, tx, caller, row.ID)
		return err
	})
	var refused *pgconn.PgError
	if errors.As(err, &refused) && refused.ConstraintName == "client_merchant_id_product_id_fkey" {
		return Client{}, "", fault.NotFound("product", "product")
	}
	if err != nil {
		return Client{}, "", fmt.Errorf("create a client: %w", err)
	}
	return made, plain, nil
}

// ClientRoll gives a client a new secret, which this answer alone holds. The one it has had is accepted until the overlap ends. A
// revoked client has none to roll: CONFLICT.
func (a *Accounts) ClientRoll(ctx context.Context, caller Caller, id int64, overlapSeconds int32) (Client, secret.Text, error) {
	var check fault.Check
	ends := a.overlapEnd(&check, overlapSeconds)
	if err := check.Err(); err != nil {
		return Client{}, "", err
	}
	var rolled Client
	var plain secret.Text
	err := a.DB.Tenant(caller.MerchantID).Tx(ctx, func(tx pgx.Tx) error {
		row, err := a.DB.LockClient(ctx, tx, db.LockClientParams{MerchantID: caller.MerchantID, ID: id})
		switch {
		case db.IsNoRows(err):
			return fault.NotFound("id", "client")
		case err != nil:
			return err
		case row.RevokedAt != nil:
			return fault.New(fault.CodeConflict, "id", "is revoked")
		}
		merchant, err := a.merchant(ctx, tx, caller.MerchantID)
		if err != nil {
			return err
		}
		now := a.Now()
		err = a.DB.ExpireClientSecret(ctx, tx, db.ExpireClientSecretParams{
			MerchantID: merchant.ID, OfClient: id, Now: &now, ExpiresAt: ends,
		})
		if err != nil {
			return err
		}
		if plain, err = a.insertClientSecret(ctx, tx, merchant, id); err != nil {
			return err
		}
		rolled, err = a.client(ctx, tx, caller, id)
		return err
	})
	if err != nil {
		return Client{}, "", fmt.Errorf("roll a client: %w", err)
	}
	return rolled, plain, nil
}

// ClientRevoke ends a client at once, with all its secrets. Revoking it again changes nothing.
func (a *Accounts) ClientRevoke(ctx context.Context, caller Caller, id int64) (Client, error) {
	scope, now := a.DB.Tenant(caller.MerchantID), a.Now()
	err := a.DB.RevokeClient(ctx, scope, db.RevokeClientParams{MerchantID: caller.MerchantID, ID: id, RevokedAt: &now})
	if err != nil {
		return Client{}, fmt.Errorf("revoke client %d: %w", id, err)
	}
	return a.client(ctx, scope, caller, id)
}

// Clients lists the clients of one of the merchant's products, or of all, newest first, revoked ones included: up to a row more
// than the page, which tells whether there is another.
func (a *Accounts) Clients(ctx context.Context, caller Caller, productID *int64, request page.Request) ([]Client, error) {
	rows, err := a.DB.Clients(ctx, a.DB.Tenant(caller.MerchantID), db.ClientsParams{
		MerchantID: caller.MerchantID, ProductID: productID, Before: request.Before(), RowLimit: request.Limit(),
	})
	if err != nil {
		return nil, fmt.Errorf("list clients: %w", err)
	}
	return convert(rows, a.clientOf), nil
}

// ClientsByID are those of the given clients that the merchant has.
func (a *Accounts) ClientsByID(ctx context.Context, caller Caller, ids []int64) (map[int64]Client, error) {
	return a.clientsByID(ctx, a.DB.Tenant(caller.MerchantID), caller, ids)
}

// AuthenticateClient tells whom a client id and a client secret stand for, as Authenticate does for other credentials.
func (a *Accounts) AuthenticateClient(ctx context.Context, clientID string, plain secret.Text, shop string) (Caller, error) {
	if kind, err := secret.KindOf(plain); err != nil || kind != secret.KindClientSecret {
		return Caller{}, ErrUnauthenticated
	}
	client, err := a.DB.ClientBySecretHash(ctx, a.DB.System(), a.Keys.Hash(plain))
	if db.IsNoRows(err) {
		return Caller{}, ErrUnauthenticated
	}
	if err != nil {
		return Caller{}, fmt.Errorf("authenticate a client: %w", err)
	}
	now := a.Now()
	if client.ClientID != clientID || client.RevokedAt != nil || (client.ExpiresAt != nil && !now.Before(*client.ExpiresAt)) {
		return Caller{}, ErrUnauthenticated
	}
	if shop != "" && shop != client.Shop {
		return Caller{}, foreignMerchant()
	}
	if err := refuseSuspended(client.SuspensionReason); err != nil {
		return Caller{}, err
	}
	if lastBefore := now.Add(-lastUsedPrecision); client.LastUsedAt == nil || !client.LastUsedAt.After(lastBefore) {
		err := a.DB.TouchClient(ctx, a.DB.Tenant(client.MerchantID), db.TouchClientParams{
			MerchantID: client.MerchantID, ID: client.ID, UsedAt: &now, LastBefore: &lastBefore,
		})
		if err != nil {
			return Caller{}, fmt.Errorf("record the use of client %d: %w", client.ID, err)
		}
	}
	return Caller{Kind: KindClient, MerchantID: client.MerchantID, ClientID: client.ID, ProductID: client.ProductID}, nil
}

func (a *Accounts) insertClientSecret(ctx context.Context, tx pgx.Tx, merchant Merchant, clientID int64) (secret.Text, error) {
	plain := secret.NewCredential(secret.KindClientSecret, !merchant.Sandbox())
	err := a.DB.InsertClientSecret(ctx, tx, db.InsertClientSecretParams{
		MerchantID: merchant.ID, OfClient: clientID, Hint: secret.Hint(plain), SecretHash: a.Keys.Hash(plain), CreatedAt: a.Now(),
	})
	return plain, err
}

func (a *Accounts) client(ctx context.Context, tx db.DBTX, caller Caller, id int64) (Client, error) {
	found, err := a.clientsByID(ctx, tx, caller, []int64{id})
	if err != nil {
		return Client{}, err
	}
	client, known := found[id]
	if !known {
		return Client{}, fault.NotFound("id", "client")
	}
	return client, nil
}

func (a *Accounts) clientsByID(ctx context.Context, tx db.DBTX, caller Caller, ids []int64) (map[int64]Client, error) {
	rows, err := a.DB.Clients(ctx, tx, db.ClientsParams{
		MerchantID: caller.MerchantID, Ids: ids, Before: math.MaxInt64, RowLimit: int32(len(ids)), //nolint:gosec // doors ask for a page of them at most
	})
	if err != nil {
		return nil, fmt.Errorf("find clients: %w", err)
	}
	return byID(rows, func(row db.ClientsRow) (int64, Client) { return row.Client.ID, a.clientOf(row) }), nil
}

const clientIDLength = 16

// newClientID makes an id such as ptc_ci_live_k5r2zq7wn3hd6xja. It is no secret, and too short for the form of a credential, so that
// nobody who looks for leaked ones takes it for one.
func newClientID(live bool) string {
	mode := "test"
	if live {
		mode = "live"
	}
	return "ptc_ci_" + mode + "_" + strings.ToLower(rand.Text()[:clientIDLength])
}
