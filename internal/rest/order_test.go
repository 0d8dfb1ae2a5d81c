package rest_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"portico/internal/account"
	"portico/internal/catalog"
)

func (w *world) order(header http.Header, body any) answer {
	w.t.Helper()
	text, err := json.Marshal(body)
	require.NoError(w.t, err)
	return w.post("/order/product", header, string(text))
}

func TestAMerchantReportsASubscriptionWithStringsOrNumbers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, err := w.db.System().Exec(t.Context(), `update product set integration_page_url = 'https://acorn.test'`)
	require.NoError(t, err)
	ada := w.customer(w.box, "ada@example.com", nil, nil)
	consent, err := w.portal.ConnectStart(t.Context(), w.box, account.CustomerRef{ID: &ada.ID}, catalog.ProductRef{ID: &w.product.ID})
	require.NoError(t, err)
	tokenKey, err := w.portal.Accounts.TokenKey(t.Context(), w.box)
	require.NoError(t, err)
	merchant := func() http.Header { return http.Header{"Api-Key": {string(tokenKey.Key)}} }
	good := map[string]any{
		"access_token": "at-1", "user_token": string(consent.UserToken), "product_identifier": "payroll", "plan_id": w.plan.Number,
		"plan_type": "monthly", "price": 19.99, "status": "active", "started_at": "2025-12-15 00:00:00", "expire_at": "2026-01-15 12:30:00",
	}
	with := func(changes map[string]any) map[string]any {
		body := maps.Clone(good)
		maps.Copy(body, changes)
		return body
	}
	first := w.order(merchant(), good)
	require.Equal(t, 200, first.status, first.body)
	var body struct {
		Message, Status string
		SubscriptionID  int64 `json:"subscription_id"`
	}
	require.NoError(t, json.Unmarshal([]byte(first.body), &body))
	require.Equal(t, "active", body.Status)
	count := func() (n int) {
		require.NoError(t, w.db.System().QueryRow(t.Context(), `select count(*) from event where subscription_id is not null`).Scan(&n))
		return n
	}
	before := count()
	again := w.order(merchant(), with(map[string]any{"plan_id": fmt.Sprint(w.plan.Number), "price": "19.990"}))
	require.Equal(t, first.body, again.body)
	require.Equal(t, before, count(), "the same with other types is the same")

	for name, c := range map[string]struct {
		body   map[string]any
		status int
		code   string
	}{
		"an unknown plan":         {with(map[string]any{"plan_id": 999}), 404, "NOT_FOUND"},
		"an unknown product":      {with(map[string]any{"product_identifier": "nothing"}), 404, "NOT_FOUND"},
		"a plan that is no id":    {with(map[string]any{"plan_id": "pro"}), 400, "INVALID"},
		"a fraction of a plan":    {with(map[string]any{"plan_id": 1.5}), 400, "INVALID"},
		"another plan type":       {with(map[string]any{"plan_type": "weekly"}), 400, "INVALID"},
		"an interval it lacks":    {with(map[string]any{"plan_type": "yearly"}), 400, "INVALID"},
		"a price in words":        {with(map[string]any{"price": "cheap"}), 400, "INVALID"},
		"a price with mills":      {with(map[string]any{"price": 1.999}), 400, "INVALID"},
		"a negative price":        {with(map[string]any{"price": -1}), 400, "INVALID"},
		"another status":          {with(map[string]any{"status": "paused"}), 400, "INVALID"},
		"another form of time":    {with(map[string]any{"expire_at": "2026-01-15T12:30:00Z"}), 400, "INVALID"},
		"an end before its start": {with(map[string]any{"expire_at": "2025-01-15 12:30:00"}), 400, "INVALID"},
		"a list for a price":      {with(map[string]any{"price": []int{1}}), 400, "INVALID"},
		"true for a plan":         {with(map[string]any{"plan_id": true}), 400, "INVALID"},
		"null for a token":        {with(map[string]any{"user_token": nil}), 400, "REQUIRED"},
		"an unknown user token":   {with(map[string]any{"user_token": "ptc_ut_live_x"}), 403, "FORBIDDEN"},
		"nothing":                 {map[string]any{}, 400, "REQUIRED"},
	} {
		t.Run(name, func(t *testing.T) {
			a := w.order(merchant(), c.body)
			requireRefused(t, a, c.status, c.code)
		})
	}
	for name, c := range map[string]struct {
		body map[string]any
		says string
	}{
		"the first that is missing": {map[string]any{"plan_id": 1}, "access_token: is required"},
		"a number that is missing":  {with(map[string]any{"plan_id": nil}), "plan_id: is required"},
		"a list":                    {with(map[string]any{"price": []int{1}}), "price: must be a string or a number"},
		"an early start":            {with(map[string]any{"started_at": "1960-01-01 00:00:00"}), "started_at: must be a time after 1969"},
		"an end before its start":   {with(map[string]any{"expire_at": "2025-01-15 12:30:00"}), "expire_at: must be after the start"},
	} {
		require.Contains(t, w.order(merchant(), c.body).body, c.says, name)
	}
	requireRefused(t, w.order(nil, good), 401, "UNAUTHENTICATED")
	requireRefused(t, w.order(key("wrong"), good), 401, "UNAUTHENTICATED")
	requireRefused(t, w.order(key(w.key), good), 403, "FORBIDDEN")
	require.Equal(t, 200, w.order(key(w.newKey(w.box, account.ScopeSubscriptionsWrite)), good).status)
	require.Equal(t, before, count())
	ended := w.order(merchant(), with(map[string]any{"status": "inactive"}))
	require.JSONEq(t, fmt.Sprintf(`{"message":"The subscription has ended.","subscription_id":%d,"status":"canceled"}`, body.SubscriptionID), ended.body)
	require.Empty(t, w.log.String())
}
