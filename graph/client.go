package graph

import (
	"context"

	"portico/internal/account"
	"portico/internal/secret"
)

// Client is account.Client as the schema shows it.
type Client struct {
	account.Client
	siblings *siblings[Client]
}

func showClient(row account.Client, s *siblings[Client]) *Client { return &Client{row, s} }

// IsNode implements Node.
func (*Client) IsNode() {}

// ID is the global id.
func (c *Client) ID() string { return gid("Client", c.Client.ID) }

func (c *Client) rowID() int64 { return c.Client.ID }

func (c *Client) productID() int64 { return c.ProductID }

type clientFields struct{ *Resolver }

// Client implements ResolverRoot.
func (r *Resolver) Client() ClientResolver { return clientFields{r} }

// Product is the one that the client reaches.
func (r clientFields) Product(ctx context.Context, client *Client) (*Product, error) {
	return child(ctx, client, client.siblings, "product", (*Client).productID, r.products)
}

// Clients are the merchant's, or one product's.
func (r query) Clients(ctx context.Context, product *ProductRef, first *int32, after *string) (*Connection[Client], error) {
	request, err := pageOf(first, after)
	if err != nil {
		return nil, err
	}
	of, err := r.productFilter(ctx, product)
	if err != nil {
		return nil, err
	}
	clients, err := r.Accounts.Clients(ctx, callerOf(ctx), of, request)
	return connect(clients, err, request.Size, showClient, (*Client).rowID)
}

// ClientCreate makes a client.
func (r mutation) ClientCreate(ctx context.Context, in ClientCreateInput) (*ClientCreatePayload, error) {
	client, plain, err := r.createClient(ctx, in)
	if err != nil {
		refused, err := userErrors(err)
		return &ClientCreatePayload{UserErrors: refused}, err
	}
	return &ClientCreatePayload{Client: alone(client, showClient), Secret: reveal(plain)}, nil
}

func (r mutation) createClient(ctx context.Context, in ClientCreateInput) (account.Client, secret.Text, error) {
	product, err := r.productID(ctx, *in.Product)
	if err != nil {
		return account.Client{}, "", err
	}
	return r.Accounts.ClientCreate(ctx, callerOf(ctx), account.ClientCreate{ProductID: product, Name: in.Name})
}

// ClientRoll gives a client a new secret.
func (r mutation) ClientRoll(ctx context.Context, in ClientRollInput) (*ClientRollPayload, error) {
	client, plain, err := r.rollClient(ctx, in)
	if err != nil {
		refused, err := userErrors(err)
		return &ClientRollPayload{UserErrors: refused}, err
	}
	return &ClientRollPayload{Client: alone(client, showClient), Secret: reveal(plain)}, nil
}

func (r mutation) rollClient(ctx context.Context, in ClientRollInput) (account.Client, secret.Text, error) {
	id, err := rowID("id", "Client", in.ID)
	if err != nil {
		return account.Client{}, "", err
	}
	return r.Accounts.ClientRoll(ctx, callerOf(ctx), id, in.OverlapSeconds)
}

// ClientRevoke revokes a client.
func (r mutation) ClientRevoke(ctx context.Context, in ClientRevokeInput) (*ClientRevokePayload, error) {
	client, err := r.revokeClient(ctx, in)
	if err != nil {
		refused, err := userErrors(err)
		return &ClientRevokePayload{UserErrors: refused}, err
	}
	return &ClientRevokePayload{Client: alone(client, showClient)}, nil
}

func (r mutation) revokeClient(ctx context.Context, in ClientRevokeInput) (account.Client, error) {
	id, err := rowID("id", "Client", in.ID)
	if err != nil {
		return account.Client{}, err
	}
	return r.Accounts.ClientRevoke(ctx, callerOf(ctx), id)
}

func (r *Resolver) clients(ctx context.Context, ids []int64) (map[int64]*Client, error) {
	return readByID(ctx, "Client", ids, r.Accounts.ClientsByID, showClient)
}

// productID finds the product that a reference names, for packages below the catalogue.
func (r *Resolver) productID(ctx context.Context, in ProductRef) (int64, error) {
	ref, err := productRef("product", in)
	if err != nil {
		return 0, err
	}
	product, err := r.Catalog.Product(ctx, callerOf(ctx), ref)
	return product.ID, err
}

// productFilter is the id of the product that a list is narrowed to, nil for all.
func (r *Resolver) productFilter(ctx context.Context, in *ProductRef) (*int64, error) {
	if in == nil {
		return nil, nil //nolint:nilnil // all
	}
	id, err := r.productID(ctx, *in)
	return &id, err
}
