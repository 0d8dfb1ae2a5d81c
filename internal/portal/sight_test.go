package portal_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"portico/internal/access"
	"portico/internal/account"
	"portico/internal/billing"
	"portico/internal/catalog"
	"portico/internal/fault"
)

func idsOf(subs []*billing.Subscription) []int64 {
	ids := []int64{}
	for _, s := range subs {
		ids = append(ids, s.ID)
	}
	return ids
}

func sortedKeys[V any](found map[int64]V) []int64 { return slices.Sorted(maps.Keys(found)) }

// office is a company of two, one of whom pays for the company's subscription, a customer on his own, and a customer elsewhere.
type office struct {
	*shop
	payer, colleague, outsider, stranger account.Customer
	company                              account.Company
	shared, private, foreign             *billing.Subscription
}

func newOffice(w *world) *office {
	w.t.Helper()
	o := &office{shop: w.shop("acorn")}
	o.company = o.shop.company("Initech")
	o.payer, o.colleague = o.customer("payer@example.com", &o.company.ID), o.customer("colleague@example.com", &o.company.ID)
	o.outsider = o.customer("outsider@example.com", nil)
	o.shared, o.private = o.sell(o.payer), o.sell(o.outsider)
	elsewhere := w.shop("birch")
	o.stranger = elsewhere.customer("payer@example.com", nil)
	o.foreign = elsewhere.sell(o.stranger)
	return o
}

func TestACustomerSeesWhatItPaysForAndWhatItsCompanyHolds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := newOffice(w)
	every := []int64{o.shared.ID, o.private.ID, o.foreign.ID}
	for _, c := range []struct {
		name     string
		customer account.Customer
		sees     []int64
		invoices int
		cards    int
	}{
		{"who pays sees it with its invoice", o.payer, []int64{o.shared.ID}, 1, 1},
		{"a colleague sees it without its invoice", o.colleague, []int64{o.shared.ID}, 0, 1},
		{"an outsider sees only his own", o.outsider, []int64{o.private.ID}, 1, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			caller := o.as(c.customer)
			subs, err := w.portal.Billing.InSight(t.Context(), caller, firstPage)
			require.NoError(t, err)
			require.Equal(t, c.sees, idsOf(subs))
			found, err := w.portal.Billing.ByID(t.Context(), caller, every)
			require.NoError(t, err)
			require.Equal(t, c.sees, sortedKeys(found))
			_, err = w.portal.Billing.Get(t.Context(), caller, o.foreign.ID)
			requireFault(t, err, fault.CodeNotFound, "subscription")

			invoices, err := w.portal.Billing.Invoices(t.Context(), caller, nil, firstPage)
			require.NoError(t, err)
			require.Len(t, invoices, c.invoices)
			of, err := w.portal.Billing.InvoicesOf(t.Context(), caller, every, firstPage)
			require.NoError(t, err)
			require.Len(t, of[c.sees[0]], c.invoices)
			require.Empty(t, of[o.foreign.ID])
			all, err := w.portal.Billing.InvoicesByID(t.Context(), caller, []int64{1, 2, 3, 4})
			require.NoError(t, err)
			require.Len(t, all, c.invoices)

			methods, err := w.portal.Billing.PaymentMethods(t.Context(), caller, []int64{o.payer.ID, o.colleague.ID, o.outsider.ID, o.stranger.ID})
			require.NoError(t, err)
			require.Equal(t, []int64{c.customer.ID}, sortedKeys(methods))
			byID, err := w.portal.Billing.PaymentMethodsByID(t.Context(), caller, []int64{1, 2, 3, 4})
			require.NoError(t, err)
			require.Len(t, byID, c.cards)
		})
	}
}

func TestACustomerKnowsOfNobodyButItself(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := newOffice(w)
	caller := o.as(o.colleague)
	own, err := w.portal.Accounts.Customer(t.Context(), caller, byID(o.colleague))
	require.NoError(t, err)
	require.Equal(t, "colleague@example.com", own.Email)
	require.JSONEq(t, `{}`, string(own.UserMeta), "what the merchant keeps about a customer is the merchant's")
	for _, ref := range []account.CustomerRef{
		byID(o.payer), {Number: &o.payer.Number}, {Email: &o.payer.Email}, byID(o.stranger), {Email: to("")}, {Email: to("a\x00b")},
	} {
		_, err := w.portal.Accounts.Customer(t.Context(), caller, ref)
		requireFault(t, err, fault.CodeNotFound, "customer")
	}
	everybody := []int64{o.payer.ID, o.colleague.ID, o.outsider.ID, o.stranger.ID}
	found, err := w.portal.Accounts.CustomersByID(t.Context(), caller, everybody)
	require.NoError(t, err)
	require.Equal(t, []int64{o.colleague.ID}, sortedKeys(found))

	companies, err := w.portal.Accounts.CompaniesByID(t.Context(), caller, []int64{o.company.ID, o.outsider.CompanyID, o.stranger.CompanyID})
	require.NoError(t, err)
	require.Equal(t, []int64{o.company.ID}, sortedKeys(companies))
	_, err = w.portal.Accounts.Merchant(t.Context(), caller)
	requireFault(t, err, fault.CodeNotFound, "")
	merchants, err := w.portal.Accounts.MerchantsByID(t.Context(), caller, []int64{o.owner.MerchantID})
	require.NoError(t, err)
	require.Empty(t, merchants)
	fronts, err := w.portal.Accounts.Storefronts(t.Context(), caller, []int64{o.owner.MerchantID, o.stranger.MerchantID})
	require.NoError(t, err)
	require.Equal(t, map[int64]account.Storefront{o.owner.MerchantID: {MerchantID: o.owner.MerchantID, Shop: "acorn", Name: "ACORN"}}, fronts)
}

func TestACustomerSeesTheProductsAndPlansThatWereBought(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := newOffice(w)
	special := o.newPlan("For somebody else")
	caller := o.as(o.colleague)
	idle := o.as(o.customer("idle@example.com", nil))
	for _, c := range []struct {
		caller   account.Caller
		products []int64
		plans    []int64
	}{{caller, []int64{o.product.ID}, []int64{o.plan.ID}}, {idle, nil, nil}} {
		products, err := w.portal.Catalog.ProductsByID(t.Context(), c.caller, []int64{o.product.ID, o.foreign.ProductID})
		require.NoError(t, err)
		require.Equal(t, c.products, sortedKeys(products))
		plans, err := w.portal.Catalog.PlansByID(t.Context(), c.caller, []int64{o.plan.ID, special.ID, o.foreign.PlanID}, catalog.PlanParts{})
		require.NoError(t, err)
		require.Equal(t, c.plans, sortedKeys(plans))
		ofProduct, err := w.portal.Catalog.PlansByProduct(t.Context(), c.caller, []int64{o.product.ID, o.foreign.ProductID}, catalog.PlanParts{})
		require.NoError(t, err)
		require.Equal(t, c.products, sortedKeys(ofProduct))
		require.Len(t, ofProduct[o.product.ID], len(c.plans))
	}
}

func TestACustomerAsksForItsOwnAccessOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := newOffice(w)
	product := catalog.ProductRef{ID: &o.product.ID}
	caller := o.as(o.colleague)
	for ref, want := range map[*account.CustomerRef]access.Reason{
		to(byID(o.colleague)):                access.Allowed,
		{Number: &o.colleague.Number}:        access.Allowed,
		{Email: to("COLLEAGUE@example.com")}: access.Allowed,
		to(byID(o.payer)):                    access.CustomerNotFound,
		{Email: to("payer@example.com")}:     access.CustomerNotFound,
		{Email: to("nobody@example.com")}:    access.CustomerNotFound,
		{Number: &o.outsider.Number}:         access.CustomerNotFound,
	} {
		decision, err := w.portal.Access.Check(t.Context(), caller, *ref, product)
		require.NoError(t, err)
		require.Equal(t, want, decision.Reason)
	}
	_, err := w.portal.Access.Check(t.Context(), caller, byID(o.colleague), catalog.ProductRef{ID: &o.foreign.ProductID})
	requireFault(t, err, fault.CodeNotFound, "product")
}

func TestACustomerChangesOnlyWhatItPaysFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := newOffice(w)
	b := w.portal.Billing
	cancel := func(caller account.Caller, sub *billing.Subscription) error {
		_, err := b.Cancel(t.Context(), caller, billing.Cancel{SubscriptionID: sub.ID, AtPeriodEnd: true})
		return err
	}
	payer, colleague := o.as(o.payer), o.as(o.colleague)
	requireFault(t, cancel(colleague, o.shared), fault.CodeForbidden, "subscription")
	requireFault(t, cancel(colleague, o.private), fault.CodeNotFound, "subscription")
	requireFault(t, cancel(colleague, o.foreign), fault.CodeNotFound, "subscription")
	require.Zero(t, w.count(`select count(*) from subscription where cancel_at_period_end`))

	require.NoError(t, cancel(payer, o.shared))
	require.EqualValues(t, 1, w.count(`select count(*) from subscription where cancel_at_period_end and id = $1`, o.shared.ID))
	_, err := b.Uncancel(t.Context(), colleague, o.shared.ID)
	requireFault(t, err, fault.CodeForbidden, "subscription")
	again, err := b.Uncancel(t.Context(), payer, o.shared.ID)
	require.NoError(t, err)
	require.False(t, again.CancelAtPeriodEnd)

	method, err := b.AttachPaymentMethod(t.Context(), payer, byID(o.payer), "pm_card_mastercard")
	require.NoError(t, err)
	require.Equal(t, o.payer.ID, method.CustomerID)
	_, err = b.AttachPaymentMethod(t.Context(), payer, byID(o.colleague), "pm_card_mastercard")
	requireFault(t, err, fault.CodeNotFound, "customer")
}
