package billing_test

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

func TestASweepLeavesLanesToTheSweepsThatWorkInThem(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.sold(w.customer("ada@example.test", "pm_card_visa", nil), w.plan(1000, 0))
	w.setTime(w.time().AddDate(0, 1, 0))
	ctx := t.Context()
	others := func(lane int64) (billed int) {
		err := w.db.System().Tx(ctx, func(tx pgx.Tx) error {
			var taken bool
			err := tx.QueryRow(ctx, `select pg_try_advisory_xact_lock(hashtext('portico sweep'), $1)`, lane).Scan(&taken)
			require.NoError(t, err)
			require.True(t, taken)
			billed, err = w.billing.BillDue(ctx)
			return err
		})
		require.NoError(t, err)
		return billed
	}
	require.Zero(t, others(w.caller.MerchantID%8))
	require.Equal(t, 1, others((w.caller.MerchantID+1)%8))
}

func TestTheLedgerRefusesLegsThatDoNotSumToZero(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.sold(w.customer("ada@example.test", "pm_card_visa", nil), w.plan(1000, 0))
	insert := func(legs string) error {
		_, err := w.db.System().Exec(t.Context(), `
			insert into ledger_entry (merchant_id, transaction_id, account, currency, amount_minor, payment_id, created_at)
			select p.merchant_id, leg.of, 'CASH', leg.currency, leg.minor, p.id, p.paid_at
			from payment p, (values `+legs+`) leg (of, currency, minor)`)
		return err
	}
	for _, legs := range []string{
		`(8, 'USD', 5), (8, 'USD', -4)`,
		`(8, 'USD', 5), (8, 'EUR', -5)`, // per currency
		`(8, 'USD', 5), (9, 'USD', -5)`, // per transaction
	} {
		require.ErrorContains(t, insert(legs), "does not sum to zero", legs)
	}
	require.NoError(t, insert(`(8, 'USD', 5), (8, 'USD', -5), (9, 'EUR', 1), (9, 'EUR', -1)`))
}
