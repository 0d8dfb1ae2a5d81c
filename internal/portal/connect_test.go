package portal_test

import (
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portico/internal/account"
	"portico/internal/billing"
	"portico/internal/catalog"
	"portico/internal/fault"
	"portico/internal/portal"
	"portico/internal/secret"
)

// connecting is a shop whose customers have subscriptions elsewhere.
type connecting struct {
	*shop
	ada    account.Customer
	expire time.Time
}

func newConnecting(w *world) *connecting {
	s := w.shop("acorn")
	w.exec(`update product set integration_page_url = 'https://acorn.test/connect?lang=en', status = 'APPROVED'`)
	c := &connecting{shop: s, expire: newYear.AddDate(0, 1, 0)}
	c.ada = c.cardless("ada@example.com")
	return c
}

// cardless is a customer without a payment method.
func (s *connecting) cardless(email string) account.Customer {
	customer := s.customer(email, nil)
	s.w.exec(`delete from payment_method where customer_id = $1`, customer.ID)
	return customer
}

func (s *connecting) consent(customer account.Customer) secret.Text {
	s.w.t.Helper()
	consent, err := s.w.portal.ConnectStart(s.w.t.Context(), s.as(customer), byID(customer), s.ref())
	require.NoError(s.w.t, err)
	return consent.UserToken
}

func (s *connecting) ref() catalog.ProductRef { return catalog.ProductRef{ID: &s.product.ID} }

func (s *connecting) said(token secret.Text) portal.Connected {
	return portal.Connected{
		AccessToken: "at-1", UserToken: token, Product: s.ref(), PlanNumber: s.plan.Number, Interval: catalog.Month, AmountMinor: 499, Active: true,
		StartedAt: newYear.AddDate(0, 0, -10), ExpireAt: s.expire,
	}
}

func (s *connecting) report(in portal.Connected) (*billing.Subscription, error) {
	return s.w.portal.ReportConnected(s.w.t.Context(), s.owner, in)
}

func (s *connecting) must(in portal.Connected) *billing.Subscription {
	s.w.t.Helper()
	sub, err := s.report(in)
	require.NoError(s.w.t, err)
	return sub
}

// events are the types and reasons of all events so far, oldest first.
func (s *connecting) events() []string {
	s.w.t.Helper()
	rows, err := s.w.db.System().Query(s.w.t.Context(), `select type || ' ' || coalesce(convert_from(body, 'UTF8')::jsonb #>> '{data,reason}', '-') from event
		where subscription_id is not null order by id`)
	require.NoError(s.w.t, err)
	defer rows.Close()
	events := []string{}
	for rows.Next() {
		var event string
		require.NoError(s.w.t, rows.Scan(&event))
		events = append(events, event)
	}
	require.NoError(s.w.t, rows.Err())
	return events
}

// bill does what the workers do: what ends, ends, and what is due is charged.
func (s *connecting) bill() {
	s.w.t.Helper()
	_, err := s.w.portal.Billing.EndDue(s.w.t.Context())
	require.NoError(s.w.t, err)
	_, err = s.w.portal.Billing.BillDue(s.w.t.Context())
	require.NoError(s.w.t, err)
	var ref billing.AttemptRef
	err = s.w.db.System().QueryRow(s.w.t.Context(), `select merchant_id, id from payment_attempt where status = 'OPEN'`).Scan(&ref.MerchantID, &ref.ID)
	require.NoError(s.w.t, err)
	require.NoError(s.w.t, s.w.portal.Billing.Charge(s.w.t.Context(), []billing.AttemptRef{ref}))
}

func TestACustomerIsSentToTheMerchantsPageWithAToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := newConnecting(w)
	consent, err := w.portal.ConnectStart(t.Context(), s.as(s.ada), byID(s.ada), s.ref())
	require.NoError(t, err)
	page, err := url.Parse(string(consent.URL))
	require.NoError(t, err)
	require.Equal(t, "acorn.test/connect", page.Host+page.Path)
	require.Equal(t, url.Values{"lang": {"en"}, "user_token": {string(consent.UserToken)}, "product_identifier": {s.product.Identifier}}, page.Query())
	require.Equal(t, newYear.Add(24*time.Hour), consent.ExpiresAt)
	require.Zero(t, w.count(`select count(*) from connect_token where position('ptc_'::bytea in token_hash) > 0`))

	_, err = w.portal.ConnectStart(t.Context(), s.as(s.ada), byID(s.customer("bob@example.com", nil)), s.ref())
	requireFault(t, err, fault.CodeNotFound, "customer")
	_, err = w.portal.Billing.AttachPaymentMethod(t.Context(), s.owner, byID(s.ada), "pm_card_visa")
	require.NoError(t, err)
	s.sell(s.ada)
	_, err = w.portal.ConnectStart(t.Context(), s.as(s.ada), byID(s.ada), s.ref())
	requireFault(t, err, fault.CodeActivePurchaseExists, "product")
	w.exec(`update product set integration_page_url = null`)
	_, err = w.portal.ConnectStart(t.Context(), s.owner, byID(s.ada), s.ref())
	requireFault(t, err, fault.CodeConflict, "product")
	w.exec(`update product set integration_page_url = 'https://acorn.test', status = 'DRAFT'`)
	_, err = w.portal.ConnectStart(t.Context(), s.as(s.ada), byID(s.ada), s.ref())
	requireFault(t, err, fault.CodeNotFound, "product")
}

func TestAReportedSubscriptionIsTakenOverAndTheSameReportChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := newConnecting(w)
	token := s.consent(s.ada)
	sub := s.must(s.said(token))
	require.Equal(t, billing.FromMerchant, sub.Source)
	require.Equal(t, billing.Active, sub.Status)
	require.Equal(t, s.ada.ID, sub.CustomerID)
	require.EqualValues(t, 499, sub.Unit.Minor)
	require.Equal(t, s.expire, sub.CurrentPeriodEnd.UTC())
	require.Equal(t, s.expire, sub.AccessUntil.UTC(), "nobody can be charged, so that there is no grace")
	require.Equal(t, []string{"subscription.created -"}, s.events())
	require.EqualValues(t, 1, w.count(`select count(*) from mail where kind = 'PAYMENT_METHOD_NEEDED'`))
	require.Zero(t, w.count(`select count(*) from connection where position('at-1'::bytea in access_token_cipher) > 0`))

	w.setTime(newYear.Add(48 * time.Hour))
	again := s.must(s.said(token))
	require.Equal(t, sub.Subscription, again.Subscription, "also when the token would have expired")
	require.Len(t, s.events(), 1)
}

func TestAConnectedSubscriptionIsRenewedAtItsPriceOrEndsWithoutAPaymentMethod(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := newConnecting(w)
	bob := s.cardless("bob@example.com")
	paying, ending := s.must(s.said(s.consent(s.ada))), s.said(s.consent(bob))
	ending.AccessToken = "at-2"
	ended := s.must(ending)
	_, err := w.portal.Billing.AttachPaymentMethod(t.Context(), s.as(s.ada), byID(s.ada), "pm_card_visa")
	require.NoError(t, err)

	remind := func() int {
		n, err := w.portal.Billing.RemindDue(t.Context())
		require.NoError(t, err)
		return n
	}
	w.setTime(s.expire.Add(-72*time.Hour - time.Second))
	require.Zero(t, remind())
	w.setTime(s.expire.Add(-72 * time.Hour))
	require.Equal(t, 1, remind())
	require.Zero(t, remind(), "once is enough")

	w.setTime(s.expire.Add(time.Minute))
	s.bill()
	get := func(id int64) *billing.Subscription {
		sub, err := w.portal.Billing.Get(t.Context(), s.owner, id)
		require.NoError(t, err)
		return sub
	}
	require.Equal(t, billing.Expired, get(ended.ID).Status)
	require.Contains(t, s.events(), "subscription.canceled no_payment_method")
	require.EqualValues(t, 499, w.count(`select amount_minor from invoice where subscription_id = $1`, paying.ID))
	require.Equal(t, s.expire, get(paying.ID).AnchorAt.UTC())
}

func TestTheClockOfAConnectedSubscriptionBringsTheReminder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := newConnecting(w)
	clock := w.count(`insert into test_clock (merchant_id, name, now_at, created_at) values ($1, 'year', $2, $2) returning id`, s.owner.MerchantID, newYear)
	w.exec(`update customer set test_clock_id = $1 where id = $2`, clock, s.ada.ID)
	sub := s.must(s.said(s.consent(s.ada)))
	mails := func() int64 { return w.count(`select count(*) from mail where kind = 'PAYMENT_METHOD_NEEDED'`) }
	require.EqualValues(t, 1, mails(), "asked for when it is connected")
	for _, c := range []struct {
		to     time.Time
		mails  int64
		status string
	}{
		{s.expire.Add(-72*time.Hour - time.Second), 1, billing.Active},
		{s.expire.Add(-72 * time.Hour), 2, billing.Active},
		{s.expire.Add(-time.Hour), 2, billing.Active},
		{s.expire, 2, billing.Expired},
	} {
		_, err := w.portal.Billing.AdvanceTestClock(t.Context(), s.owner, clock, c.to)
		require.NoError(t, err)
		n, err := w.portal.Billing.RemindDue(t.Context())
		require.NoError(t, err)
		require.Zero(t, n, "the sweep leaves clocked rows to their clock")
		require.NoError(t, w.portal.Billing.AdvanceClock(t.Context(), billing.AdvanceClockArgs{MerchantID: s.owner.MerchantID, ClockID: clock}))
		require.Equal(t, c.mails, mails(), c.to)
		held, err := w.portal.Billing.Get(t.Context(), s.owner, sub.ID)
		require.NoError(t, err)
		require.Equal(t, c.status, held.Status, c.to)
	}
}

func TestAReportAfterAChangeFollowsIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := newConnecting(w)
	in := s.said(s.consent(s.ada))
	sub := s.must(in)

	max := s.newPlan("max")
	in.PlanNumber, in.AmountMinor = max.Number, 999
	changed := s.must(in)
	require.Equal(t, sub.ID, changed.ID)
	require.Equal(t, max.ID, changed.PlanID)
	require.EqualValues(t, 999, changed.Unit.Minor)
	in.ExpireAt = s.expire.AddDate(0, 1, 0)
	require.Equal(t, in.ExpireAt, s.must(in).CurrentPeriodEnd.UTC())
	in.Active = false
	off := s.must(in)
	require.Equal(t, billing.Canceled, off.Status)
	require.Equal(t, newYear, off.AccessUntil.UTC())
	in.Active = true
	on := s.must(in)
	require.Equal(t, sub.ID, on.ID, "the same subscription")
	require.Equal(t, billing.Active, on.Status)
	require.Nil(t, on.EndedAt)
	in.StartedAt, in.ExpireAt = newYear.AddDate(0, -2, 0), newYear.AddDate(0, -1, 0)
	past := s.must(in)
	require.Equal(t, billing.Expired, past.Status)
	require.Equal(t, in.ExpireAt, past.EndedAt.UTC())
	require.Equal(t, []string{
		"subscription.created -", "subscription.updated -", "subscription.updated -", "subscription.canceled reported_inactive",
		"subscription.renewed reported_active", "subscription.canceled reported_expired", "subscription.expired reported_expired",
	}, s.events())
}

func TestAReportThatCannotBeIsRefusedAndChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := newConnecting(w)
	other := w.shop("bakery")
	bob := s.customer("bob@example.com", nil)
	good := s.said(s.consent(s.ada))
	s.must(good)
	bobs := s.consent(bob)
	with := func(change func(*portal.Connected)) portal.Connected {
		in := s.said(bobs)
		in.AccessToken = "at-2"
		change(&in)
		return in
	}
	before := w.count(`select count(*) from event`)
	for name, c := range map[string]struct {
		in    portal.Connected
		code  fault.Code
		field string
	}{
		"another customer's access token": {with(func(in *portal.Connected) { in.AccessToken = "at-1" }), fault.CodeConflict, "accessToken"},
		"a token that is none":            {with(func(in *portal.Connected) { in.UserToken = "x" }), fault.CodeForbidden, "userToken"},
		"an unknown token": {with(func(in *portal.Connected) { in.UserToken = secret.NewCredential(secret.KindUserToken, true) }),
			fault.CodeForbidden, "userToken"},
		"an unknown plan":      {with(func(in *portal.Connected) { in.PlanNumber = 999 }), fault.CodeNotFound, "plan"},
		"an unknown product":   {with(func(in *portal.Connected) { in.Product = catalog.ProductRef{Identifier: to("nothing")} }), fault.CodeNotFound, "product"},
		"an interval it lacks": {with(func(in *portal.Connected) { in.Interval = catalog.Year }), fault.CodeInvalid, "interval"},
		"a negative price":     {with(func(in *portal.Connected) { in.AmountMinor = -1 }), fault.CodeInvalid, "price"},
		"an end at its start":  {with(func(in *portal.Connected) { in.ExpireAt = in.StartedAt }), fault.CodeInvalid, "expireAt"},
		"no access token":      {with(func(in *portal.Connected) { in.AccessToken = "" }), fault.CodeRequired, "accessToken"},
	} {
		_, err := s.report(c.in)
		requireFault(t, err, c.code, c.field)
		require.Equal(t, before, w.count(`select count(*) from event`), name)
	}
	foreign := with(func(*portal.Connected) {})
	foreign.Product = catalog.ProductRef{ID: &other.product.ID}
	_, err := w.portal.ReportConnected(t.Context(), other.owner, foreign)
	requireFault(t, err, fault.CodeForbidden, "userToken")
	w.setTime(newYear.Add(24 * time.Hour))
	_, err = s.report(with(func(*portal.Connected) {}))
	requireFault(t, err, fault.CodeForbidden, "userToken")
	w.setTime(newYear)
	s.sell(bob)
	_, err = s.report(with(func(*portal.Connected) {}))
	requireFault(t, err, fault.CodeActivePurchaseExists, "product")
	require.EqualValues(t, 2, w.count(`select count(*) from subscription`))
}

func TestWhatIsPaidForWithTheMerchantIsConnectedInPlaceOfAnUnpaidCheckout(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := newConnecting(w)
	_, err := w.portal.Billing.AttachPaymentMethod(t.Context(), s.owner, byID(s.ada), "pm_card_chargeCustomerFail")
	require.NoError(t, err)
	open, err := w.portal.Billing.Create(t.Context(), s.owner, billing.Create{Customer: byID(s.ada), PlanID: s.plan.ID, Interval: "MONTH", Quantity: 1})
	require.True(t, fault.Is(err, fault.CodePaymentFailed), "%v", err)
	in := s.said(s.consent(s.ada))

	over := in
	over.StartedAt, over.ExpireAt = newYear.AddDate(0, -2, 0), newYear
	off := in
	off.Active = false
	for name, ended := range map[string]portal.Connected{"past": over, "inactive": off} {
		_, err := s.report(ended)
		requireFault(t, err, fault.CodeActivePurchaseExists, "product")
		require.EqualValues(t, 1, w.count(`select count(*) from subscription where status = 'INCOMPLETE'`), name+": the checkout stays")
	}

	w.exec(`update subscription set charging = true, end_at = null`)
	_, err = s.report(in)
	requireFault(t, err, fault.CodeConflict, "")
	w.exec(`update subscription set charging = false, end_at = anchor_at + interval '1 day'`)

	sub := s.must(in)
	require.Equal(t, billing.Active, sub.Status)
	require.Equal(t, billing.FromMerchant, sub.Source)
	dropped, err := w.portal.Billing.Get(t.Context(), s.owner, open.ID)
	require.NoError(t, err)
	require.Equal(t, billing.Canceled, dropped.Status)
	require.Equal(t, "connected", *dropped.CancelReason)
	require.EqualValues(t, 1, w.count(`select count(*) from invoice where status = 'VOID'`))
	require.Zero(t, w.count(`select count(*) from payment`))
	require.Equal(t, []string{
		"invoice.created -", "payment.failed payment_failed", "subscription.updated canceled", "subscription.created -",
	}, s.events())
	require.Equal(t, sub.ID, s.must(in).ID, "the same report again")
}

func TestWhatWasPaidForHereIsNotTakenBackByAReport(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := newConnecting(w)
	in := s.said(s.consent(s.ada))
	sub := s.must(in)
	_, err := w.portal.Billing.AttachPaymentMethod(t.Context(), s.as(s.ada), byID(s.ada), "pm_card_visa")
	require.NoError(t, err)
	w.setTime(s.expire.Add(time.Minute))
	s.bill()
	paid, err := w.portal.Billing.Get(t.Context(), s.owner, sub.ID)
	require.NoError(t, err)
	require.Equal(t, s.expire.AddDate(0, 1, 0), paid.CurrentPeriodEnd.UTC())
	require.Equal(t, paid.Subscription, s.must(in).Subscription, "the first report again")
	in.AmountMinor = 1500
	dearer := s.must(in)
	require.EqualValues(t, 1500, dearer.Unit.Minor)
	require.Equal(t, paid.CurrentPeriodEnd, dearer.CurrentPeriodEnd)
}

func TestACanceledSubscriptionThatIsReportedActiveAgainGoesOnToTheEndOfWhatWasPaidForHere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := newConnecting(w)
	in := s.said(s.consent(s.ada))
	s.must(in)
	_, err := w.portal.Billing.AttachPaymentMethod(t.Context(), s.as(s.ada), byID(s.ada), "pm_card_visa")
	require.NoError(t, err)
	w.setTime(s.expire.Add(time.Minute))
	s.bill()
	paidUntil := s.expire.AddDate(0, 1, 0)

	in.Active = false
	require.Equal(t, billing.Canceled, s.must(in).Status)
	in.Active = true
	on := s.must(in)
	require.Equal(t, billing.Active, on.Status)
	require.Equal(t, paidUntil, on.CurrentPeriodEnd.UTC())
	require.Equal(t, s.expire, on.CurrentPeriodStart.UTC(), "the merchant's period would be charged for twice")
	require.Equal(t, paidUntil, on.BillAt.UTC())
	require.Equal(t, "subscription.renewed reported_active", s.events()[len(s.events())-1])

	in.Active = false
	s.must(in)
	w.setTime(paidUntil)
	in.Active = true
	past := s.must(in)
	require.Equal(t, billing.Expired, past.Status)
	require.Equal(t, paidUntil, past.EndedAt.UTC())
}

func TestAHolderWhoHasLostTheProductAndConnectsItIsARegainOfAccess(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := newConnecting(w)
	bob := s.customer("bob@example.com", nil)
	_, err := w.portal.Billing.Cancel(t.Context(), s.owner, billing.Cancel{SubscriptionID: s.sell(bob).ID})
	require.NoError(t, err)
	before := len(s.events())
	s.must(s.said(s.consent(bob)))
	require.Equal(t, []string{"subscription.created -", "subscription.renewed won_back"}, s.events()[before:])
}

func TestAProductThatIsNoLongerSoldIsConnectedByNobodyNewAndGoesOnForTheOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := newConnecting(w)
	in := s.said(s.consent(s.ada))
	s.must(in)
	bob := s.said(s.consent(s.cardless("bob@example.com")))
	bob.AccessToken = "at-2"
	eve := s.cardless("eve@example.com")
	_, err := w.portal.Catalog.ProductArchive(t.Context(), s.owner, s.product.ID)
	require.NoError(t, err)

	_, err = w.portal.ConnectStart(t.Context(), s.owner, byID(eve), s.ref())
	requireFault(t, err, fault.CodeConflict, "product")
	_, err = s.report(bob)
	requireFault(t, err, fault.CodeConflict, "product")
	in.AmountMinor = 900
	require.EqualValues(t, 900, s.must(in).Unit.Minor)

	_, err = w.portal.URLCreate(t.Context(), s.owner, portal.URLCreate{Email: "new@example.com", Product: s.ref(), Intent: portal.Buy})
	requireFault(t, err, fault.CodeInvalid, "product")
	require.Zero(t, w.count(`select count(*) from customer where email = 'new@example.com'`))
	_, err = w.portal.URLCreate(t.Context(), s.owner, portal.URLCreate{Email: "ada@example.com", Product: s.ref(), Intent: portal.Manage})
	require.NoError(t, err)
}

func TestAnEndThatIsTakenBackGoesNoFurtherThanWhatWasPaidForHere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := newConnecting(w)
	in := s.said(s.consent(s.ada))
	s.must(in)
	_, err := w.portal.Billing.AttachPaymentMethod(t.Context(), s.as(s.ada), byID(s.ada), "pm_card_visa")
	require.NoError(t, err)
	w.setTime(s.expire.Add(time.Minute))
	s.bill()
	paidUntil := s.expire.AddDate(0, 1, 0)

	in.ExpireAt = s.expire.AddDate(0, 3, 0)
	require.Equal(t, in.ExpireAt, s.must(in).CurrentPeriodEnd.UTC())
	in.ExpireAt = paidUntil.AddDate(0, 0, -2)
	back := s.must(in)
	require.Equal(t, paidUntil, back.CurrentPeriodEnd.UTC())
	require.Equal(t, paidUntil, back.BillAt.UTC())
	require.Equal(t, paidUntil, back.AnchorAt.UTC())
}
