package portal_test

import (
	"fmt"
	"net/netip"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portico/internal/account"
	"portico/internal/billing"
	"portico/internal/catalog"
	"portico/internal/fault"
	"portico/internal/mail"
	"portico/internal/page"
	"portico/internal/portal"
	"portico/internal/secret"
)

// ask asks for a link from a network of its own for each n.
func (w *world) ask(email string, shop *string, n byte) error {
	return w.portal.LinkSend(w.t.Context(), portal.LinkSend{Email: email, Shop: shop, Client: netip.AddrFrom4([4]byte{192, 0, 2, n})})
}

// work does what the workers would: finds out who is meant, and sends.
func (w *world) work() []mail.Kept {
	w.t.Helper()
	for id := w.count(`select coalesce(min(id), 1) from magic_link`); id <= w.count(`select coalesce(max(id), 0) from magic_link`); id++ {
		require.NoError(w.t, w.portal.MailLink(w.t.Context(), id))
	}
	for id := int64(1); id <= w.count(`select coalesce(max(id), 0) from mail`); id++ {
		require.NoError(w.t, w.portal.Mail.Send(w.t.Context(), id))
	}
	mails, err := w.portal.Mail.KeptMails(w.t.Context(), 100)
	require.NoError(w.t, err)
	return mails
}

var linkIn = regexp.MustCompile(`https://portico\.test/portal/login\?token=(ptc_ml_live_\w+)`)

// token is what the newest mail's link holds.
func (w *world) token() secret.Text {
	w.t.Helper()
	mails := w.work()
	require.NotEmpty(w.t, mails)
	found := linkIn.FindStringSubmatch(mails[0].Text)
	require.NotNil(w.t, found, mails[0].Text)
	return secret.Text(found[1])
}

// person signs in with a link that was mailed to the address.
func (w *world) person(email string) account.Caller {
	w.t.Helper()
	require.NoError(w.t, w.ask(email, nil, 1))
	session, err := w.portal.PersonSignIn(w.t.Context(), w.token())
	require.NoError(w.t, err)
	caller, err := w.portal.Authenticate(w.t.Context(), session.Token, "")
	require.NoError(w.t, err)
	return caller
}

func TestALinkIsMailedToWhoHasASubscriptionOfALiveMerchant(t *testing.T) {
	t.Parallel()
	for n, c := range []struct {
		name, email string
		shop        *string
		mails       int
	}{
		{"at any merchant", "ada@example.com", nil, 1},
		{"in another case", "ADA@Example.COM", nil, 1},
		{"at the merchant that was named", "ada@example.com", to("acorn"), 1},
		{"not at the merchant that was named", "ada@example.com", to("birch"), 0},
		{"at no such merchant", "ada@example.com", to("nowhere"), 0},
		{"at what cannot be a merchant", "ada@example.com", to("a\x00b"), 0},
		{"without a subscription", "idle@example.com", nil, 0},
		{"in a sandbox only", "eve@example.com", nil, 0},
		{"unknown", "nobody@example.com", nil, 0},
		// A Kelvin sign is a k in lower case, and another mailbox.
		{"with a letter that only looks the same", "\u212Aim@example.com", nil, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			s := w.shop("acorn")
			w.shop("birch")
			s.sell(s.customer("ada@example.com", nil))
			s.sell(s.customer("kim@example.com", nil))
			s.customer("idle@example.com", nil)
			box := s.sandbox()
			box.sell(box.customer("eve@example.com", nil))

			require.NoError(t, w.ask(c.email, c.shop, byte(n)))
			require.EqualValues(t, 1, w.count(`select count(*) from river_job where kind = 'portal.magic_link'`))
			mails := w.work()
			require.Len(t, mails, c.mails)
			if c.mails > 0 {
				require.Equal(t, c.email, mails[0].Recipient)
				require.Equal(t, mail.KindMagicLink, mails[0].Kind)
				require.Contains(t, mails[0].Subject, "ACORN")
			}
			require.Len(t, w.work(), c.mails, "once, however often the job runs")
		})
	}
}

func TestAskingForALinkDoesTheSameForEveryAddress(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.shop("acorn")
	s.sell(s.customer("ada@example.com", nil))
	for _, email := range []string{"ada@example.com", "nobody@example.com"} {
		for n := range byte(3) {
			require.NoError(t, w.ask(email, nil, n), email)
		}
		err := w.ask(email, nil, 99)
		requireFault(t, err, fault.CodeThrottled, "")
		requireFault(t, w.ask("x", nil, 99), fault.CodeInvalid, "email")
		w.exec(`update magic_link set client_hash = sha256('another')`)
	}
	w.setTime(newYear.Add(time.Hour))
	require.NoError(t, w.ask("ada@example.com", nil, 1))
	require.NoError(t, w.ask("nobody@example.com", nil, 1))
	require.NoError(t, w.portal.Retire(t.Context()))
	require.EqualValues(t, 2, w.count(`select count(*) from magic_link`), "older ones no longer count and are forgotten")
}

func TestOneClientAsksForFewLinks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ask := func(n int, client string) error {
		return w.portal.LinkSend(t.Context(), portal.LinkSend{
			Email: fmt.Sprintf("%d@example.com", n), Client: netip.MustParseAddr(client),
		})
	}
	for n := range 3 {
		require.NoError(t, ask(n, fmt.Sprintf("2001:db8:1:2::%d", n+1)))
	}
	requireFault(t, ask(4, "2001:db8:1:2:3::4"), fault.CodeThrottled, "")
	require.NoError(t, ask(5, "2001:db8:1:3::1"), "another network")
}

func TestALinkSignsAPersonInOnceAndForAWhile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.shop("acorn")
	s.sell(s.customer("ada@example.com", nil))
	require.NoError(t, w.ask("ada@example.com", to("acorn"), 1))
	token := w.token()
	signIn := func(token secret.Text) (portal.PersonSession, error) {
		return w.portal.PersonSignIn(t.Context(), token)
	}

	for _, wrong := range []secret.Text{"", "x", secret.NewCredential(secret.KindMagicLink, true), secret.NewCredential(secret.KindAPIKey, true)} {
		_, err := signIn(wrong)
		requireFault(t, err, fault.CodeUnauthenticated, "token")
	}
	w.refused(string(token), "")
	w.setTime(newYear.Add(15 * time.Minute))
	_, err := signIn(token)
	requireFault(t, err, fault.CodeUnauthenticated, "token")
	w.setTime(newYear.Add(15*time.Minute - time.Microsecond))
	session, err := signIn(token)
	require.NoError(t, err)
	require.Equal(t, "acorn", *session.Shop)
	require.Equal(t, "ada@example.com", session.Person.Email)
	_, err = signIn(token)
	requireFault(t, err, fault.CodeUnauthenticated, "token")

	caller, err := w.portal.Authenticate(t.Context(), session.Token, "whatever")
	require.NoError(t, err)
	require.Equal(t, account.KindPerson, caller.Kind)
	w.setTime(session.ExpiresAt)
	w.refused(string(session.Token), "")
	w.setTime(session.ExpiresAt.Add(-time.Microsecond))
	require.NoError(t, w.portal.PersonSignOut(t.Context(), caller))
	w.refused(string(session.Token), "")
}

func TestAPersonActsForAllCustomersWithTheAddress(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	acorn, birch := w.shop("acorn"), w.shop("birch")
	box := acorn.sandbox()
	initech := acorn.company("Initech")
	atAcorn, atBirch := acorn.customer("ada@example.com", &initech.ID), birch.customer("Ada@Example.com", nil)
	boss, played := acorn.customer("boss@example.com", &initech.ID), box.customer("ada@example.com", nil)
	lookalike := birch.customer("\u212Aada@example.com", nil)
	shared, own, sandboxed := acorn.sell(boss), birch.sell(atBirch), box.sell(played)
	birch.sell(lookalike)

	ada := w.person("ADA@example.com")
	require.Equal(t, []account.CustomerKey{
		{MerchantID: acorn.owner.MerchantID, CustomerID: atAcorn.ID}, {MerchantID: birch.owner.MerchantID, CustomerID: atBirch.ID},
	}, ada.ActsFor())
	subs, err := w.portal.Billing.InSight(t.Context(), ada, firstPage)
	require.NoError(t, err)
	require.Equal(t, []int64{own.ID, shared.ID}, idsOf(subs), "the newest first, across merchants")
	second, err := w.portal.Billing.InSight(t.Context(), ada, page.Request{Size: 1, After: own.ID})
	require.NoError(t, err)
	require.Equal(t, []int64{shared.ID}, idsOf(second))
	customers, err := w.portal.Accounts.OwnCustomers(t.Context(), ada)
	require.NoError(t, err)
	require.Len(t, customers, 2)
	plans, err := w.portal.Catalog.PlansByID(t.Context(), ada, []int64{acorn.plan.ID, birch.plan.ID, box.plan.ID}, catalog.PlanParts{})
	require.NoError(t, err)
	require.ElementsMatch(t, []int64{acorn.plan.ID, birch.plan.ID}, sortedKeys(plans))

	cancel := func(sub *billing.Subscription) error {
		_, err := w.portal.Billing.Cancel(t.Context(), ada, billing.Cancel{SubscriptionID: sub.ID, AtPeriodEnd: true})
		return err
	}
	require.NoError(t, cancel(own))
	requireFault(t, cancel(shared), fault.CodeForbidden, "subscription")
	requireFault(t, cancel(sandboxed), fault.CodeNotFound, "subscription")
	_, err = w.portal.Billing.AttachPaymentMethod(t.Context(), ada, byID(atBirch), "pm_card_visa")
	require.NoError(t, err)
	_, err = w.portal.Accounts.Customer(t.Context(), ada, account.CustomerRef{Email: to("ada@example.com")})
	requireFault(t, err, fault.CodeInvalid, "customer")
	_, err = w.portal.Accounts.Customer(t.Context(), ada, byID(boss))
	requireFault(t, err, fault.CodeNotFound, "customer")
	_, err = w.portal.TokenCreate(t.Context(), ada, byID(atBirch))
	requireFault(t, err, fault.CodeNotFound, "")

	w.exec(`update merchant set status = 'CLOSED', closed_at = created_at where id = $1`, birch.owner.MerchantID)
	again := w.person("ada@example.com")
	require.Equal(t, []account.CustomerKey{{MerchantID: acorn.owner.MerchantID, CustomerID: atAcorn.ID}}, again.ActsFor())
	require.Equal(t, ada.PersonID, again.PersonID)
	still, err := w.portal.Person(t.Context(), ada)
	require.NoError(t, err)
	require.Equal(t, "ADA@example.com", still.Email)
}

func TestAMerchantHasATokenMailedToItsCustomer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.shop("acorn")
	s.sell(s.customer("Ada@example.com", nil))
	s.customer("idle@example.com", nil)
	for _, email := range []string{"idle@example.com", "nobody@example.com"} {
		_, err := w.portal.TokenMail(t.Context(), s.owner, account.CustomerRef{Email: &email})
		requireFault(t, err, fault.CodeNotFound, "customer")
	}
	mailed, err := w.portal.TokenMail(t.Context(), s.owner, account.CustomerRef{Email: to("ada@example.com")})
	require.NoError(t, err)
	require.Empty(t, mailed.JWT+mailed.URL, "it proves that the address is hers")
	mails := w.work()
	require.Len(t, mails, 1)
	require.Equal(t, "Ada@example.com", mails[0].Recipient)
	link := regexp.MustCompile(`https://portico\.test/portal/acorn\?token=(\S+)`).FindStringSubmatch(mails[0].Text)
	require.NotNil(t, link, mails[0].Text)
	_, err = w.portal.Authenticate(t.Context(), secret.Text(link[1]), "acorn")
	require.NoError(t, err)
}
