package billing

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"portico/db"
	"portico/internal/account"
	"portico/internal/fault"
	"portico/internal/gateway"
	"portico/internal/settings"
)

// PaymentMethod is a card or the like, known by its provider's reference.
type PaymentMethod struct{ db.PaymentMethod }

// AttachPaymentMethod exchanges the provider's token for a payment method and makes it the customer's default. Subscriptions on
// trial will convert with it, and a past-due one is charged at once; a decline of that charge is no error of attaching.
func (b *Billing) AttachPaymentMethod(ctx context.Context, caller account.Caller, ref account.CustomerRef, token string,
) (PaymentMethod, error) {
	if token == "" {
		return PaymentMethod{}, fault.Required("token")
	}
	var check fault.Check
	customer, err := b.Accounts.Customer(ctx, caller, ref)
	if err != nil && !blame(&check, err, "customer") {
		return PaymentMethod{}, err
	}
	if err := check.Err(); err != nil {
		return PaymentMethod{}, err
	}
	merchantID := customer.MerchantID
	if _, err := settings.Hold(ctx, b.DB, b.DB.Tenant(merchantID), caller, merchantID, customer.ID, settings.UpdatePaymentMethod); err != nil {
		return PaymentMethod{}, err
	}
	name, provider, err := b.gatewayOf(ctx, merchantID)
	if err != nil {
		return PaymentMethod{}, err
	}
	card, err := b.attach(ctx, provider, merchantID, token)
	if err != nil {
		return PaymentMethod{}, err
	}
	var method db.PaymentMethod
	var attempts []Attempt
	err = b.DB.Tenant(merchantID).Tx(ctx, func(tx pgx.Tx) error {
		method, attempts, err = b.storeMethod(ctx, tx, merchantID, customer.ID, name, card)
		return err
	})
	if err != nil {
		return PaymentMethod{}, err
	}
	if err := b.chargeNow(ctx, merchantID, attempts); err != nil && fault.List(err) == nil {
		return PaymentMethod{}, err
	}
	return PaymentMethod{method}, nil
}

func (b *Billing) attach(ctx context.Context, provider gateway.Gateway, merchantID int64, token string) (card gateway.Card, err error) {
	var decline *gateway.Decline
	err = insist(ctx, func() (err error) {
		if card, err = provider.Attach(ctx, token); errors.As(err, &decline) {
			return nil
		}
		return err
	})
	switch {
	case decline != nil:
		return card, fault.New(fault.CodePaymentFailed, "token", "%s", decline.Error())
	case err != nil:
		b.Log.WarnContext(ctx, "payment method not attached", "merchant_id", merchantID, "error", err)
		return card, fault.New(fault.CodePaymentFailed, "", "the payment provider did not answer, and nothing was attached: try again")
	}
	return card, nil
}

// gatewayOf is a merchant's payment provider: sandboxes have the test gateway.
func (b *Billing) gatewayOf(ctx context.Context, merchantID int64) (string, gateway.Gateway, error) {
	merchant, err := b.Accounts.Merchant(ctx, account.Caller{MerchantID: merchantID})
	if err != nil {
		return "", nil, err
	}
	name := b.LiveGateway
	if merchant.Sandbox() {
		name = gateway.TestName
	}
	provider := b.Gateways[name]
	if provider == nil {
		return "", nil, fault.New(fault.CodeConflict, "",
			"this installation has no payment provider for live merchants: use a sandbox")
	}
	return name, provider, nil
}

func (b *Billing) storeMethod(ctx context.Context, tx pgx.Tx, merchantID, customerID int64, gatewayName string, card gateway.Card,
) (method db.PaymentMethod, attempts []Attempt, err error) {
	if _, err = b.lockPayer(ctx, tx, merchantID, customerID); err != nil {
		return method, nil, err
	}
	clear := db.ClearDefaultPaymentMethodParams{MerchantID: merchantID, CustomerID: customerID}
	if err = b.DB.ClearDefaultPaymentMethod(ctx, tx, clear); err != nil {
		return method, nil, fmt.Errorf("clear the default payment method: %w", err)
	}
	method, err = b.DB.InsertPaymentMethod(ctx, tx, db.InsertPaymentMethodParams{
		MerchantID: merchantID, CustomerID: customerID, Gateway: gatewayName, GatewayRef: card.Ref, Brand: card.Brand,
		Last4: card.Last4, ExpMonth: card.ExpMonth, ExpYear: card.ExpYear, CreatedAt: b.Now(),
	})
	if err != nil {
		return method, nil, fmt.Errorf("insert payment method: %w", err)
	}
	rows, err := b.DB.SubscriptionsOfPayer(ctx, tx, db.SubscriptionsOfPayerParams{MerchantID: merchantID, CustomerID: customerID})
	if err != nil {
		return method, nil, fmt.Errorf("lock the customer's subscriptions: %w", err)
	}
	refs := make([]Ref, len(rows))
	for i, row := range rows {
		refs[i] = Ref(row)
	}
	subs, err := b.load(ctx, tx, refs)
	if err != nil {
		return method, nil, err
	}
	c, err := b.begin(ctx, tx, len(subs))
	if err != nil {
		return method, nil, err
	}
	for _, s := range subs {
		switch {
		case (s.Status == Trialing || s.Status == Active) && !s.Charging:
			s.schedule()
			c.save(s)
		case s.Status == PastDue && !s.Charging && s.OpenInvoiceID != nil:
			c.attempt(s, *s.OpenInvoiceID)
		}
	}
	return method, c.attempts, c.flush(ctx, callerChargesFor)
}

// PaymentMethods are the payment methods of each of the customers, newest first.
func (b *Billing) PaymentMethods(ctx context.Context, caller account.Caller, customerIDs []int64) (map[int64][]PaymentMethod, error) {
	if caller.InPortal() {
		return b.ownMethods(ctx, caller, customerIDs)
	}
	rows, err := b.DB.PaymentMethodsOfCustomers(ctx, b.DB.Tenant(caller.MerchantID), db.PaymentMethodsOfCustomersParams{
		MerchantID: caller.MerchantID, CustomerIds: customerIDs,
	})
	if err != nil {
		return nil, fmt.Errorf("read payment methods: %w", err)
	}
	methods := make(map[int64][]PaymentMethod, len(customerIDs))
	for _, row := range rows {
		methods[row.CustomerID] = append(methods[row.CustomerID], PaymentMethod{row})
	}
	return methods, nil
}
