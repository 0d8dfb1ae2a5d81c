package account_test

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"
	"github.com/stretchr/testify/require"

	"portico/internal/account"
	"portico/internal/fault"
	"portico/internal/mail"
	"portico/internal/secret"
)

// codeAt is what an authenticator app shows at an instant.
func codeAt(t *testing.T, key secret.Text, at time.Time) string {
	t.Helper()
	code, err := totp.GenerateCode(string(key), at)
	require.NoError(t, err)
	return code
}

// wrongCode is one that the app shows at none of the instants that count.
func wrongCode(t *testing.T, key secret.Text, now time.Time) string {
	t.Helper()
	for _, code := range []string{"000000", "000001", "000002", "000003"} {
		if code != codeAt(t, key, now) && code != codeAt(t, key, now.Add(30*time.Second)) && code != codeAt(t, key, now.Add(-30*time.Second)) {
			return code
		}
	}
	t.Fatal("three codes cannot be four")
	return ""
}

// enrol turns two-factor sign-in on, and lets a time step go by so that the next code is a new one.
func (w *world) enrol(t *testing.T, caller account.Caller) (key secret.Text, recovery []secret.Text) {
	t.Helper()
	made, err := w.TOTPBegin(t.Context(), caller, passphrase)
	require.NoError(t, err)
	recovery, err = w.TOTPConfirm(t.Context(), caller, codeAt(t, made.Secret, w.now))
	require.NoError(t, err)
	w.now = w.now.Add(time.Minute)
	return made.Secret, recovery
}

func signIn(code, recovery *string) account.SignIn {
	return account.SignIn{Email: "acme@example.com", Password: passphrase, TOTPCode: code, RecoveryCode: recovery}
}

func TestTwoFactorSignInIsOnOnceACodeHasProvedIt(t *testing.T) {
	t.Parallel()
	w := open(t)
	owner := w.signUp(t, "acme")
	_, err := w.TOTPConfirm(t.Context(), owner, "123456")
	requireFault(t, err, fault.CodeConflict, "")

	first, err := w.TOTPBegin(t.Context(), owner, passphrase)
	require.NoError(t, err)
	made, err := w.TOTPBegin(t.Context(), owner, passphrase)
	require.NoError(t, err)
	require.NotEqual(t, first.Secret, made.Secret)
	app, err := otp.NewKeyFromURL(string(made.URI))
	require.NoError(t, err)
	require.Equal(t, []any{"totp", "Portico", "acme@example.com", string(made.Secret), uint64(30), otp.DigitsSix, otp.AlgorithmSHA1},
		[]any{app.Type(), app.Issuer(), app.AccountName(), app.Secret(), app.Period(), app.Digits(), app.Algorithm()})

	_, _, err = w.SignIn(t.Context(), home, signIn(nil, nil))
	require.NoError(t, err, "what is begun does not count yet")
	_, err = w.TOTPConfirm(t.Context(), owner, codeAt(t, first.Secret, w.now))
	requireFault(t, err, fault.CodeUnauthenticated, "code")
	codes, err := w.TOTPConfirm(t.Context(), owner, codeAt(t, made.Secret, w.now))
	require.NoError(t, err)

	require.Len(t, codes, 10)
	distinct := map[secret.Text]bool{}
	for _, code := range codes {
		distinct[code] = true
		require.Regexp(t, `^[A-Z2-7]{5}-[A-Z2-7]{5}$`, string(code))
	}
	require.Len(t, distinct, 10)
	member, err := w.Member(t.Context(), owner)
	require.NoError(t, err)
	require.True(t, member.TOTP)
	_, err = w.TOTPBegin(t.Context(), owner, passphrase)
	requireFault(t, err, fault.CodeConflict, "")
	_, err = w.TOTPConfirm(t.Context(), owner, codeAt(t, made.Secret, w.now.Add(30*time.Second)))
	requireFault(t, err, fault.CodeConflict, "")

	require.Equal(t, 1, w.rows(t, "totp"))
	sealed := scan[[]byte](t, w.DB, `select secret_cipher from totp`)
	require.NotContains(t, string(sealed), string(made.Secret))
	_, err = w.Keys.Open("member/1/totp", sealed)
	require.NoError(t, err)
}

func TestAStolenSessionCannotLockItsMemberOutWithASecondFactor(t *testing.T) {
	t.Parallel()
	w := open(t)
	owner := w.signUp(t, "acme")
	made, err := w.TOTPBegin(t.Context(), owner, passphrase)
	require.NoError(t, err)
	for _, wrong := range []string{"", passphrase + "!", strings.Repeat("a", account.MaxPasswordBytes+1)} {
		_, err := w.TOTPBegin(t.Context(), owner, wrong)
		requireFault(t, err, fault.CodeUnauthenticated, "password")
	}
	_, err = w.TOTPConfirm(t.Context(), owner, codeAt(t, made.Secret, w.now))
	require.NoError(t, err, "what the member began stays")
	_, err = w.TOTPBegin(t.Context(), owner, "")
	requireFault(t, err, fault.CodeConflict, "")
}

func TestASessionSaysWhetherItWasOpenedWithASecondFactor(t *testing.T) {
	t.Parallel()
	w := open(t)
	w.signUp(t, "acme")
	proving, _, err := w.SignIn(t.Context(), home, signIn(nil, nil))
	require.NoError(t, err)
	requireFault(t, w.caller(t, proving.Token, "").RequireTOTP(), fault.CodeForbidden, "")
	key, _ := w.enrol(t, w.caller(t, proving.Token, ""))

	require.NoError(t, w.caller(t, proving.Token, "").RequireTOTP(), "it proved it")
	after, _, err := w.SignIn(t.Context(), home, signIn(to(codeAt(t, key, w.now)), nil))
	require.NoError(t, err)
	require.NoError(t, w.caller(t, after.Token, "").RequireTOTP())

	w.now = w.now.Add(time.Minute)
	require.NoError(t, w.TOTPDisable(t.Context(), w.caller(t, after.Token, ""), passphrase, codeAt(t, key, w.now)))
	require.Error(t, w.caller(t, after.Token, "").RequireTOTP())
}

func TestTurningTheSecondFactorOnOrOffEndsTheOtherSessionsAndTellsTheMember(t *testing.T) {
	t.Parallel()
	w := open(t)
	w.signUp(t, "acme")
	enter := func(code *string) secret.Text {
		t.Helper()
		session, _, err := w.SignIn(t.Context(), home, signIn(code, nil))
		require.NoError(t, err)
		return session.Token
	}
	acting, other := enter(nil), enter(nil)
	key, _ := w.enrol(t, w.caller(t, acting, ""))
	_, err := w.Authenticate(t.Context(), other, "")
	requireFault(t, err, fault.CodeUnauthenticated, "")
	told := w.mails(t, "acme@example.com")[0]
	require.Equal(t, mail.KindSecondFactorChanged, told.Kind)
	require.Contains(t, told.Text, "turned on")

	other = enter(to(codeAt(t, key, w.now)))
	w.now = w.now.Add(time.Minute)
	require.Error(t, w.TOTPDisable(t.Context(), w.caller(t, acting, ""), passphrase, wrongCode(t, key, w.now)))
	w.caller(t, other, "") // goes on
	require.NoError(t, w.TOTPDisable(t.Context(), w.caller(t, acting, ""), passphrase, codeAt(t, key, w.now)))
	_, err = w.Authenticate(t.Context(), other, "")
	requireFault(t, err, fault.CodeUnauthenticated, "")
	w.caller(t, acting, "") // goes on
	require.Contains(t, w.mails(t, "acme@example.com")[0].Text, "turned off")
}

func TestSigningInWithASecondFactorTakesOneOfItsCodes(t *testing.T) {
	t.Parallel()
	w := open(t)
	key, recovery := w.enrol(t, w.signUp(t, "acme"))
	sessions := w.rows(t, "session")

	_, merchants, err := w.SignIn(t.Context(), home, signIn(nil, nil))
	requireFault(t, err, fault.CodeTOTPRequired, "totpCode")
	require.Empty(t, merchants)
	_, _, err = w.SignIn(t.Context(), home, account.SignIn{Email: "acme@example.com", Password: passphrase + "!"})
	requireFault(t, err, fault.CodeUnauthenticated, "")
	_, _, err = w.SignIn(t.Context(), home, signIn(to("1"), to("2")))
	requireFault(t, err, fault.CodeInvalid, "recoveryCode")
	for name, at := range map[string]time.Duration{"two steps early": time.Minute, "two steps late": -time.Minute} {
		_, _, err = w.SignIn(t.Context(), home, signIn(to(codeAt(t, key, w.now.Add(at))), nil))
		requireFault(t, err, fault.CodeUnauthenticated, "totpCode")
		require.Equal(t, sessions, w.rows(t, "session"), name)
	}

	for _, at := range []time.Duration{-30 * time.Second, 0, 30 * time.Second} {
		_, _, err = w.SignIn(t.Context(), home, signIn(to(codeAt(t, key, w.now.Add(at))), nil))
		require.NoError(t, err, at)
		_, _, err = w.SignIn(t.Context(), home, signIn(to(codeAt(t, key, w.now.Add(at))), nil))
		requireFault(t, err, fault.CodeUnauthenticated, "totpCode")
		w.now = w.now.Add(15 * time.Minute)
	}

	written := strings.ToLower(strings.ReplaceAll(string(recovery[3]), "-", " "))
	_, _, err = w.SignIn(t.Context(), home, signIn(nil, &written))
	require.NoError(t, err)
	_, _, err = w.SignIn(t.Context(), home, signIn(nil, &written))
	requireFault(t, err, fault.CodeUnauthenticated, "recoveryCode")
	require.Equal(t, 9, w.rows(t, "recovery_code"))
}

func TestAnOlderCodeThanOneThatWasUsedIsUsedAsWell(t *testing.T) {
	t.Parallel()
	w := open(t)
	key, _ := w.enrol(t, w.signUp(t, "acme"))
	_, _, err := w.SignIn(t.Context(), home, signIn(to(codeAt(t, key, w.now)), nil))
	require.NoError(t, err)
	_, _, err = w.SignIn(t.Context(), home, signIn(to(codeAt(t, key, w.now.Add(-30*time.Second))), nil))
	requireFault(t, err, fault.CodeUnauthenticated, "totpCode")
}

func TestACodeIsAcceptedOnceHoweverManyGiveItAtOnce(t *testing.T) {
	t.Parallel()
	w := open(t)
	key, recovery := w.enrol(t, w.signUp(t, "acme"))
	for _, in := range []account.SignIn{signIn(to(codeAt(t, key, w.now)), nil), signIn(nil, to(string(recovery[0])))} {
		var accepted atomic.Int64
		var all sync.WaitGroup
		for range 5 {
			all.Go(func() {
				if _, _, err := w.SignIn(t.Context(), home, in); err == nil {
					accepted.Add(1)
				}
			})
		}
		all.Wait()
		require.EqualValues(t, 1, accepted.Load())
		w.now = w.now.Add(time.Hour)
	}
}

func TestFiveWrongCodesInAQuarterOfAnHourAreTooMany(t *testing.T) {
	t.Parallel()
	w := open(t)
	key, recovery := w.enrol(t, w.signUp(t, "acme"))
	_, _, err := w.SignIn(t.Context(), home, signIn(to(codeAt(t, key, w.now)), nil))
	require.NoError(t, err, "a right one costs nothing")

	var throttled atomic.Int64
	var all sync.WaitGroup
	wrong := wrongCode(t, key, w.now)
	for range 9 {
		all.Go(func() {
			_, _, err := w.SignIn(t.Context(), home, signIn(&wrong, nil))
			if fault.Is(err, fault.CodeThrottled) {
				throttled.Add(1)
			} else {
				require.True(t, fault.Is(err, fault.CodeUnauthenticated), "%v", err)
			}
		})
	}
	all.Wait()
	require.EqualValues(t, 4, throttled.Load())
	_, _, err = w.SignIn(t.Context(), home, signIn(nil, to(string(recovery[0]))))
	requireFault(t, err, fault.CodeThrottled, "")
	_, _, err = w.SignIn(t.Context(), home, account.SignIn{Email: "acme@example.com", Password: "wrong", TOTPCode: &wrong})
	requireFault(t, err, fault.CodeUnauthenticated, "")

	w.now = w.now.Add(15*time.Minute - time.Microsecond)
	_, _, err = w.SignIn(t.Context(), home, signIn(to(codeAt(t, key, w.now)), nil))
	requireFault(t, err, fault.CodeThrottled, "")
	w.now = w.now.Add(time.Microsecond)
	_, _, err = w.SignIn(t.Context(), home, signIn(to(codeAt(t, key, w.now)), nil))
	require.NoError(t, err)
}

func TestWrongCodesAreForgottenOneByOne(t *testing.T) {
	t.Parallel()
	w := open(t)
	key, _ := w.enrol(t, w.signUp(t, "acme"))
	begin := w.now
	for _, minute := range []int{0, 11, 12, 13, 14, 15} {
		w.now = begin.Add(time.Duration(minute) * time.Minute)
		_, _, err := w.SignIn(t.Context(), home, signIn(to(wrongCode(t, key, w.now)), nil))
		requireFault(t, err, fault.CodeUnauthenticated, "totpCode")
	}
	_, _, err := w.SignIn(t.Context(), home, signIn(to(codeAt(t, key, w.now)), nil))
	requireFault(t, err, fault.CodeThrottled, "")
}

func TestOnlyPasswordAndCodeTurnItOff(t *testing.T) {
	t.Parallel()
	w := open(t)
	owner := w.signUp(t, "acme")
	requireFault(t, w.TOTPDisable(t.Context(), owner, passphrase, "123456"), fault.CodeConflict, "")
	key, recovery := w.enrol(t, owner)
	require.Error(t, w.TOTPDisable(t.Context(), owner, passphrase, wrongCode(t, key, w.now)))
	requireFault(t, w.TOTPDisable(t.Context(), owner, passphrase+"!", codeAt(t, key, w.now)), fault.CodeUnauthenticated, "")
	require.NoError(t, w.TOTPDisable(t.Context(), owner, passphrase, codeAt(t, key, w.now)), "the code was not used up")

	_, _, err := w.SignIn(t.Context(), home, signIn(nil, nil))
	require.NoError(t, err)
	_, _, err = w.SignIn(t.Context(), home, signIn(nil, to(string(recovery[0]))))
	require.NoError(t, err, "a code that is not asked for does not matter")
	require.Equal(t, 0, w.rows(t, "totp")+w.rows(t, "recovery_code"))
	again, _ := w.enrol(t, owner)
	require.NotEqual(t, key, again)
}

func TestNewRecoveryCodesEndTheOldOnes(t *testing.T) {
	t.Parallel()
	w := open(t)
	owner := w.signUp(t, "acme")
	_, err := w.RecoveryCodesRenew(t.Context(), owner, "123456")
	requireFault(t, err, fault.CodeConflict, "")
	key, old := w.enrol(t, owner)
	_, err = w.RecoveryCodesRenew(t.Context(), owner, wrongCode(t, key, w.now))
	requireFault(t, err, fault.CodeUnauthenticated, "code")
	renewed, err := w.RecoveryCodesRenew(t.Context(), owner, codeAt(t, key, w.now))
	require.NoError(t, err)
	_, _, err = w.SignIn(t.Context(), home, signIn(nil, to(string(old[0]))))
	requireFault(t, err, fault.CodeUnauthenticated, "recoveryCode")
	_, _, err = w.SignIn(t.Context(), home, signIn(nil, to(string(renewed[9]))))
	require.NoError(t, err)
	left, err := w.RecoveryCodesLeft(t.Context(), owner)
	require.NoError(t, err)
	require.EqualValues(t, 9, left)

	_, others := w.enrol(t, w.signUp(t, "bobs"))
	_, _, err = w.SignIn(t.Context(), home, signIn(nil, to(string(others[0]))))
	requireFault(t, err, fault.CodeUnauthenticated, "recoveryCode")
}
