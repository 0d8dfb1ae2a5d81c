package billing

import (
	"context"
	"fmt"
	"slices"

	"portico/db"
	"portico/internal/account"
	"portico/internal/fault"
	"portico/internal/page"
)

// InSight lists the subscriptions that a caller of the portal sees, newest first: those that its customers pay for and those that
// their companies hold. Other callers see none in this way.
func (b *Billing) InSight(ctx context.Context, caller account.Caller, p page.Request) ([]*Subscription, error) {
	refs, err := b.seen(ctx, caller, nil, p)
	if err != nil {
		return nil, err
	}
	found, err := b.byRef(ctx, refs)
	if err != nil {
		return nil, err
	}
	subs := make([]*Subscription, 0, len(refs))
	for _, r := range refs {
		if s := found[r.ID]; s != nil {
			subs = append(subs, s)
		}
	}
	return subs, nil
}

// seen names subscriptions of InSight, narrowed to ids unless these are nil.
func (b *Billing) seen(ctx context.Context, caller account.Caller, ids []int64, p page.Request) ([]Ref, error) {
	merchantIDs, customerIDs := caller.Columns()
	rows, err := b.DB.SubscriptionsInSight(ctx, b.DB.Tenant(merchantIDs...), db.SubscriptionsInSightParams{
		MerchantIds: merchantIDs, CustomerIds: customerIDs, Before: p.Before(), Ids: ids, Lim: p.Limit(),
	})
	if err != nil {
		return nil, fmt.Errorf("find the subscriptions in a caller's sight: %w", err)
	}
	refs := make([]Ref, len(rows))
	for i, row := range rows {
		refs[i] = Ref(row)
	}
	return refs, nil
}

// find tells which merchant's subscription a caller means to change.
func (b *Billing) find(ctx context.Context, caller account.Caller, id int64) (Ref, error) {
	if !caller.InPortal() {
		return Ref{caller.MerchantID, id}, nil
	}
	refs, err := b.seen(ctx, caller, []int64{id}, page.Request{Size: 1})
	if err != nil {
		return Ref{}, err
	}
	if len(refs) == 0 {
		return Ref{}, fault.NotFound("subscription", "subscription")
	}
	return refs[0], nil
}

// mayChange holds callers of the portal to what customers may do with a subscription that is locked: who sees it because of the
// company may look on. Every change that a customer can ask for passes here.
func mayChange(caller account.Caller, s *Subscription) error {
	payer := account.CustomerKey{MerchantID: s.MerchantID, CustomerID: s.CustomerID}
	if caller.InPortal() && !slices.Contains(caller.ActsFor(), payer) {
		return fault.New(fault.CodeForbidden, "subscription", "can be changed only by the customer who pays for it")
	}
	return nil
}

func (b *Billing) ownInvoices(ctx context.Context, caller account.Caller, p db.InvoicesOfCustomersParams) ([]Invoice, error) {
	p.MerchantIds, p.CustomerIds = caller.Columns()
	rows, err := b.DB.InvoicesOfCustomers(ctx, b.DB.Tenant(p.MerchantIds...), p)
	if err != nil {
		return nil, fmt.Errorf("list a caller's invoices: %w", err)
	}
	return shownInvoices(rows), nil
}

func (b *Billing) ownInvoicesByID(ctx context.Context, caller account.Caller, ids []int64) (map[int64]Invoice, error) {
	all := page.Request{Size: len(ids)}
	invoices, err := b.ownInvoices(ctx, caller, db.InvoicesOfCustomersParams{
		Before: all.Before(), Ids: append([]int64{}, ids...), Lim: all.Limit(),
	})
	found := make(map[int64]Invoice, len(invoices))
	for _, i := range invoices {
		found[i.ID] = i
	}
	return found, err
}

func (b *Billing) ownInvoicesOf(ctx context.Context, caller account.Caller, subscriptionIDs []int64, p page.Request,
) (map[int64][]Invoice, error) {
	merchantIDs, customerIDs := caller.Columns()
	rows, err := b.DB.OwnInvoicesOfSubscriptions(ctx, b.DB.Tenant(merchantIDs...), db.OwnInvoicesOfSubscriptionsParams{
		MerchantIds: merchantIDs, CustomerIds: customerIDs, SubscriptionIds: subscriptionIDs, Before: p.Before(), Lim: p.Limit(),
	})
	if err != nil {
		return nil, fmt.Errorf("list a caller's invoices of subscriptions: %w", err)
	}
	found := make(map[int64][]Invoice, len(subscriptionIDs))
	for _, row := range rows {
		found[row.SubscriptionID] = append(found[row.SubscriptionID], Invoice{row})
	}
	return found, nil
}

// ownMethods are the payment methods of those of the customers that the caller acts for, newest first.
func (b *Billing) ownMethods(ctx context.Context, caller account.Caller, customerIDs []int64) (map[int64][]PaymentMethod, error) {
	methods, err := b.portalMethods(ctx, caller, nil)
	found := make(map[int64][]PaymentMethod, len(customerIDs))
	for _, m := range methods {
		if slices.Contains(customerIDs, m.CustomerID) {
			found[m.CustomerID] = append(found[m.CustomerID], m)
		}
	}
	return found, err
}

func (b *Billing) ownMethodsByID(ctx context.Context, caller account.Caller, ids []int64) (map[int64]PaymentMethod, error) {
	methods, err := b.portalMethods(ctx, caller, append([]int64{}, ids...))
	found := make(map[int64]PaymentMethod, len(methods))
	for _, m := range methods {
		found[m.ID] = m
	}
	return found, err
}

func (b *Billing) portalMethods(ctx context.Context, caller account.Caller, ids []int64) ([]PaymentMethod, error) {
	merchantIDs, customerIDs := caller.Columns()
	rows, err := b.DB.PaymentMethodsOfPortal(ctx, b.DB.Tenant(merchantIDs...), db.PaymentMethodsOfPortalParams{
		MerchantIds: merchantIDs, CustomerIds: customerIDs, Ids: ids,
	})
	if err != nil {
		return nil, fmt.Errorf("read a caller's payment methods: %w", err)
	}
	methods := make([]PaymentMethod, len(rows))
	for i, row := range rows {
		methods[i] = PaymentMethod{row}
	}
	return methods, nil
}
