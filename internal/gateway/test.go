package gateway

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	dice "math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// TestName is how payment methods of the test gateway are marked.
const TestName = "test"

// Test is a payment provider that moves no money. It keeps its charges in a table of its own, written in its own transactions
// as a provider on the other side of the network would.
type Test struct {
	Pool *pgxpool.Pool
	Now  func() time.Time
	// Loss is the share of answers that get lost, 0 to 1: half of them with the request, half of them after it was obeyed.
	Loss float64
}

// ErrLost stands for a connection that broke: the caller cannot know whether the request was obeyed.
var ErrLost = errors.New("the test gateway's answer was lost")

// loss decides what is lost of one exchange: the request, or only the answer to it.
func (t *Test) loss() (request, answer bool) {
	switch roll := dice.Float64(); { //nolint:gosec // nobody gains by guessing it
	case roll < t.Loss/2:
		return true, false
	case roll < t.Loss:
		return false, true
	}
	return false, false
}

// exchange is one request and its answer on a network that may lose either.
func exchange[T any](t *Test, obey func() (T, error)) (T, error) {
	var nothing T
	request, answer := t.loss()
	if request {
		return nothing, ErrLost
	}
	result, err := obey()
	if answer {
		return nothing, ErrLost
	}
	return result, err
}

type testCard struct {
	brand, last4 string
	attachCode   string // refused when attached
	chargeCode   string // refused when charged
	hard         bool
}

func testCards() map[string]testCard {
	return map[string]testCard{
		"pm_card_visa":                                {brand: "visa", last4: "4242"},
		"pm_card_mastercard":                          {brand: "mastercard", last4: "4444"},
		"pm_card_chargeCustomerFail":                  {brand: "visa", last4: "0341", chargeCode: "do_not_honor", hard: true},
		"pm_card_chargeCustomerFailInsufficientFunds": {brand: "visa", last4: "9995", chargeCode: "insufficient_funds"},
		"pm_card_chargeDeclined":                      {attachCode: "card_declined"},
		"pm_card_chargeDeclinedExpiredCard":           {attachCode: "expired_card"},
	}
}

// Attach takes the tokens listed at the schema's PaymentMethodAttachInput.
func (t *Test) Attach(_ context.Context, token string) (Card, error) {
	return exchange(t, func() (Card, error) { return t.attach(token) })
}

func (t *Test) attach(token string) (Card, error) {
	card, known := testCards()[token]
	switch {
	case !known:
		return Card{}, &Decline{Code: "resource_missing", Message: "the test gateway knows no such token"}
	case card.attachCode == "expired_card":
		return Card{}, &Decline{Code: card.attachCode, Message: "the card has expired"}
	case card.attachCode != "":
		return Card{}, &Decline{Code: card.attachCode, Message: "the card was declined"}
	}
	const yearsValid = 5
	return Card{
		Ref: token, Brand: card.brand, Last4: card.last4,
		ExpMonth: 12, ExpYear: int32(t.Now().Year() + yearsValid), //nolint:gosec // a year
	}, nil
}

// Prepare implements Gateway.
func (t *Test) Prepare(ctx context.Context, charge Charge) (string, error) {
	return exchange(t, func() (string, error) { return t.prepare(ctx, charge) })
}

func (t *Test) prepare(ctx context.Context, charge Charge) (string, error) {
	var ref, method, currency string
	var minor int64
	err := t.Pool.QueryRow(ctx, `
		insert into test_gateway_charge (ref, idempotency_key, payment_method, currency, amount_minor, status, created_at)
		values ($1, $2, $3, $4, $5, 'PREPARED', $6)
		on conflict (idempotency_key) do update set idempotency_key = excluded.idempotency_key
		returning ref, payment_method, currency, amount_minor`,
		"pi_"+rand.Text(), charge.Key, charge.Method, charge.Amount.Currency, charge.Amount.Minor, t.Now(),
	).Scan(&ref, &method, &currency, &minor)
	if err != nil {
		return "", fmt.Errorf("prepare test charge: %w", err)
	}
	if method != charge.Method || currency != charge.Amount.Currency || minor != charge.Amount.Minor {
		return "", fmt.Errorf("prepare test charge: key %s was used for another charge", charge.Key)
	}
	return ref, nil
}

// Confirm implements Gateway.
func (t *Test) Confirm(ctx context.Context, ref string) (Outcome, error) {
	return exchange(t, func() (Outcome, error) { return t.confirm(ctx, ref) })
}

func (t *Test) confirm(ctx context.Context, ref string) (Outcome, error) {
	tokens, codes := refusals()
	var status, method string
	var code *string
	err := t.Pool.QueryRow(ctx, `
		update test_gateway_charge set status = case when payment_method = any($2::text[]) then 'DECLINED' else 'SUCCEEDED' end,
			decline_code = ($3::text[])[array_position($2::text[], payment_method)]
		where ref = $1 and status = 'PREPARED'
		returning status, payment_method, decline_code`, ref, tokens, codes).Scan(&status, &method, &code)
	if errors.Is(err, pgx.ErrNoRows) {
		return t.get(ctx, ref)
	}
	if err != nil {
		return Outcome{}, fmt.Errorf("confirm test charge: %w", err)
	}
	return outcome(status, method, code), nil
}

// refusals are the tokens that are refused when charged, with the reasons.
func refusals() (tokens, codes []string) {
	for token, card := range testCards() {
		if card.chargeCode != "" {
			tokens, codes = append(tokens, token), append(codes, card.chargeCode)
		}
	}
	return tokens, codes
}

// Get implements Gateway.
func (t *Test) Get(ctx context.Context, ref string) (Outcome, error) {
	return exchange(t, func() (Outcome, error) { return t.get(ctx, ref) })
}

func (t *Test) get(ctx context.Context, ref string) (Outcome, error) {
	var status, method string
	var code *string
	err := t.Pool.QueryRow(ctx, `select status, payment_method, decline_code from test_gateway_charge where ref = $1`, ref).
		Scan(&status, &method, &code)
	if errors.Is(err, pgx.ErrNoRows) {
		return Outcome{}, fmt.Errorf("get test charge: there is no charge %s", ref)
	}
	if err != nil {
		return Outcome{}, fmt.Errorf("get test charge: %w", err)
	}
	return outcome(status, method, code), nil
}

func outcome(status, method string, code *string) Outcome {
	o := Outcome{State: State(status)}
	if code != nil {
		o.DeclineCode, o.Hard = *code, testCards()[method].hard
	}
	return o
}
