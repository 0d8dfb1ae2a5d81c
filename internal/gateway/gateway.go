// Package gateway owns the seam to payment providers: what Portico asks of them, and a test provider with its own books.
package gateway

import (
	"context"
	"fmt"

	"portico/internal/money"
)

// Gateway takes money in two steps, so that the provider's reference is stored before anything moves. Every method may be
// repeated: the same key prepares the same charge, and a confirmed charge is not confirmed twice.
type Gateway interface {
	// Attach exchanges a provider's token for a reusable payment method. A refusal is a *Decline.
	Attach(ctx context.Context, token string) (Card, error)
	// Prepare announces a charge and returns the provider's reference. No money moves. A refusal for good is a *Decline.
	Prepare(ctx context.Context, charge Charge) (ref string, err error)
	// Confirm takes the money. After an error the outcome is unknown: ask Get.
	Confirm(ctx context.Context, ref string) (Outcome, error)
	// Get tells what became of a charge. One that the provider has given up is Declined.
	Get(ctx context.Context, ref string) (Outcome, error)
}

// Charge is what to take from whom.
type Charge struct {
	Key    string // idempotency key
	Method string // the provider's reference of the payment method
	Amount money.Money
}

// State is where a charge stands at the provider.
type State string

// The states of a charge.
const (
	Prepared  State = "PREPARED"
	Succeeded State = "SUCCEEDED"
	Declined  State = "DECLINED"
)

// Outcome is the provider's answer about a charge.
type Outcome struct {
	State       State
	DeclineCode string
	// Hard declines will not change by asking again: only another payment method helps.
	Hard bool
}

// Card is a payment method as the provider describes it.
type Card struct {
	Ref      string
	Brand    string
	Last4    string
	ExpMonth int32
	ExpYear  int32
}

// Decline is a provider's refusal of a payment method.
type Decline struct {
	Code    string
	Message string
}

func (d *Decline) Error() string { return fmt.Sprintf("%s (%s)", d.Message, d.Code) }
