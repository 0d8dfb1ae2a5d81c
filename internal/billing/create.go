package billing

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"portico/db"
	"portico/internal/account"
	"portico/internal/catalog"
	"portico/internal/fault"
	"portico/internal/webhook"
)

const (
	maxQuantity   = 1_000_000
	maxTotalMinor = 1<<53 - 1 // JavaScript reads no greater one exactly
)

// The holders that a purchase can name, as in the schema's SubscriptionHolder.
const (
	HolderPersonal = "PERSONAL"
	HolderCompany  = "COMPANY"
)

// Create asks for a subscription of a customer to a plan.
type Create struct {
	Customer account.CustomerRef
	PlanID   int64
	Interval string
	Currency *string // nil when the plan has one currency only for the interval
	Quantity int32   // seats
	Holder   *string // nil for the customer's company
}

// Create sells a plan. Trials and free plans start at once; otherwise the customer's default payment method is charged before
// Create returns. When that fails, the error is a PAYMENT_FAILED fault and the subscription is returned as well: it stays
// INCOMPLETE for 24 hours and the next call takes it up again, with the plan that it asks for. A charge whose outcome is still unknown is
// no error: the subscription is INCOMPLETE until a worker has found out. To ask for the same again meanwhile gives the same
// subscription and charges nothing; to ask for anything else is a CONFLICT.
func (b *Billing) Create(ctx context.Context, caller account.Caller, in Create) (*Subscription, error) {
	sale, err := b.prepareSale(ctx, caller, in)
	if err != nil {
		return nil, err
	}
	var id int64
	var attempts []Attempt
	err = b.DB.Tenant(caller.MerchantID).Tx(ctx, func(tx pgx.Tx) error {
		id, attempts, err = b.sell(ctx, tx, caller, sale)
		return err
	})
	if err != nil {
		return nil, saleError(err)
	}
	chargeErr := b.chargeNow(ctx, caller.MerchantID, attempts)
	sub, err := b.Get(ctx, caller, id)
	return sub, errors.Join(err, chargeErr)
}

// sale is a purchase whose parts have been found.
type sale struct {
	customer account.Customer
	plan     catalog.Plan
	price    catalog.Price
	quantity int32
	personal *bool
}

func (b *Billing) prepareSale(ctx context.Context, caller account.Caller, in Create) (sale, error) {
	var check fault.Check
	if in.Quantity < 1 || in.Quantity > maxQuantity {
		check.Add(fault.Invalid("quantity", "must be between 1 and %d", maxQuantity))
	}
	customer, err := b.Accounts.Customer(ctx, caller, in.Customer)
	if err != nil && !blame(&check, err, "customer") {
		return sale{}, err
	}
	plan, err := b.Catalog.Plan(ctx, caller, in.PlanID)
	if err != nil && !blame(&check, err, "plan") {
		return sale{}, err
	}
	found := sale{customer: customer, plan: plan, quantity: in.Quantity}
	if err == nil {
		price, f := choosePrice(plan, in.Interval, in.Currency)
		check.Add(f)
		found.price = price
		product, err := b.Catalog.Product(ctx, caller, catalog.ProductRef{ID: &plan.ProductID})
		if err != nil {
			return sale{}, err
		}
		if product.Status == catalog.Archived {
			check.Add(fault.New(fault.CodeConflict, "plan", "is of a product that is no longer sold"))
		}
	}
	if in.Holder != nil {
		found.personal = at(*in.Holder == HolderPersonal)
	}
	return found, check.Err()
}

// blame adds the caller's faults in err to the check, blaming the field, and tells whether there were any.
func blame(check *fault.Check, err error, field string) bool {
	faults := fault.List(err)
	for _, f := range faults {
		check.Add(fault.New(f.Code, field, "%s", f.Message))
	}
	return len(faults) > 0
}

func choosePrice(plan catalog.Plan, interval string, currency *string) (catalog.Price, *fault.Error) {
	var fitting []catalog.Price
	for _, p := range plan.Prices {
		if string(p.Interval) == interval && (currency == nil || p.Money.Currency == *currency) {
			fitting = append(fitting, p)
		}
	}
	switch {
	case len(fitting) == 1:
		return fitting[0], nil
	case len(fitting) > 1:
		return catalog.Price{}, fault.New(fault.CodeRequired, "currency", "the plan has prices in several currencies: choose one")
	case currency != nil:
		return catalog.Price{}, fault.Invalid("currency", "the plan has no %s price in %s", strings.ToLower(interval), *currency)
	}
	return catalog.Price{}, fault.Invalid("interval", "the plan has no %s price", strings.ToLower(interval))
}

// sell writes the sale. The customer's row is locked, so that two purchases of one customer come one after the other.
func (b *Billing) sell(ctx context.Context, tx pgx.Tx, caller account.Caller, sale sale) (int64, []Attempt, error) {
	if err := b.requireOpen(ctx, tx, caller.MerchantID); err != nil {
		return 0, nil, err
	}
	now, err := b.lockPayer(ctx, tx, caller.MerchantID, sale.customer.ID)
	if err != nil {
		return 0, nil, err
	}
	company, err := b.Accounts.Holder(ctx, tx, caller.MerchantID, sale.customer.ID, sale.personal)
	if err != nil {
		return 0, nil, err
	}
	c, err := b.begin(ctx, tx, 1)
	if err != nil {
		return 0, nil, err
	}
	id, standing, err := b.claimPlace(ctx, c, caller, sale, company, now)
	if err != nil || standing == beingPaid {
		return id, nil, err
	}
	subs, err := b.load(ctx, tx, []Ref{{caller.MerchantID, id}})
	if err != nil {
		return 0, nil, err
	}
	s := subs[0]
	if standing == unpaid {
		s.checkOutAgain(now, sale)
		// The terms that the row was read with are those of the earlier try.
		if err := b.DB.SaveSubscriptions(ctx, tx, []*db.Subscription{&s.Subscription}); err != nil {
			return 0, nil, fmt.Errorf("save subscription: %w", err)
		}
		if subs, err = b.load(ctx, tx, []Ref{{caller.MerchantID, id}}); err != nil {
			return 0, nil, err
		}
		s = subs[0]
	}
	trial, err := b.trialDays(ctx, tx, s, sale.plan)
	if err != nil {
		return 0, nil, err
	}
	if err := c.start(s, now, trial); err != nil {
		return 0, nil, err
	}
	return id, c.attempts, c.flush(ctx, callerChargesFor)
}

// lockPayer locks a customer, holds the customer's test clock where it stands, and tells the customer's time.
func (b *Billing) lockPayer(ctx context.Context, tx pgx.Tx, merchantID, customerID int64) (time.Time, error) {
	now, err := b.DB.HoldClockOfCustomer(ctx, tx, db.HoldClockOfCustomerParams{MerchantID: merchantID, ID: customerID})
	if db.IsNoRows(err) {
		now, err = b.Now(), nil
	}
	if err != nil {
		return now, fmt.Errorf("hold the customer's clock: %w", err)
	}
	if _, err := b.DB.LockCustomer(ctx, tx, db.LockCustomerParams{MerchantID: merchantID, ID: customerID}); err != nil {
		return now, fmt.Errorf("lock customer: %w", err)
	}
	return now, nil
}

// standing is how far the subscription has come that a sale is written to.
type standing int

const (
	fresh     standing = iota
	unpaid             // an earlier try's, which failed
	beingPaid          // the charge for exactly this sale is under way
)

// claimPlace finds the holder's unpaid subscription to the product, or inserts a new one. Any other live one is in the way.
func (b *Billing) claimPlace(ctx context.Context, c *change, caller account.Caller, sale sale, company int64, now time.Time,
) (id int64, found standing, err error) {
	live, err := b.DB.LockLiveSubscription(ctx, c.tx, db.LockLiveSubscriptionParams{
		MerchantID: caller.MerchantID, ProductID: sale.plan.ProductID, CompanyID: company,
	})
	switch {
	case db.IsNoRows(err):
		id, err = b.DB.InsertSubscription(ctx, c.tx, db.InsertSubscriptionParams{
			MerchantID: caller.MerchantID, ProductID: sale.plan.ProductID, CompanyID: company, CustomerID: sale.customer.ID,
			PlanID: sale.plan.ID, PriceID: sale.price.ID, Source: FromPortal, Status: Incomplete, Quantity: sale.quantity, AnchorAt: now,
			TestClockID: sale.customer.TestClockID, CreatedAt: now,
		})
		if err != nil {
			return 0, fresh, fmt.Errorf("insert subscription: %w", err)
		}
		return id, fresh, nil
	case err != nil:
		return 0, fresh, fmt.Errorf("look for a live subscription: %w", err)
	case live.Status != Incomplete:
		return 0, fresh, activePurchaseExists()
	case live.Charging && live.CustomerID == sale.customer.ID && live.PriceID == sale.price.ID && live.Quantity == sale.quantity:
		return live.ID, beingPaid, nil
	case live.Charging:
		return 0, fresh, fault.New(fault.CodeConflict, "plan",
			"the payment for an earlier order of this product is under way: order another plan or quantity when its outcome is known")
	}
	if live.OpenInvoiceID != nil {
		c.close(&Invoice{db.Invoice{MerchantID: caller.MerchantID, ID: *live.OpenInvoiceID}}, InvoiceVoid, now)
	}
	return live.ID, unpaid, nil
}

func activePurchaseExists() error {
	return fault.New(fault.CodeActivePurchaseExists, "plan", "there already is a live subscription to this product: change its plan instead")
}

// saleError turns the constraint that stands behind claimPlace into its fault.
func saleError(err error) error {
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) && pgErr.ConstraintName == "subscription_live_key" {
		return activePurchaseExists()
	}
	return err
}

// trialDays is the length of the trial that this purchase starts with: a customer tries a product once.
func (b *Billing) trialDays(ctx context.Context, tx pgx.Tx, s *Subscription, plan catalog.Plan) (int32, error) {
	if plan.TrialDays == 0 {
		return 0, nil
	}
	had, err := b.DB.HadTrial(ctx, tx, db.HadTrialParams{MerchantID: s.MerchantID, CustomerID: s.CustomerID, ProductID: s.ProductID})
	if err != nil {
		return 0, fmt.Errorf("look for an earlier trial: %w", err)
	}
	if had {
		return 0, nil
	}
	return plan.TrialDays, nil
}

// start begins a new subscription: a trial, a free period, or the first payment.
func (c *change) start(s *Subscription, now time.Time, trialDays int32) error {
	if total, err := s.amount(); err != nil || total.Minor > maxTotalMinor {
		return fault.Invalid("quantity", "the total is too large")
	}
	if trialDays > 0 {
		s.startTrial(now, trialDays)
		return c.emitBegun(s, nil)
	}
	if !s.canBeCharged() {
		return fault.New(fault.CodeRequired, "customer", "has no payment method: attach one first")
	}
	i, err := c.invoice(s)
	if err != nil {
		return err
	}
	if i.Status == InvoicePaid {
		s.paid(i)
		if err := c.emit(s, webhook.InvoiceCreated, "", i); err != nil {
			return err
		}
		return c.emitBegun(s, nil)
	}
	c.attempt(s, i.ID)
	return c.emit(s, webhook.InvoiceCreated, "", i)
}

// emitBegun tells of a subscription that begins. Receivers that know losses and regains only have disabled a holder who was lost before:
// to them it is a regain.
func (c *change) emitBegun(s *Subscription, i *Invoice) error {
	if err := c.emit(s, webhook.SubscriptionCreated, "", i); err != nil || !s.winsBack {
		return err
	}
	return c.emit(s, webhook.SubscriptionRenewed, reasonWonBack, i)
}

// chargeNow makes charges that a caller waits for. Only a decline is the caller's to know: what is unknown is left to the job. The
// answer is what is booked, as a worker may have been faster.
func (b *Billing) chargeNow(ctx context.Context, merchantID int64, attempts []Attempt) error {
	if len(attempts) == 0 {
		return nil
	}
	refs, ids := make([]AttemptRef, len(attempts)), make([]int64, len(attempts))
	for i, a := range attempts {
		refs[i], ids[i] = a.ref(), a.ID
	}
	if err := b.Charge(ctx, refs); err != nil {
		b.Log.WarnContext(ctx, "charge left to the workers", "merchant_id", merchantID, "attempt_id", ids[0], "error", err)
	}
	declines, err := b.DB.Declines(ctx, b.DB.Tenant(merchantID), db.DeclinesParams{MerchantID: merchantID, Ids: ids})
	if err != nil {
		return fmt.Errorf("read declines: %w", err)
	}
	if len(declines) > 0 {
		return fault.New(fault.CodePaymentFailed, "customer", "the payment was declined (%s)", declines[0])
	}
	return nil
}
