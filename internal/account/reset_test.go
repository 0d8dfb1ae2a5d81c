package account_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portico/internal/account"
	"portico/internal/fault"
	"portico/internal/mail"
)

const another = "battery staple horse"

func TestAForgottenPasswordIsReplacedWithTheMailedLink(t *testing.T) {
	t.Parallel()
	w := open(t)
	w.signUp(t, "acme")
	session, _, err := w.SignIn(t.Context(), home, account.SignIn{Email: "acme@example.com", Password: passphrase})
	require.NoError(t, err)
	require.NoError(t, w.RequestReset(t.Context(), home, " Acme@Example.com"))
	require.NoError(t, w.RequestReset(t.Context(), home, "acme@example.com"))
	earlier := w.mailed(t, "acme@example.com", mail.KindPasswordReset)

	requireFault(t, w.ResetPassword(t.Context(), earlier, "short"), fault.CodeInvalid, "password")
	requireFault(t, w.ResetPassword(t.Context(), earlier, "ACME@example.com"), fault.CodeInvalid, "password")
	require.Equal(t, 1, successes(4, func() error { return w.ResetPassword(t.Context(), earlier, another) }))

	_, err = w.Authenticate(t.Context(), session.Token, "")
	require.ErrorIs(t, err, account.ErrUnauthenticated, "all sessions are over")
	require.Zero(t, w.rows(t, "session"))
	require.Zero(t, w.rows(t, "member_token"), "the other links are, too")
	requireFault(t, w.guess(t, home, "acme@example.com", passphrase), fault.CodeUnauthenticated, "")
	require.NoError(t, w.guess(t, home, "acme@example.com", another))
	require.Equal(t, mail.KindPasswordChanged, w.mails(t, "acme@example.com")[0].Kind)
}

func TestALinkToReplaceAPasswordWorksForHalfAnHour(t *testing.T) {
	t.Parallel()
	w := open(t)
	w.signUp(t, "acme")
	require.NoError(t, w.RequestReset(t.Context(), home, "acme@example.com"))
	token := w.mailed(t, "acme@example.com", mail.KindPasswordReset)
	w.now = w.now.Add(30 * time.Minute)
	requireFault(t, w.ResetPassword(t.Context(), token, another), fault.CodeNotFound, "token")
	require.NoError(t, w.Tidy(t.Context()))
	require.Zero(t, w.rows(t, "member_token"))
}

func TestAskingForANewPasswordDoesTheSameForEveryAddress(t *testing.T) {
	t.Parallel()
	w := open(t)
	w.signUp(t, "acme")
	w.join(t, "Unproven", "unproven@example.com", passphrase)
	mails := w.rows(t, "mail")
	for i, email := range []string{"acme@example.com", "nobody@example.com", "unproven@example.com"} {
		require.NoError(t, w.RequestReset(t.Context(), home, email))
		require.Equal(t, i+1, w.rows(t, "password_reset_request"))
		require.Equal(t, i+1, scan[int](t, w.DB, `select count(*) from river_job where kind = 'member.reset_password'`))
	}
	require.Equal(t, mails, w.rows(t, "mail"), "what is mailed is decided behind the answer")
	require.Len(t, w.mails(t, "acme@example.com"), 1)
	require.Empty(t, w.mails(t, "nobody@example.com"))
	require.Len(t, w.mails(t, "unproven@example.com"), 1, "the one of the sign-up")
	require.Zero(t, w.rows(t, "password_reset_request"))

	for range 5 {
		require.NoError(t, w.RequestReset(t.Context(), home, "acme@example.com"), "the answer stays the same")
	}
	require.Len(t, w.mails(t, "acme@example.com"), 3, "three an hour are enough")
	requireFault(t, w.RequestReset(t.Context(), home, "acme"), fault.CodeInvalid, "email")
}

func TestOneNetworkDoesNotAskForeverForOthersPasswords(t *testing.T) {
	t.Parallel()
	w := open(t)
	for i := range 20 {
		require.NoError(t, w.RequestReset(t.Context(), home, fmt.Sprintf("member%d@example.com", i)))
	}
	requireFault(t, w.RequestReset(t.Context(), home, "last@example.com"), fault.CodeThrottled, "")
}

func TestAMemberChangesThePasswordAndStaysSignedIn(t *testing.T) {
	t.Parallel()
	w := open(t)
	caller := w.signUp(t, "acme")
	other, _, err := w.SignIn(t.Context(), home, account.SignIn{Email: "acme@example.com", Password: passphrase})
	require.NoError(t, err)

	requireFault(t, w.ChangePassword(t.Context(), caller, home, passphrase, "password1234"), fault.CodeInvalid, "newPassword")
	require.NoError(t, w.ChangePassword(t.Context(), caller, home, passphrase, another))
	_, err = w.Authenticate(t.Context(), other.Token, "")
	require.ErrorIs(t, err, account.ErrUnauthenticated)
	_, err = w.Session(t.Context(), caller, caller.SessionID)
	require.NoError(t, err)
	require.Len(t, w.mails(t, "acme@example.com"), 1)
	require.NoError(t, w.guess(t, home, "acme@example.com", another))

	for range 5 {
		requireFault(t, w.ChangePassword(t.Context(), caller, home, passphrase, "one more password"), fault.CodeUnauthenticated, "currentPassword")
	}
	requireFault(t, w.ChangePassword(t.Context(), caller, home, another, "one more password"), fault.CodeThrottled, "")
}
