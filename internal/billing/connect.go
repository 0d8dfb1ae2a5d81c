package billing

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/db"
	"portico/internal/account"
	"portico/internal/catalog"
	"portico/internal/fault"
	"portico/internal/secret"
	"portico/internal/webhook"
)

// Where a subscription comes from, as in the schema's SubscriptionSource.
const (
	FromPortal    = "PORTAL"    // bought here
	FromMerchant  = "CONNECTED" // begun with the merchant, who reported it: Portico renews it
	reasonOffline = "reported_inactive"
	reasonRanOut  = "no_payment_method"
	reasonPast    = "reported_expired"
	reasonBack    = "reported_active"
	reasonElse    = "connected" // why a checkout that was never paid is canceled
)

// Report is what a merchant says of a subscription that a customer has with it.
type Report struct {
	TokenID        int64  // of the customer's consent
	SubscriptionID *int64 // where the consent led to before
	CustomerID     int64
	Plan           catalog.Plan
	Price          catalog.Price // of the plan, for the interval and the currency that were reported
	AmountMinor    int64         // what a period costs, in the price's currency, until the plan changes
	AccessToken    secret.Text   // the merchant's own name for the subscription
	Active         bool
	StartedAt      time.Time
	ExpireAt       time.Time // until when has been paid with the merchant

	paidUntil time.Time // until when has been paid here
}

// Connect takes a subscription over from the merchant, or follows what the merchant has changed about one that was taken over: the same
// report twice changes nothing. From ExpireAt on Portico renews it with the customer's payment method; without one it ends then.
// A checkout of the holder's that is still unpaid makes room for what has been paid for with the merchant.
//
// Faults: CONFLICT on accessToken when it stands for another customer's subscription, and while a payment is under way;
// ACTIVE_PURCHASE_EXISTS on product when the holder has bought the product here.
func (b *Billing) Connect(ctx context.Context, caller account.Caller, in Report) (*Subscription, error) {
	var id int64
	err := b.DB.Tenant(caller.MerchantID).Tx(ctx, func(tx pgx.Tx) error {
		now, err := b.lockPayer(ctx, tx, caller.MerchantID, in.CustomerID)
		if err != nil {
			return err
		}
		if id, err = b.placeOf(ctx, tx, caller.MerchantID, in, now); err != nil {
			return err
		}
		return b.follow(ctx, tx, caller.MerchantID, id, in)
	})
	if err = saleError(err); fault.Is(err, fault.CodeActivePurchaseExists) {
		err = fault.New(fault.CodeActivePurchaseExists, "product", "the customer has bought this product here: there is nothing to connect")
	}
	if err != nil {
		return nil, err
	}
	return b.Get(ctx, caller, id)
}

// placeOf finds the subscription that a report is about, or inserts it.
func (b *Billing) placeOf(ctx context.Context, tx pgx.Tx, merchantID int64, in Report, now time.Time) (int64, error) {
	named, err := b.DB.ConnectionOfAccessToken(ctx, tx, db.ConnectionOfAccessTokenParams{
		MerchantID: merchantID, ProductID: in.Plan.ProductID, AccessTokenHash: b.Accounts.Keys.Hash(in.AccessToken),
	})
	switch {
	case err != nil && !db.IsNoRows(err):
		return 0, fmt.Errorf("look an access token up: %w", err)
	case err == nil && (named.CustomerID != in.CustomerID || (in.SubscriptionID != nil && *in.SubscriptionID != named.SubscriptionID)):
		return 0, fault.New(fault.CodeConflict, "accessToken", "stands for another subscription")
	case err == nil:
		return named.SubscriptionID, nil
	case in.SubscriptionID != nil:
		return *in.SubscriptionID, nil
	}
	company, err := b.Accounts.Holder(ctx, tx, merchantID, in.CustomerID, nil)
	if err != nil {
		return 0, err
	}
	live, err := b.DB.LockLiveSubscription(ctx, tx, db.LockLiveSubscriptionParams{
		MerchantID: merchantID, ProductID: in.Plan.ProductID, CompanyID: company,
	})
	switch {
	case err == nil && live.Source == FromMerchant && live.CustomerID == in.CustomerID:
		return live.ID, nil
	case err == nil && live.Status == Incomplete && in.runs(now):
		if err := b.dropCheckout(ctx, tx, merchantID, live.ID); err != nil {
			return 0, err
		}
	case err == nil:
		return 0, activePurchaseExists()
	case !db.IsNoRows(err):
		return 0, fmt.Errorf("look for a live subscription: %w", err)
	}
	if err := b.requireOpen(ctx, tx, merchantID); err != nil {
		return 0, err
	}
	customer, err := b.DB.CustomerByID(ctx, tx, db.CustomerByIDParams{MerchantID: merchantID, ID: in.CustomerID})
	if err != nil {
		return 0, fmt.Errorf("read customer %d: %w", in.CustomerID, err)
	}
	id, err := b.DB.InsertSubscription(ctx, tx, db.InsertSubscriptionParams{
		MerchantID: merchantID, ProductID: in.Plan.ProductID, CompanyID: company, CustomerID: in.CustomerID, Source: FromMerchant,
		PlanID: in.Plan.ID, PriceID: in.Price.ID, Status: Incomplete, Quantity: 1, AnchorAt: in.ExpireAt,
		TestClockID: customer.TestClockID, CreatedAt: now,
	})
	if err != nil {
		return 0, fmt.Errorf("insert subscription: %w", err)
	}
	return id, nil
}

// runs tells whether what is reported gives access now.
func (in Report) runs(now time.Time) bool { return in.Active && now.Before(in.ExpireAt) }

// dropCheckout cancels a subscription whose first payment failed, and voids its invoice.
func (b *Billing) dropCheckout(ctx context.Context, tx pgx.Tx, merchantID, id int64) error {
	s, err := b.lockOne(ctx, tx, merchantID, id)
	if err != nil {
		return err
	}
	if s.Charging {
		return errPaymentUnderWay()
	}
	c, err := b.begin(ctx, tx, 0)
	if err != nil {
		return err
	}
	if err := c.cancel(s, false, at(reasonElse)); err != nil {
		return err
	}
	return c.flush(ctx, 0)
}

func errPaymentUnderWay() error {
	return fault.New(fault.CodeConflict, "", "a payment for this subscription is under way: send the report again in a moment")
}

// follow brings a subscription to what is reported, unless that is what was reported before.
func (b *Billing) follow(ctx context.Context, tx pgx.Tx, merchantID, id int64, in Report) error {
	s, err := b.lockOne(ctx, tx, merchantID, id)
	if err != nil {
		return err
	}
	var before *db.LastReportRow
	last, err := b.DB.LastReport(ctx, tx, db.LastReportParams{MerchantID: merchantID, SubscriptionID: id})
	switch {
	case err == nil:
		before = &last
	case !db.IsNoRows(err):
		return fmt.Errorf("read what was reported of subscription %d: %w", id, err)
	}
	if err := b.DB.UseConnectToken(ctx, tx, db.UseConnectTokenParams{MerchantID: merchantID, ID: in.TokenID, SubscriptionID: &id}); err != nil {
		return fmt.Errorf("note where a consent led to: %w", err)
	}
	hash := b.Accounts.Keys.Hash(in.AccessToken)
	if in.repeats(before, hash) {
		return nil
	}
	err = b.DB.SaveConnection(ctx, tx, db.SaveConnectionParams{
		MerchantID: merchantID, SubscriptionID: id, ProductID: s.ProductID, AccessTokenHash: hash,
		AccessTokenCipher: b.Accounts.Keys.Seal(AccessTokenIdentity(id), in.AccessToken), PlanID: in.Plan.ID, PriceID: in.Price.ID,
		AmountMinor: in.AmountMinor, Active: in.Active, StartedAt: in.StartedAt, ExpireAt: in.ExpireAt, ReportedAt: b.Now(),
	})
	if err != nil {
		return fmt.Errorf("keep what was reported of subscription %d: %w", id, err)
	}
	s.PlanID, s.PriceID, s.ReportedAmountMinor = in.Plan.ID, in.Price.ID, &in.AmountMinor
	// Events tell of the new terms, which are read with the row.
	if err := b.DB.SaveSubscriptions(ctx, tx, []*db.Subscription{&s.Subscription}); err != nil {
		return fmt.Errorf("save subscription %d: %w", id, err)
	}
	in.paidUntil, err = b.DB.PaidUntil(ctx, tx, db.PaidUntilParams{MerchantID: merchantID, SubscriptionID: id})
	if err != nil {
		return fmt.Errorf("read until when subscription %d has been paid for: %w", id, err)
	}
	subs, err := b.load(ctx, tx, []Ref{{merchantID, id}})
	if err != nil {
		return err
	}
	c, err := b.begin(ctx, tx, 0)
	if err != nil {
		return err
	}
	if err := c.report(subs[0], in, before); err != nil {
		return err
	}
	if err := c.flush(ctx, 0); err != nil || before != nil || !subs[0].Live() || subs[0].canBeCharged() {
		return err
	}
	return b.needPaymentMethod(ctx, tx, subs[0], "connected")
}

// repeats tells whether nothing is new.
func (in Report) repeats(before *db.LastReportRow, hash []byte) bool {
	return before != nil && string(before.AccessTokenHash) == string(hash) && before.PlanID == in.Plan.ID && before.PriceID == in.Price.ID &&
		before.AmountMinor == in.AmountMinor && before.Active == in.Active && before.StartedAt.Equal(in.StartedAt) && before.ExpireAt.Equal(in.ExpireAt)
}

// report changes a subscription to what is reported and says so.
func (c *change) report(s *Subscription, in Report, before *db.LastReportRow) error {
	now, hadAccess, wasLive, open := s.now(c.now), s.hasAccess(), s.Live(), s.OpenInvoiceID
	if err := s.report(now, in, before); err != nil {
		return err
	}
	if open != nil && s.OpenInvoiceID == nil {
		c.close(&Invoice{db.Invoice{MerchantID: s.MerchantID, ID: *open}}, InvoiceVoid, now)
	}
	switch {
	case s.Status == Canceled:
		return c.emitLoss(s, hadAccess || before == nil, reasonOffline)
	case s.Status == Expired:
		if err := c.emitLoss(s, hadAccess || before == nil, reasonPast); err != nil || !wasLive {
			return err
		}
		return c.emit(s, webhook.SubscriptionExpired, reasonPast, nil)
	case before == nil:
		return c.emitBegun(s, nil)
	case !hadAccess && s.hasAccess():
		return c.emit(s, webhook.SubscriptionRenewed, reasonBack, nil)
	default:
		return c.emit(s, webhook.SubscriptionUpdated, "", nil)
	}
}

// emitLoss tells of a loss of access, or of a change where there was none to lose.
func (c *change) emitLoss(s *Subscription, lost bool, reason string) error {
	if lost {
		return c.emit(s, webhook.SubscriptionCanceled, reason, nil)
	}
	return c.emit(s, webhook.SubscriptionUpdated, reason, nil)
}

// report decides what a merchant's report makes of the subscription. What has been paid for here is not taken back: a period that the
// merchant reports counts only where it ends later.
func (s *Subscription) report(now time.Time, in Report, before *db.LastReportRow) error {
	if s.Charging {
		return errPaymentUnderWay()
	}
	switch {
	case !in.Active:
		if s.Live() {
			s.CanceledAt = &now
			s.end(now, Canceled)
		}
		return nil
	case s.PeriodIndex >= 0 && !in.ExpireAt.After(*s.CurrentPeriodEnd):
		s.keepPaid(now)
		return nil
	case before != nil && s.Live() && before.StartedAt.Equal(in.StartedAt) && before.ExpireAt.Equal(in.ExpireAt):
		s.schedule()
		return nil
	}
	end := in.ExpireAt
	if end.Before(in.paidUntil) { // the merchant has reported a later end meanwhile, and takes it back
		end = in.paidUntil
	}
	s.CurrentPeriodStart, s.CurrentPeriodEnd = &in.StartedAt, &end
	s.AnchorAt, s.PeriodIndex = end, -1
	s.goOn(now)
	return nil
}

// keepPaid leaves the period as it is that has been paid for here. A subscription that has ended goes on to its end.
func (s *Subscription) keepPaid(now time.Time) {
	if s.Live() {
		s.schedule()
		return
	}
	s.goOn(now)
}

// goOn has the subscription be active until its period ends, or expired when that is past.
func (s *Subscription) goOn(now time.Time) {
	s.OpenInvoiceID, s.PastDueSince, s.FailedAttempts, s.AwaitsNewCard, s.Suspended = nil, nil, 0, false, false
	if !now.Before(*s.CurrentPeriodEnd) {
		s.end(*s.CurrentPeriodEnd, Expired)
		return
	}
	if !s.Live() {
		s.CancelAtPeriodEnd, s.CanceledAt, s.CancelReason, s.EndedAt = false, nil, nil, nil
	}
	s.Status = Active
	s.schedule()
}

// AccessTokenIdentity names the column that holds the merchant's own name for a connected subscription, as Keyring.Seal and Keyring.Open
// want it.
func AccessTokenIdentity(subscriptionID int64) string {
	return fmt.Sprintf("connection/%d/access_token", subscriptionID)
}

// AccessToken is the merchant's own name for a connected subscription, nil for others.
func (b *Billing) AccessToken(ctx context.Context, merchantID, subscriptionID int64) (*secret.Text, error) {
	cipher, err := b.DB.AccessTokenCipher(ctx, b.DB.Tenant(merchantID), db.AccessTokenCipherParams{MerchantID: merchantID, SubscriptionID: subscriptionID})
	if db.IsNoRows(err) {
		return nil, nil //nolint:nilnil // there is none
	}
	if err != nil {
		return nil, fmt.Errorf("read the connection of subscription %d: %w", subscriptionID, err)
	}
	token, err := b.Accounts.Keys.Open(AccessTokenIdentity(subscriptionID), cipher)
	if err != nil {
		return nil, fmt.Errorf("open the access token of subscription %d: %w", subscriptionID, err)
	}
	return &token, nil
}
