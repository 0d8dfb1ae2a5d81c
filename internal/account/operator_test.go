package account_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portico/internal/account"
	"portico/internal/fault"
	"portico/internal/mail"
	"portico/internal/secret"
)

const operatorEmail = "Root@portico.test"

func (w *world) operator(t *testing.T) (account.Operator, secret.Text) {
	t.Helper()
	operator, made, err := w.OperatorCreate(t.Context(), operatorEmail, passphrase)
	require.NoError(t, err)
	return operator, made.Secret
}

func TestAnOperatorIsMadeWithASecondFactor(t *testing.T) {
	t.Parallel()
	w := open(t)
	operator, key := w.operator(t)
	session, err := w.OperatorSignIn(t.Context(), account.Origin{}, " root@PORTICO.test", passphrase, codeAt(t, key, w.now))
	require.NoError(t, err)
	require.Equal(t, operator, session.Operator)
	require.True(t, leapDay.Add(12*time.Hour).Equal(session.ExpiresAt))
	kind, err := secret.KindOf(session.Token)
	require.NoError(t, err)
	require.Equal(t, secret.KindOperatorSession, kind)

	caller := w.caller(t, session.Token, "")
	require.Equal(t, account.Caller{Kind: account.KindOperator, OperatorID: operator.ID, SessionID: caller.SessionID, TOTP: true}, caller)
	found, err := w.Operator(t.Context(), caller)
	require.NoError(t, err)
	require.Equal(t, operator, found)
	_, err = w.Operator(t.Context(), w.signUp(t, "acme"))
	requireFault(t, err, fault.CodeNotFound, "id")
	_, err = w.Authenticate(t.Context(), session.Token, "acme")
	requireFault(t, err, fault.CodeForbidden, "")

	w.now = session.ExpiresAt.Add(-time.Microsecond)
	w.caller(t, session.Token, "")
	w.now = session.ExpiresAt
	_, err = w.Authenticate(t.Context(), session.Token, "")
	require.ErrorIs(t, err, account.ErrUnauthenticated)
	_, err = w.OperatorSignIn(t.Context(), account.Origin{}, operatorEmail, passphrase, codeAt(t, key, w.now))
	require.NoError(t, err)
	require.Equal(t, 1, w.rows(t, "operator_session"), "signing in takes expired sessions away")
}

func TestAnOperatorNeedsAnAddressOfItsOwnAndAPassword(t *testing.T) {
	t.Parallel()
	w := open(t)
	w.operator(t)
	_, _, err := w.OperatorCreate(t.Context(), "root@portico.test", passphrase)
	requireFault(t, err, fault.CodeTaken, "email")
	_, _, err = w.OperatorCreate(t.Context(), "nobody", passphrase)
	requireFault(t, err, fault.CodeInvalid, "email")
	_, _, err = w.OperatorCreate(t.Context(), "b@portico.test", "short")
	requireFault(t, err, fault.CodeInvalid, "password")
	require.Equal(t, 1, w.rows(t, "operator"))
	require.Equal(t, 1, w.rows(t, "totp"))
}

func TestWhateverDoesNotMatchKeepsAnOperatorOutAlike(t *testing.T) {
	t.Parallel()
	w := open(t)
	_, key := w.operator(t)
	refused := func(email, password, code string) string {
		_, err := w.OperatorSignIn(t.Context(), account.Origin{}, email, password, code)
		requireFault(t, err, fault.CodeUnauthenticated, "")
		return err.Error()
	}
	code := codeAt(t, key, w.now)
	sentences := map[string]bool{
		refused("nobody@portico.test", passphrase, code):                         true,
		refused("nobody", passphrase, code):                                      true,
		refused(operatorEmail, passphrase+"!", code):                             true,
		refused(operatorEmail, passphrase, ""):                                   true,
		refused(operatorEmail, passphrase, wrongCode(t, key, w.now)):             true,
		refused(operatorEmail, passphrase, codeAt(t, key, w.now.Add(time.Hour))): true,
	}
	require.Len(t, sentences, 1)
	_, err := w.OperatorSignIn(t.Context(), account.Origin{}, operatorEmail, passphrase, code)
	require.NoError(t, err)
	require.True(t, sentences[refused(operatorEmail, passphrase, code)], "used")
	w.now = w.now.Add(time.Minute)
	require.True(t, sentences[refused(operatorEmail, passphrase, wrongCode(t, key, w.now))], "the fifth of the wrong ones")
	require.True(t, sentences[refused(operatorEmail, passphrase, codeAt(t, key, w.now))], "too many, though all is right")
	w.now = w.now.Add(14 * time.Minute)
	_, err = w.OperatorSignIn(t.Context(), account.Origin{}, operatorEmail, passphrase, codeAt(t, key, w.now))
	require.NoError(t, err)
}

func TestAStrangerCannotLockAnOperatorOut(t *testing.T) {
	t.Parallel()
	w := open(t)
	_, key := w.operator(t)
	for range 6 {
		_, err := w.OperatorSignIn(t.Context(), account.Origin{}, operatorEmail, passphrase+"!", codeAt(t, key, w.now))
		requireFault(t, err, fault.CodeUnauthenticated, "")
	}
	require.Zero(t, scan[int](t, w.DB, `select cardinality(wrong_at) from totp`), "a write would take longer than for an unknown address")
	_, err := w.OperatorSignIn(t.Context(), account.Origin{}, operatorEmail, passphrase, codeAt(t, key, w.now))
	require.NoError(t, err)
}

func TestWhatTheShellDoesToAnOperatorEndsTheSessions(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		do       func(w *world, key *secret.Text) error
		password string
		signsIn  bool
		told     string
	}{
		"disable": {func(w *world, _ *secret.Text) error {
			_, err := w.OperatorDisable(t.Context(), operatorEmail)
			return err
		}, passphrase, false, ""},
		"enable": {func(w *world, _ *secret.Text) error {
			_, err := w.OperatorDisable(t.Context(), operatorEmail)
			require.NoError(t, err)
			_, err = w.OperatorEnable(t.Context(), operatorEmail)
			return err
		}, passphrase, true, ""},
		"another second factor": {func(w *world, key *secret.Text) error {
			_, made, err := w.OperatorResetTOTP(t.Context(), operatorEmail)
			require.NotEqual(t, *key, made.Secret)
			*key = made.Secret
			return err
		}, passphrase, true, "second factor of the operator"},
		"another password": {func(w *world, _ *secret.Text) error {
			_, err := w.OperatorResetPassword(t.Context(), operatorEmail, "battery staple horse")
			return err
		}, "battery staple horse", true, "password of the operator"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := open(t)
			_, key := w.operator(t)
			old := key
			session, err := w.OperatorSignIn(t.Context(), account.Origin{}, operatorEmail, passphrase, codeAt(t, key, w.now))
			require.NoError(t, err)
			require.NoError(t, c.do(w, &key))
			told := w.mails(t, operatorEmail)
			if c.told == "" {
				require.Empty(t, told)
			} else {
				require.Equal(t, mail.KindOperatorReset, told[0].Kind)
				require.Contains(t, told[0].Text, c.told)
			}
			_, err = w.Authenticate(t.Context(), session.Token, "")
			require.ErrorIs(t, err, account.ErrUnauthenticated)

			w.now = w.now.Add(time.Minute)
			if old != key {
				_, err = w.OperatorSignIn(t.Context(), account.Origin{}, operatorEmail, passphrase, codeAt(t, old, w.now))
				require.Error(t, err)
			}
			_, err = w.OperatorSignIn(t.Context(), account.Origin{}, operatorEmail, c.password, codeAt(t, key, w.now))
			require.Equal(t, c.signsIn, err == nil, "%v", err)
		})
	}
}

func TestAnOperatorThatIsNotThereCannotBeChanged(t *testing.T) {
	t.Parallel()
	w := open(t)
	w.operator(t)
	_, err := w.OperatorDisable(t.Context(), "nobody@portico.test")
	requireFault(t, err, fault.CodeNotFound, "email")
	_, _, err = w.OperatorResetTOTP(t.Context(), "nobody@portico.test")
	requireFault(t, err, fault.CodeNotFound, "email")
	_, err = w.OperatorResetPassword(t.Context(), operatorEmail, "short")
	requireFault(t, err, fault.CodeInvalid, "password")
	operators, err := w.Operators(t.Context())
	require.NoError(t, err)
	require.Len(t, operators, 1)
	require.Nil(t, operators[0].DisabledAt)
}

func TestSigningAnOperatorOutEndsThatSessionOnly(t *testing.T) {
	t.Parallel()
	w := open(t)
	_, key := w.operator(t)
	first, err := w.OperatorSignIn(t.Context(), account.Origin{}, operatorEmail, passphrase, codeAt(t, key, w.now))
	require.NoError(t, err)
	w.now = w.now.Add(time.Minute)
	second, err := w.OperatorSignIn(t.Context(), account.Origin{}, operatorEmail, passphrase, codeAt(t, key, w.now))
	require.NoError(t, err)
	require.NoError(t, w.OperatorSignOut(t.Context(), w.caller(t, first.Token, "")))
	_, err = w.Authenticate(t.Context(), first.Token, "")
	require.ErrorIs(t, err, account.ErrUnauthenticated)
	w.caller(t, second.Token, "")
}

func TestOneNetworkTriesOperatorsPasswordsOnlySoOften(t *testing.T) {
	t.Parallel()
	w := open(t)
	_, key := w.operator(t)
	from := func(address string) account.Origin { return account.Origin{Address: netip.MustParseAddr(address)} }
	for i := range 10 {
		_, err := w.OperatorSignIn(t.Context(), from("203.0.113.7"), fmt.Sprintf("nobody%d@portico.test", i), passphrase, "000000")
		requireFault(t, err, fault.CodeUnauthenticated, "")
	}
	_, err := w.OperatorSignIn(t.Context(), from("203.0.113.7"), operatorEmail, passphrase, codeAt(t, key, w.now))
	requireFault(t, err, fault.CodeThrottled, "")
	for range 12 {
		w.now = w.now.Add(30 * time.Second)
		_, err = w.OperatorSignIn(t.Context(), from("198.51.100.1"), operatorEmail, passphrase, codeAt(t, key, w.now))
		require.NoError(t, err, "an attempt that was right counts for nothing")
	}
}
