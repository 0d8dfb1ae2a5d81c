package gateway_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portico/db/dbtest"
	"portico/internal/gateway"
	"portico/internal/money"
)

func newTest(t *testing.T) *gateway.Test {
	t.Helper()
	now := time.Date(2026, time.March, 1, 0, 0, 0, 0, time.UTC)
	return &gateway.Test{Pool: dbtest.New(t).Pool(), Now: func() time.Time { return now }}
}

func TestTheSameKeyPreparesTheSameChargeHoweverManyAsk(t *testing.T) {
	t.Parallel()
	g := newTest(t)
	charge := gateway.Charge{Key: "attempt/1", Method: "pm_card_visa", Amount: money.Money{Minor: 100, Currency: "USD"}}
	refs := make([]string, 8)
	var group sync.WaitGroup
	for i := range refs {
		group.Go(func() {
			ref, err := g.Prepare(t.Context(), charge)
			if err == nil {
				refs[i] = ref
			}
		})
	}
	group.Wait()
	for _, ref := range refs {
		require.NotEmpty(t, ref)
		require.Equal(t, refs[0], ref)
	}
	charge.Amount.Minor = 200
	_, err := g.Prepare(t.Context(), charge)
	require.ErrorContains(t, err, "another charge")
}

func TestCardsBehaveAsTheirTokensSay(t *testing.T) {
	t.Parallel()
	g := newTest(t)
	cases := []struct {
		sentence string
		token    string
		attach   string
		state    gateway.State
		code     string
		hard     bool
	}{
		{"visa pays", "pm_card_visa", "", gateway.Succeeded, "", false},
		{"a charge can be declined for good", "pm_card_chargeCustomerFail", "", gateway.Declined, "do_not_honor", true},
		{"a charge can be declined for now", "pm_card_chargeCustomerFailInsufficientFunds", "", gateway.Declined, "insufficient_funds", false},
		{"an expired card is refused", "pm_card_chargeDeclinedExpiredCard", "expired_card", "", "", false},
		{"a card can be refused", "pm_card_chargeDeclined", "card_declined", "", "", false},
		{"an unknown token is refused", "pm_card_nobody", "resource_missing", "", "", false},
	}
	for _, c := range cases {
		t.Run(c.sentence, func(t *testing.T) {
			t.Parallel()
			card, err := g.Attach(t.Context(), c.token)
			if c.attach != "" {
				var decline *gateway.Decline
				require.ErrorAs(t, err, &decline)
				require.Equal(t, c.attach, decline.Code)
				return
			}
			require.NoError(t, err)
			ref, err := g.Prepare(t.Context(), gateway.Charge{Key: c.token, Method: card.Ref, Amount: money.Money{Minor: 100, Currency: "USD"}})
			require.NoError(t, err)
			before, err := g.Get(t.Context(), ref)
			require.NoError(t, err)
			require.Equal(t, gateway.Prepared, before.State, "no money moves before it is confirmed")
			for range 2 {
				outcome, err := g.Confirm(t.Context(), ref)
				require.NoError(t, err)
				require.Equal(t, gateway.Outcome{State: c.state, DeclineCode: c.code, Hard: c.hard}, outcome)
			}
			after, err := g.Get(t.Context(), ref)
			require.NoError(t, err)
			require.Equal(t, c.state, after.State)
		})
	}
}

func TestALossyGatewayLosesItsShareAndHalfOfThatAfterTheMoneyMoved(t *testing.T) {
	t.Parallel()
	honest := newTest(t)
	lossy := &gateway.Test{Pool: honest.Pool, Now: honest.Now, Loss: 1}
	const charges = 64
	taken := 0
	for i := range charges {
		charge := gateway.Charge{Key: fmt.Sprintf("attempt/%d", i), Method: "pm_card_visa", Amount: money.Money{Minor: 100, Currency: "USD"}}
		_, err := lossy.Prepare(t.Context(), charge)
		require.ErrorIs(t, err, gateway.ErrLost)
		ref, err := honest.Prepare(t.Context(), charge)
		require.NoError(t, err)
		_, err = lossy.Confirm(t.Context(), ref)
		require.ErrorIs(t, err, gateway.ErrLost)
		_, err = lossy.Get(t.Context(), ref)
		require.ErrorIs(t, err, gateway.ErrLost)
		outcome, err := honest.Get(t.Context(), ref)
		require.NoError(t, err)
		if outcome.State == gateway.Succeeded {
			taken++
		}
	}
	require.InDelta(t, charges/2, taken, charges/3, "some requests are lost, and some answers")
}
