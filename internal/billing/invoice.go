package billing

import (
	"time"

	"portico/db"
	"portico/internal/money"
)

// The kinds and statuses of an invoice, as in the schema.
const (
	KindRenewal = "RENEWAL"

	InvoiceOpen          = "OPEN"
	InvoicePaid          = "PAID"
	InvoiceVoid          = "VOID"
	InvoiceUncollectible = "UNCOLLECTIBLE"
)

// Invoice is a bill for one period of a subscription.
type Invoice struct{ db.Invoice }

// Total is the amount to pay.
func (i *Invoice) Total() money.Money { return money.Money{Minor: i.AmountMinor, Currency: i.Currency} }

// Attempt is one try to collect an invoice. It is stored before the gateway hears of it.
type Attempt struct {
	MerchantID, ID  int64
	InvoiceID       int64
	SubscriptionID  int64
	PaymentMethodID int64
	Gateway         string
}

func (a Attempt) ref() AttemptRef { return AttemptRef{MerchantID: a.MerchantID, ID: a.ID} }

// payment is money taken, with the merchant's fee for it.
type payment struct {
	merchantID, id       int64
	invoiceID, attemptID int64
	customerID           int64
	amount, fee          money.Money
	paidAt               time.Time
}

// leg is one side of a ledger transaction: positive is a debit, negative a credit.
type leg struct {
	account string
	minor   int64
}

// legs book a payment: what came in is owed to the merchant, less the fee. Their sum is zero.
func (p payment) legs() []leg {
	all := []leg{
		{accountCash, p.amount.Minor},
		{accountFee, -p.fee.Minor},
		{accountPayable, p.fee.Minor - p.amount.Minor},
	}
	booked := all[:0]
	for _, l := range all {
		if l.minor != 0 {
			booked = append(booked, l)
		}
	}
	return booked
}

// The accounts of the ledger, as in the schema's LedgerAccount.
const (
	accountCash    = "CASH"
	accountFee     = "PORTAL_FEE"
	accountPayable = "MERCHANT_PAYABLE"
)
