// Package portal owns how customers reach their subscriptions: the portal tokens that stand for one customer of one merchant, the
// links that are mailed, and persons, who act for all customers with an e-mail address that is proved to be theirs.
package portal

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"portico/db"
	"portico/internal/access"
	"portico/internal/account"
	"portico/internal/billing"
	"portico/internal/catalog"
	"portico/internal/mail"
	"portico/internal/secret"
)

// Portal performs the operations of this package.
type Portal struct {
	DB       *db.DB
	Keys     *secret.Keyring
	Accounts *account.Accounts
	Catalog  *catalog.Catalog
	Billing  *billing.Billing
	Access   *access.Access
	Mail     *mail.Outbox
	Jobs     *river.Client[pgx.Tx] // inserts only
	Now      func() time.Time
	// PublicURL is where people reach the portal, without a slash at its end.
	PublicURL string
	Log       *slog.Logger
}

// Authenticate tells whom any credential stands for: portal tokens and the sessions of persons are known here, everything else by
// account. The shop handle chooses among a member's merchants; for a portal token it must be the token's own, and to a person it means nothing.
func (p *Portal) Authenticate(ctx context.Context, credential secret.Text, shop string) (account.Caller, error) {
	if authenticate := p.own(credential); authenticate != nil {
		return authenticate(ctx, credential, shop)
	}
	return p.Accounts.Authenticate(ctx, credential, shop)
}

// Recognize is Authenticate with what account remembers, as its own Recognize is. Nothing is remembered of credentials of the portal.
func (p *Portal) Recognize(ctx context.Context, credential secret.Text, shop string) (account.Caller, *account.Admission, error) {
	if authenticate := p.own(credential); authenticate != nil {
		caller, err := authenticate(ctx, credential, shop)
		return caller, nil, err
	}
	return p.Accounts.Recognize(ctx, credential, shop)
}

// own is what knows a credential, or nil where it is not the portal's.
func (p *Portal) own(credential secret.Text) func(context.Context, secret.Text, string) (account.Caller, error) {
	if tokenShaped(credential) {
		return p.authenticateToken
	}
	switch kind, _ := secret.KindOf(credential); kind {
	case secret.KindPersonSession:
		return p.authenticatePerson
	case secret.KindPortalSession:
		return p.authenticateBrowser
	default:
		return nil
	}
}

// page is the address of a page of the portal: of a shop by its handle.
func (p *Portal) page(name string) string {
	return strings.TrimRight(p.PublicURL, "/") + "/portal/" + name
}
