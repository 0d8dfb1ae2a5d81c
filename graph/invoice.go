package graph

import (
	"context"
	"fmt"

	"portico/internal/billing"
)

// Invoice is billing.Invoice as the schema shows it.
type Invoice struct{ billing.Invoice }

func showInvoice(row billing.Invoice, _ *siblings[Invoice]) *Invoice { return &Invoice{row} }

// IsNode implements Node.
func (*Invoice) IsNode() {}

// ID is the global id.
func (i *Invoice) ID() string { return gid("Invoice", i.rowID()) }

func (i *Invoice) rowID() int64 { return i.Invoice.ID }

// Invoices are those of one subscription or of all.
func (r query) Invoices(ctx context.Context, subscription *string, first *int32, after *string) (*Connection[Invoice], error) {
	request, err := pageOf(first, after)
	if err != nil {
		return nil, err
	}
	sub, err := optional("subscription", "CustomerSubscription", subscription)
	if err != nil {
		return nil, err
	}
	invoices, err := r.Billing.Invoices(ctx, callerOf(ctx), sub, request)
	return connect(invoices, err, request.Size, showInvoice, (*Invoice).rowID)
}

// Invoices are the subscription's.
func (r subscriptionFields) Invoices(ctx context.Context, sub *Subscription, first *int32, after *string) (*Connection[Invoice], error) {
	request, err := pageOf(first, after)
	if err != nil {
		return nil, err
	}
	caller := callerOf(ctx)
	if err := mayRead(caller, "Invoice"); err != nil {
		return nil, err
	}
	name := fmt.Sprintf("invoices %d %d", request.Size, request.After)
	found, err := together(sub.siblings, name, func(all []*Subscription) (map[int64][]billing.Invoice, error) {
		return r.Billing.InvoicesOf(ctx, caller, distinct(all, (*Subscription).rowID), request)
	})
	return connect(found[sub.rowID()], err, request.Size, showInvoice, (*Invoice).rowID)
}

func (r *Resolver) invoices(ctx context.Context, ids []int64) (map[int64]*Invoice, error) {
	return readByID(ctx, "Invoice", ids, r.Billing.InvoicesByID, showInvoice)
}
