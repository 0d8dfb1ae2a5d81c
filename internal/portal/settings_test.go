package portal_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portico/internal/account"
	"portico/internal/billing"
	"portico/internal/fault"
	"portico/internal/portal"
	"portico/internal/settings"
)

func (s *shop) set(changes string) {
	s.w.t.Helper()
	_, err := s.w.portal.SettingsUpdate(s.w.t.Context(), s.owner, settings.Update{Changes: json.RawMessage(changes)})
	require.NoError(s.w.t, err)
}

func TestCustomersAreHeldToTheSettingsFromTheNextRequestOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.shop("acorn")
	ada := s.customer("ada@example.com", nil)
	sub := s.sell(ada)
	caller := s.as(ada)
	cancel := func(by account.Caller, reason *string) error {
		_, err := w.portal.Billing.Cancel(t.Context(), by, billing.Cancel{SubscriptionID: sub.ID, AtPeriodEnd: true, Reason: reason})
		return err
	}
	attach := func(by account.Caller) error {
		_, err := w.portal.Billing.AttachPaymentMethod(t.Context(), by, byID(ada), "pm_card_visa")
		return err
	}

	s.set(`{"allowCancellation": false, "allowPaymentMethodUpdate": false}`)
	requireFault(t, cancel(caller, nil), fault.CodeNotAllowedBySettings, "")
	requireFault(t, attach(caller), fault.CodeNotAllowedBySettings, "")
	require.NoError(t, attach(s.owner), "the merchant does as it likes")
	s.set(`{"allowCancellation": true, "requireCancellationReason": true, "allowPaymentMethodUpdate": true}`)
	require.NoError(t, attach(caller))
	requireFault(t, cancel(caller, nil), fault.CodeRequired, "reason")
	requireFault(t, cancel(caller, to("  ")), fault.CodeRequired, "reason")
	s.set(`{"minimumSubscriptionCycles": 2}`)
	requireFault(t, cancel(caller, to("too dear")), fault.CodeNotAllowedBySettings, "subscription")
	s.set(`{"minimumSubscriptionCycles": 1, "authentication": {"requireEmailVerification": true}}`)
	requireFault(t, cancel(caller, to("too dear")), fault.CodeNotAllowedBySettings, "")
	person := w.person("ada@example.com")
	require.NoError(t, cancel(person, to("too dear")), "who came by mail has proved the address")
	_, err := w.portal.Billing.Uncancel(t.Context(), caller, sub.ID)
	require.NoError(t, err, "and so it is proved for the token too")
	s.set(`{"portalEnabled": false}`)
	requireFault(t, cancel(caller, to("too dear")), fault.CodeNotAllowedBySettings, "")
	require.NoError(t, cancel(s.owner, nil))
}

func TestACancellationIsConfirmedByMail(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.shop("acorn")
	ada := s.customer("ada@example.com", nil)
	sub := s.sell(ada)
	count := func() int64 { return w.count(`select count(*) from mail where kind = 'SUBSCRIPTION_CANCELED'`) }
	change := func(by account.Caller) {
		_, err := w.portal.Billing.Cancel(t.Context(), by, billing.Cancel{SubscriptionID: sub.ID, AtPeriodEnd: true})
		require.NoError(t, err)
		_, err = w.portal.Billing.Uncancel(t.Context(), by, sub.ID)
		require.NoError(t, err)
		w.setTime(w.time().Add(time.Minute))
	}
	change(s.owner)
	require.Zero(t, count(), "the customer has not done it")
	change(s.as(ada))
	require.EqualValues(t, 1, count())
	s.set(`{"notifications": {"sendCancellationConfirmation": false}}`)
	change(s.as(ada))
	require.EqualValues(t, 1, count())
}

func TestAClosedPortalOpensToNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s, other := w.shop("acorn"), w.shop("bakery")
	ada := s.customer("ada@example.com", nil)
	s.sell(ada)
	other.sell(other.customer("ada@example.com", nil))
	token := s.mint(ada).JWT
	require.NoError(t, w.ask("ada@example.com", nil, 1))
	session, err := w.portal.PersonSignIn(t.Context(), w.token())
	require.NoError(t, err)
	shops := func() int {
		person, err := w.portal.Authenticate(t.Context(), session.Token, "")
		require.NoError(t, err)
		return len(person.Customers)
	}
	require.Equal(t, 2, shops())

	s.set(`{"portalEnabled": false}`)
	_, err = w.portal.Authenticate(t.Context(), token, "acorn")
	requireFault(t, err, fault.CodeForbidden, "")
	_, err = w.portal.TokenCreate(t.Context(), s.owner, byID(ada))
	requireFault(t, err, fault.CodeNotAllowedBySettings, "")
	require.Equal(t, 1, shops())
	s.set(`{"portalEnabled": true, "authentication": {"method": "TOKEN"}}`)
	_, err = w.portal.Authenticate(t.Context(), token, "acorn")
	require.NoError(t, err)
	require.Equal(t, 1, shops(), "a link by mail is no way in")
	s.set(`{"authentication": {"method": "MAGIC_LINK", "sessionDuration": 3600}}`)
	require.Equal(t, 2, shops())
	w.setTime(newYear.Add(time.Hour))
	require.Equal(t, 1, shops(), "the session has lasted as long as this shop wants")
}

func TestASessionLastsAsLongAsTheSettingsAndItsTokenSay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.shop("acorn")
	ada := s.customer("ada@example.com", nil)
	s.sell(ada)
	minted := s.mint(ada)
	caller, err := w.portal.Authenticate(t.Context(), minted.JWT, "acorn")
	require.NoError(t, err)
	s.set(`{"authentication": {"sessionDuration": 3600}}`)
	first, err := w.portal.BrowserSignIn(t.Context(), caller)
	require.NoError(t, err)
	require.Equal(t, newYear.Add(time.Hour), first.ExpiresAt)
	browser := func(shop string) bool {
		found, err := w.portal.Authenticate(t.Context(), first.Token, shop)
		return err == nil && found.CustomerID == ada.ID
	}
	require.True(t, browser("acorn"))
	require.False(t, browser("bakery"))
	require.False(t, browser(""), "it is for the pages of one shop")
	w.setTime(newYear.Add(time.Hour - time.Second))
	require.True(t, browser("acorn"))
	w.setTime(newYear.Add(time.Hour))
	require.False(t, browser("acorn"))
	s.set(`{"authentication": {"sessionDuration": 43200}}`)
	require.True(t, browser("acorn"), "settings hold from the next request on")

	late, err := w.portal.BrowserSignIn(t.Context(), caller)
	require.NoError(t, err)
	require.Equal(t, newYear.Add(2*time.Hour), late.ExpiresAt, "no longer than the token")
	w.setTime(newYear.Add(2*time.Hour - time.Second))
	require.True(t, browser("acorn"))
	w.setTime(newYear.Add(2 * time.Hour))
	require.False(t, browser("acorn"))
	w.setTime(newYear.Add(time.Hour))
	_, err = w.portal.TokenRevoke(t.Context(), s.owner, portal.Revoke{ID: &minted.ID})
	require.NoError(t, err)
	require.False(t, browser("acorn"))
}
