package graph

import (
	"context"

	"portico/internal/account"
	"portico/internal/portal"
	"portico/internal/secret"
)

// PortalToken is portal.Token as the schema shows it.
type PortalToken struct {
	portal.Token
	siblings *siblings[PortalToken]
}

func showPortalToken(row portal.Token, s *siblings[PortalToken]) *PortalToken {
	return &PortalToken{row, s}
}

// IsNode implements Node.
func (*PortalToken) IsNode() {}

// ID is the global id.
func (t *PortalToken) ID() string { return gid("PortalToken", t.rowID()) }

func (t *PortalToken) rowID() int64 { return t.Token.ID }

type portalTokenFields struct{ *Resolver }

// PortalToken implements ResolverRoot.
func (r *Resolver) PortalToken() PortalTokenResolver { return portalTokenFields{r} }

// PortalTokens are those of one customer or of all.
func (r query) PortalTokens(ctx context.Context, customer *CustomerRef, first *int32, after *string) (*Connection[PortalToken], error) {
	request, err := pageOf(first, after)
	if err != nil {
		return nil, err
	}
	var of *account.CustomerRef
	if customer != nil {
		ref, err := customerRef("customer", *customer)
		if err != nil {
			return nil, err
		}
		of = &ref
	}
	tokens, err := r.Portal.Tokens(ctx, callerOf(ctx), of, request)
	return connect(tokens, err, request.Size, showPortalToken, (*PortalToken).rowID)
}

// Customer is whom the token stands for.
func (r portalTokenFields) Customer(ctx context.Context, token *PortalToken) (*Customer, error) {
	return child(ctx, token, token.siblings, "customer", func(t *PortalToken) int64 { return t.CustomerID }, r.customers)
}

func (r *Resolver) portalTokens(ctx context.Context, ids []int64) (map[int64]*PortalToken, error) {
	return readByID(ctx, "PortalToken", ids, r.Portal.TokensByID, showPortalToken)
}

// PortalTokenCreate mints a portal token.
func (r mutation) PortalTokenCreate(ctx context.Context, in PortalTokenCreateInput) (*PortalTokenCreatePayload, error) {
	minted, err := r.mintPortalToken(ctx, in)
	if err != nil {
		refused, err := userErrors(err)
		return &PortalTokenCreatePayload{UserErrors: refused}, err
	}
	mintedFor(ctx, minted.Customer.ID)
	seconds := int32(portal.Lifetime.Seconds())
	return &PortalTokenCreatePayload{
		CustomerID: &minted.Customer.Number, Token: reveal(minted.JWT), URL: reveal(minted.URL),
		ExpiresIn: &seconds, ExpiresAt: &minted.ExpiresAt, PortalToken: alone(minted.Token, showPortalToken),
	}, nil
}

func (r mutation) mintPortalToken(ctx context.Context, in PortalTokenCreateInput) (portal.Minted, error) {
	customer, err := customerRef("customer", *in.Customer)
	if err != nil {
		return portal.Minted{}, err
	}
	return r.Portal.TokenCreate(ctx, callerOf(ctx), customer)
}

// PortalURLCreate makes an address of the portal for somebody known by an e-mail address, who is in the payload beside the error.
func (r mutation) PortalURLCreate(ctx context.Context, in PortalURLCreateInput) (*PortalURLCreatePayload, error) {
	minted, err := r.mintPortalURL(ctx, in)
	payload := &PortalURLCreatePayload{}
	if minted.Customer.ID != 0 {
		payload.Customer = alone(minted.Customer, showCustomer)
	}
	if err != nil {
		payload.UserErrors, err = userErrors(err)
		return payload, err
	}
	mintedFor(ctx, minted.Customer.ID)
	payload.URL, payload.ExpiresAt = reveal(minted.URL), &minted.ExpiresAt
	return payload, nil
}

func (r mutation) mintPortalURL(ctx context.Context, in PortalURLCreateInput) (portal.Minted, error) {
	product, err := productRef("product", *in.Product)
	if err != nil {
		return portal.Minted{}, err
	}
	return r.Portal.URLCreate(ctx, callerOf(ctx), portal.URLCreate{
		Email: in.Email, UserMeta: in.UserMeta, Product: product, Intent: portal.Intent(in.Intent),
	})
}

// PortalURLSend mails an address of the portal to a customer.
func (r mutation) PortalURLSend(ctx context.Context, in PortalURLSendInput) (*PortalURLSendPayload, error) {
	mailed, err := r.mailPortalURL(ctx, in)
	if err != nil {
		refused, err := userErrors(err)
		return &PortalURLSendPayload{UserErrors: refused}, err
	}
	mintedFor(ctx, mailed.Customer.ID)
	return &PortalURLSendPayload{Customer: alone(mailed.Customer, showCustomer), ExpiresAt: &mailed.ExpiresAt}, nil
}

func (r mutation) mailPortalURL(ctx context.Context, in PortalURLSendInput) (portal.Minted, error) {
	customer, err := customerRef("customer", *in.Customer)
	if err != nil {
		return portal.Minted{}, err
	}
	return r.Portal.TokenMail(ctx, callerOf(ctx), customer)
}

// PortalTokenRevoke revokes portal tokens.
func (r mutation) PortalTokenRevoke(ctx context.Context, in PortalTokenRevokeInput) (*PortalTokenRevokePayload, error) {
	revoked, err := r.revokePortalTokens(ctx, in)
	if err != nil {
		refused, err := userErrors(err)
		return &PortalTokenRevokePayload{UserErrors: refused}, err
	}
	return &PortalTokenRevokePayload{Revoked: &revoked}, nil
}

func (r mutation) revokePortalTokens(ctx context.Context, in PortalTokenRevokeInput) (int32, error) {
	id, err := optional("id", "PortalToken", in.ID)
	if err != nil {
		return 0, err
	}
	revoke := portal.Revoke{ID: id}
	if in.Customer != nil {
		customer, err := customerRef("customer", *in.Customer)
		if err != nil {
			return 0, err
		}
		revoke.Customer = &customer
	}
	revoked, err := r.Portal.TokenRevoke(ctx, callerOf(ctx), revoke)
	return int32(revoked), err //nolint:gosec // a customer's tokens of two hours
}

// PortalMagicLinkSend mails a link to the portal.
func (r mutation) PortalMagicLinkSend(ctx context.Context, in PortalMagicLinkSendInput) (*PortalMagicLinkSendPayload, error) {
	err := r.Portal.LinkSend(ctx, portal.LinkSend{Email: in.Email, Shop: in.Shop, Client: originOf(ctx).Address})
	if err != nil {
		refused, err := userErrors(err)
		return &PortalMagicLinkSendPayload{UserErrors: refused}, err
	}
	return &PortalMagicLinkSendPayload{}, nil
}

// PersonSignIn opens a person's session.
func (r mutation) PersonSignIn(ctx context.Context, in PersonSignInInput) (*PersonSignInPayload, error) {
	session, err := r.Portal.PersonSignIn(ctx, secret.Text(in.Token))
	if err != nil {
		refused, err := userErrors(err)
		return &PersonSignInPayload{UserErrors: refused}, err
	}
	x := exchangeOf(ctx)
	x.cookie = x.handler.cookie(portal.SessionCookie(x.handler.secure), string(session.Token), session.ExpiresAt)
	return &PersonSignInPayload{Person: &session.Person, SessionToken: reveal(session.Token), ExpiresAt: &session.ExpiresAt}, nil
}

// PersonSignOut ends the person's session that the request carries.
func (r mutation) PersonSignOut(ctx context.Context) (*PersonSignOutPayload, error) {
	if err := r.Portal.PersonSignOut(ctx, callerOf(ctx)); err != nil {
		refused, err := userErrors(err)
		return &PersonSignOutPayload{UserErrors: refused}, err
	}
	x := exchangeOf(ctx)
	x.cookie = x.handler.noCookie(portal.SessionCookie(x.handler.secure))
	return &PersonSignOutPayload{}, nil
}

// Customer is whom a portal token stands for.
func (r viewerFields) Customer(ctx context.Context, viewer *Viewer) (*Customer, error) {
	customers, err := r.customers(ctx, distinct([]*Viewer{viewer}, func(v *Viewer) int64 { return v.CustomerID }))
	return customers[viewer.CustomerID], err
}

// Person is the signed-in one.
func (r viewerFields) Person(ctx context.Context, viewer *Viewer) (*portal.Person, error) {
	person, err := r.Portal.Person(ctx, viewer.Caller)
	return orNull(&person, err)
}

// Customers are those that a caller of the portal acts for.
func (r viewerFields) Customers(ctx context.Context, viewer *Viewer) ([]*Customer, error) {
	customers, err := r.Accounts.OwnCustomers(ctx, viewer.Caller)
	return family(customers, showCustomer), err
}

// Merchant is whose customer it is.
func (r customerFields) Merchant(ctx context.Context, customer *Customer) (*account.Storefront, error) {
	id := func(c *Customer) int64 { return c.MerchantID }
	found, err := together(customer.siblings, "merchant", func(all []*Customer) (map[int64]account.Storefront, error) {
		return r.Accounts.Storefronts(ctx, callerOf(ctx), distinct(all, id))
	})
	if err != nil {
		return nil, err
	}
	front := found[id(customer)]
	return &front, nil
}

// MySubscriptions are those in the sight of a caller of the portal.
func (r query) MySubscriptions(ctx context.Context, first *int32, after *string) (*Connection[Subscription], error) {
	request, err := pageOf(first, after)
	if err != nil {
		return nil, err
	}
	subs, err := r.Billing.InSight(ctx, callerOf(ctx), request)
	return connect(subs, err, request.Size, showSubscription, (*Subscription).rowID)
}
