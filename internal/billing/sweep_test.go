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
