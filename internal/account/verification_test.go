package account_test

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portico/internal/account"
	"portico/internal/fault"
	"portico/internal/mail"
	"portico/internal/secret"
)

// join signs a merchant up with an address that is not proven yet.
func (w *world) join(t *testing.T, name, email, password string) account.SignedUp {
	t.Helper()
	signedUp, err := w.SignUp(t.Context(), home, account.SignUp{Name: name, Email: email, Password: password})
	require.NoError(t, err)
	return signedUp
}

func TestAnAddressIsProvenWithTheMailedLinkOnce(t *testing.T) {
	t.Parallel()
	w := open(t)
	signedUp := w.join(t, "Acme", "Ada@example.com", passphrase)
	require.Nil(t, signedUp.Member.EmailVerifiedAt)
	caller := w.caller(t, signedUp.Session.Token, "")
	require.False(t, caller.EmailVerified)

	token := w.mailed(t, "ada@example.com", mail.KindVerifyEmail)
	require.Equal(t, w.Keys.Hash(token), scan[[]byte](t, w.DB, `select token_hash from member_token`))
	w.now = w.now.Add(6 * 24 * time.Hour)
	member, err := w.VerifyEmail(t.Context(), token)
	require.NoError(t, err)
	require.Equal(t, w.now, *member.EmailVerifiedAt)
	require.True(t, w.caller(t, signedUp.Session.Token, "").EmailVerified)

	_, err = w.VerifyEmail(t.Context(), token)
	requireFault(t, err, fault.CodeNotFound, "token")
	require.NoError(t, w.SendVerification(t.Context(), caller))
	require.Len(t, w.mails(t, "ada@example.com"), 1, "what is proven is not asked for again")
}

func TestWhatIsNoLinkOfOursProvesNothing(t *testing.T) {
	t.Parallel()
	w := open(t)
	signedUp := w.join(t, "Acme", "ada@example.com", passphrase)
	require.NoError(t, w.RequestReset(t.Context(), home, "ada@example.com"))
	token := w.mailed(t, "ada@example.com", mail.KindVerifyEmail)
	for name, other := range map[string]secret.Text{
		"nothing": "", "nonsense": "\x00\xff", "another kind": signedUp.Session.Token, "an unknown one": secret.NewCredential(secret.KindMailed, true),
	} {
		_, err := w.VerifyEmail(t.Context(), other)
		requireFault(t, err, fault.CodeNotFound, "token")
		requireFault(t, w.ResetPassword(t.Context(), other, "another long password"), fault.CodeNotFound, "token")
		require.NotContains(t, err.Error(), string(signedUp.Session.Token), name)
	}
	requireFault(t, w.ResetPassword(t.Context(), token, "another long password"), fault.CodeNotFound, "token")
	w.now = w.now.Add(7 * 24 * time.Hour)
	_, err := w.VerifyEmail(t.Context(), token)
	requireFault(t, err, fault.CodeNotFound, "token")
}

func TestALinkIsUsedOnceHoweverManyTryAtTheSameTime(t *testing.T) {
	t.Parallel()
	w := open(t)
	w.join(t, "Acme", "ada@example.com", passphrase)
	token := w.mailed(t, "ada@example.com", mail.KindVerifyEmail)
	require.Equal(t, 1, successes(8, func() error {
		_, err := w.VerifyEmail(t.Context(), token)
		return err
	}))
}

// successes does something several times at once and counts the times it worked.
func successes(times int, do func() error) (worked int) {
	errs := make([]error, times)
	var done sync.WaitGroup
	for i := range times {
		done.Go(func() { errs[i] = do() })
	}
	done.Wait()
	for _, err := range errs {
		if err == nil {
			worked++
		}
	}
	return worked
}

func TestSigningUpDoesNotTellWhoHasAnAccount(t *testing.T) {
	t.Parallel()
	w := open(t)
	w.signUp(t, "acme")
	attack := func(email string) account.SignedUp {
		return w.join(t, "Mallory", email, "the password of mallory")
	}
	known, unknown := attack("ACME@example.com"), attack("nobody@example.com")
	require.Equal(t, known.Merchant.Name, unknown.Merchant.Name)
	require.Nil(t, known.Member.EmailVerifiedAt)
	require.Nil(t, unknown.Member.EmailVerifiedAt)
	for _, made := range []account.SignedUp{known, unknown} {
		caller := w.caller(t, made.Session.Token, "")
		require.False(t, caller.EmailVerified)
		w.sandbox(t, caller)
		_, _, err := w.APIKeyCreate(t.Context(), caller, account.APIKeyCreate{Name: "live"})
		requireFault(t, err, fault.CodeEmailUnverified, "")
		_, err = w.Invite(t.Context(), caller, "friend@example.com", account.RoleViewer)
		requireFault(t, err, fault.CodeEmailUnverified, "")
		_, err = w.MerchantCreate(t.Context(), caller, home, "Another", nil)
		requireFault(t, err, fault.CodeEmailUnverified, "")
		require.NoError(t, w.SendVerification(t.Context(), caller))
		session, merchants, err := w.SignIn(t.Context(), home, account.SignIn{Email: made.Member.Email, Password: "the password of mallory"})
		require.NoError(t, err)
		require.Len(t, merchants, 2)
		require.Equal(t, made.Member, session.Member)
	}

	require.Len(t, w.mails(t, "acme@example.com"), 2, "only the mail tells")
	for _, told := range w.mails(t, "acme@example.com") {
		require.Equal(t, mail.KindMemberExists, told.Kind)
		require.Nil(t, told.MerchantID, "nor may the merchant see what was mailed")
		require.NotContains(t, told.Text, "token")
		require.Contains(t, told.Text, "https://portico.test/account/reset\n")
	}
	require.Equal(t, mail.KindVerifyEmail, w.mails(t, "nobody@example.com")[0].Kind)
	_, merchants, err := w.SignIn(t.Context(), home, account.SignIn{Email: "acme@example.com", Password: passphrase})
	require.NoError(t, err)
	require.Equal(t, "acme", merchants[0].Shop, "the account of the address is untouched")
}

func TestAnAddressGoesToWhoProvesItFirst(t *testing.T) {
	t.Parallel()
	w := open(t)
	squatter := w.join(t, "Squatter", "ada@example.com", "the password of mallory")
	squat := w.mailed(t, "ada@example.com", mail.KindVerifyEmail)
	w.join(t, "Acme", "ADA@example.com", passphrase)
	owned := w.mailed(t, "ada@example.com", mail.KindVerifyEmail)
	require.NotEqual(t, squat, owned)

	_, err := w.VerifyEmail(t.Context(), owned)
	require.NoError(t, err)
	_, err = w.VerifyEmail(t.Context(), squat)
	requireFault(t, err, fault.CodeConflict, "")
	require.False(t, w.caller(t, squatter.Session.Token, "").EmailVerified)
	require.NoError(t, w.RequestReset(t.Context(), home, "ada@example.com"))
	reset := w.mailed(t, "ada@example.com", mail.KindPasswordReset)
	require.NoError(t, w.ResetPassword(t.Context(), reset, "a password for the owner"))
	_, merchants, err := w.SignIn(t.Context(), home, account.SignIn{Email: "ada@example.com", Password: "a password for the owner"})
	require.NoError(t, err)
	require.Equal(t, "acme", merchants[0].Shop, "a forgotten password is that of the one who has proven the address")
}

func TestOfTwoMembersWhoProveAnAddressAtTheSameTimeOneGetsIt(t *testing.T) {
	t.Parallel()
	w := open(t)
	tokens := make(chan secret.Text, 2)
	for _, name := range []string{"Acme", "Bobs"} {
		w.join(t, name, "ada@example.com", passphrase)
		tokens <- w.mailed(t, "ada@example.com", mail.KindVerifyEmail)
	}
	require.Equal(t, 1, successes(2, func() error {
		_, err := w.VerifyEmail(t.Context(), <-tokens)
		return err
	}))
	require.Equal(t, 1, scan[int](t, w.DB, `select count(email_verified_at) from member`))
}

func TestAnAddressGetsAFewMailsAnHourWhoeverAsks(t *testing.T) {
	t.Parallel()
	w := open(t)
	caller := w.caller(t, w.join(t, "Acme", "ada@example.com", passphrase).Session.Token, "")
	require.NoError(t, w.SendVerification(t.Context(), caller))
	require.NoError(t, w.SendVerification(t.Context(), caller))
	requireFault(t, w.SendVerification(t.Context(), caller), fault.CodeThrottled, "")
	w.join(t, "Bobs", "ada@example.com", passphrase) // works, without a mail
	require.Len(t, w.mails(t, "ada@example.com"), 3)
	w.now = w.now.Add(20 * time.Minute)
	require.NoError(t, w.SendVerification(t.Context(), caller))
	require.Len(t, w.mails(t, "ada@example.com"), 4)
}

func TestAMemberWithAProvenAddressOpensOtherMerchants(t *testing.T) {
	t.Parallel()
	w := open(t)
	owner := w.signUp(t, "acme")
	merchant, err := w.MerchantCreate(t.Context(), owner, home, " Second ", nil)
	require.NoError(t, err)
	require.Equal(t, "second", merchant.Shop)
	require.Equal(t, "acme@example.com", merchant.Email)
	_, err = w.MerchantCreate(t.Context(), owner, home, "Third", to("acme"))
	requireFault(t, err, fault.CodeTaken, "shop")
	merchants, err := w.Merchants(t.Context(), owner)
	require.NoError(t, err)
	require.Len(t, merchants, 2)
}
