package webhook_test

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"portico/internal/webhook"
)

// listed is all pages of a list.
func (m *merchant) listed(t *testing.T, f webhook.DeliveryFilter, size int) []webhook.Delivery {
	t.Helper()
	var all []webhook.Delivery
	request := first(size)
	for more := true; more; {
		next, hasNext, err := m.w.Deliveries(t.Context(), m.id, f, request)
		require.NoError(t, err)
		require.LessOrEqual(t, len(next), size)
		all = append(all, next...)
		if more = hasNext; more {
			request.After = all[len(all)-1].ID
		}
	}
	return all
}

func TestDeliveriesOfATimeAreThoseThatWereCreatedInIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merchant(t)
	e, _ := m.endpoint(t, receive(t, nil).URL)
	all := m.live(t, 12)
	// One of long ago is sent again today, one has failed, and some are still to be sent.
	_, err := w.DeliveryRetry(t.Context(), m.id, all[20].ID)
	require.NoError(t, err)
	m.drain(t, e)
	m.ask(t, `update webhook_attempt set outcome = 'FAILED' where merchant_id = $1 and delivery_id = $2 returning 1`, all[21].ID)
	m.publish(t, m.subscriptions(t, 3)...)
	all = m.deliveries(t)
	slices.Reverse(all)

	pending, delivered, failed := webhook.DeliveryPending, webhook.DeliveryDelivered, webhook.DeliveryFailed
	noon := func(day int) *time.Time { at := start.Add(time.Duration(day)*days + 4*time.Hour); return &at }
	exactly := start.Add(2 * days)
	for i, f := range []webhook.DeliveryFilter{
		{Since: noon(2)}, {Until: noon(5)}, {Since: noon(2), Until: noon(5)}, {Since: &exactly, Until: noon(2)}, {Until: &exactly},
		{Since: noon(2), Until: noon(5), EndpointID: &e.ID},
		{Since: noon(2), Until: noon(5), Status: &delivered}, {Since: noon(2), Until: noon(5), Status: &failed}, {Until: noon(2), Status: &failed},
		{Since: noon(2), Status: &pending}, {Until: noon(5), Status: &pending}, {Since: noon(2), EndpointID: &e.ID, Status: &delivered},
		{Since: noon(2), EventID: &all[3].EventID}, {Until: noon(2), EventID: &all[3].EventID},
		{Since: noon(20)}, {Until: noon(-20)}, {Since: noon(-20), Until: noon(20)},
	} {
		var want []webhook.Delivery
		for _, d := range all {
			if (f.Since == nil || !d.CreatedAt.Before(*f.Since)) && (f.Until == nil || d.CreatedAt.Before(*f.Until)) &&
				(f.Status == nil || d.Status == *f.Status) && (f.EventID == nil || d.EventID == *f.EventID) {
				want = append(want, d)
			}
		}
		require.Equal(t, want, m.listed(t, f, 5), "filter %d", i)
	}
	_, _, err = w.Deliveries(t.Context(), m.id, webhook.DeliveryFilter{Since: noon(2), Until: noon(2)}, first(5))
	require.Equal(t, "INVALID since", faults(err))
}

func TestAPageOfATimeLongAgoReadsNoLaterDeliveries(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merchant(t)
	e, _ := m.endpoint(t, receive(t, nil).URL)
	m.live(t, 40)
	statements := &recorder{}
	reader := w.process(t, func(c *pgxpool.Config) { c.ConnConfig.Tracer = statements })
	since, until := start.Add(10*days), start.Add(11*days)
	delivered := webhook.DeliveryDelivered
	for _, f := range []webhook.DeliveryFilter{{}, {EndpointID: &e.ID}, {Status: &delivered}, {EndpointID: &e.ID, Status: &delivered}} {
		f.Since, f.Until = &since, &until
		statements.taken()
		found, _, err := reader.Deliveries(t.Context(), m.id, f, first(3))
		require.NoError(t, err)
		require.Len(t, found, 3)
		noted := statements.taken()
		require.NotEmpty(t, noted)
		for _, one := range noted {
			require.LessOrEqual(t, m.passed(t, reader, one), 6, "those until the next mark")
		}
	}
}

// passed is how many rows a statement reads in vain.
func (m *merchant) passed(t *testing.T, w *webhook.Webhooks, one asked) int {
	t.Helper()
	rows, err := w.DB.Tenant(m.id).Query(t.Context(), "explain (analyze) "+one.sql, one.args...)
	require.NoError(t, err)
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	plan := strings.Join(lines, "\n")
	require.NotContains(t, plan, "Seq Scan on webhook_attempt_p", fmt.Sprint(one.args))
	passed := 0
	for _, found := range regexp.MustCompile(`Rows Removed by (?:Index Recheck|Filter): (\d+)`).FindAllStringSubmatch(plan, -1) {
		n, err := strconv.Atoi(found[1])
		require.NoError(t, err)
		passed += n
	}
	return passed
}
