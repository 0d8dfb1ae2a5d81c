package graph

import (
	"context"

	"portico/internal/account"
	"portico/internal/fault"
)

// Node is an object with a global id.
type Node interface {
	IsNode()
	ID() string
}

// maxNodes is how many objects one field may ask for.
const maxNodes = 100

// Node is the object with the id.
func (r query) Node(ctx context.Context, id string) (Node, error) {
	nodes, err := r.nodes(ctx, "id", id)
	if err != nil {
		return nil, err
	}
	return nodes[0], nil
}

// Nodes are the objects with the ids, read with one statement per type.
func (r query) Nodes(ctx context.Context, ids []string) ([]Node, error) {
	if len(ids) > maxNodes {
		return nil, fault.Invalid("ids", "must be at most %d ids", maxNodes)
	}
	return r.nodes(ctx, "ids", ids...)
}

// nodes are the objects with the ids that an argument gives.
func (r query) nodes(ctx context.Context, argument string, ids ...string) ([]Node, error) {
	rows := map[string][]int64{}
	for _, id := range ids {
		typename, row, ok := parseGID(id)
		if !ok {
			return nil, fault.Invalid(argument, "must be a global id such as %s", gid("Customer", exampleID))
		}
		rows[typename] = append(rows[typename], row)
	}
	found := map[string]Node{}
	for typename, ids := range rows {
		if mayRead(callerOf(ctx), typename) != nil {
			continue
		}
		if err := r.readNodes(ctx, typename, ids, found); err != nil {
			return nil, err
		}
	}
	nodes := make([]Node, len(ids))
	for i, id := range ids {
		nodes[i] = found[id]
	}
	return nodes, nil
}

// readNodes adds the objects of one type to those that are found.
func (r *Resolver) readNodes(ctx context.Context, typename string, ids []int64, found map[string]Node) error {
	switch typename {
	case "ApiKey":
		return collect(ctx, ids, found, r.apiKeys)
	case "Client":
		return collect(ctx, ids, found, r.clients)
	case "Company":
		return collect(ctx, ids, found, r.companies)
	case "Customer":
		return collect(ctx, ids, found, r.customers)
	case "CustomerSubscription":
		return collect(ctx, ids, found, r.subscriptions)
	case "Event":
		return collect(ctx, ids, found, r.events)
	case "Invitation":
		return collect(ctx, ids, found, each(r.invitation))
	case "Invoice":
		return collect(ctx, ids, found, r.invoices)
	case "LedgerEntry":
		return collect(ctx, ids, found, r.ledgerEntries)
	case "Member":
		return collect(ctx, ids, found, each(r.member))
	case "Merchant":
		return collect(ctx, ids, found, r.merchants)
	case "PaymentMethod":
		return collect(ctx, ids, found, r.paymentMethods)
	case "PortalToken":
		return collect(ctx, ids, found, r.portalTokens)
	case "Plan":
		return collect(ctx, ids, found, r.plans)
	case "Product":
		return collect(ctx, ids, found, r.products)
	case "Session":
		return collect(ctx, ids, found, each(r.session))
	case "TestClock":
		return collect(ctx, ids, found, r.testClocks)
	case "WebhookDelivery":
		return collect(ctx, ids, found, r.webhookDeliveries)
	case "WebhookEndpoint":
		return collect(ctx, ids, found, r.webhookEndpoints)
	case "WebhookReplay":
		return collect(ctx, ids, found, r.webhookReplays)
	}
	return nil
}

// node is what a pointer to an object of a noun's type is.
type node[T any] interface {
	*T
	Node
}

func collect[T any, P node[T]](
	ctx context.Context, ids []int64, found map[string]Node, read func(context.Context, []int64) (map[int64]*T, error),
) error {
	objects, err := read(ctx, ids)
	for _, object := range objects {
		found[P(object).ID()] = P(object)
	}
	return err
}

// each reads objects one by one, of types that are hardly asked for together.
func each[T any](read func(context.Context, account.Caller, int64) (*T, error)) func(context.Context, []int64) (map[int64]*T, error) {
	return func(ctx context.Context, ids []int64) (map[int64]*T, error) {
		found := make(map[int64]*T, len(ids))
		for _, id := range ids {
			object, err := orNull(read(ctx, callerOf(ctx), id))
			if err != nil {
				return nil, err
			}
			if object != nil {
				found[id] = object
			}
		}
		return found, nil
	}
}
