package account_test

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portico/internal/account"
	"portico/internal/fault"
)

const wrong = "not the correct horse"

// away is where people of these tests have not been before.
var away = at("192.0.2.1")

func at(address string) account.Origin { return account.Origin{Address: netip.MustParseAddr(address)} }

func (w *world) guess(t *testing.T, from account.Origin, email, password string) error {
	t.Helper()
	_, _, err := w.SignIn(t.Context(), from, account.SignIn{Email: email, Password: password})
	return err
}

func TestGuessesOfOneAccountRunOutWhereverTheyComeFrom(t *testing.T) {
	t.Parallel()
	w := open(t)
	w.signUp(t, "acme")
	for _, email := range []string{"acme@example.com", "nobody@example.com"} {
		for i := range 5 {
			requireFault(t, w.guess(t, at(fmt.Sprintf("198.51.100.%d", i)), email, wrong), fault.CodeUnauthenticated, "")
		}
		err := w.guess(t, at("198.51.100.99"), strings.ToUpper(email), passphrase)
		requireFault(t, err, fault.CodeThrottled, "")
		require.Equal(t, time.Minute, fault.List(err)[0].RetryAfter, "the right password is not looked at, whoever has it")
	}
	require.NoError(t, w.guess(t, home, "acme@example.com", passphrase), "nobody keeps the owner out of where the owner is signed in")
	w.now = w.now.Add(time.Minute)
	requireFault(t, w.guess(t, away, "acme@example.com", wrong), fault.CodeUnauthenticated, "")
	requireFault(t, w.guess(t, away, "acme@example.com", passphrase), fault.CodeThrottled, "")
	w.now = w.now.Add(time.Minute)
	require.NoError(t, w.guess(t, away, "acme@example.com", passphrase))
	require.NoError(t, w.guess(t, away, "acme@example.com", passphrase), "a right one takes nothing away")
}

func TestWhereAMemberIsSignedInGuessesRunOutToo(t *testing.T) {
	t.Parallel()
	w := open(t)
	w.signUp(t, "acme")
	w.join(t, "Mallory", "acme@example.com", "the password of mallory")
	for range 5 {
		requireFault(t, w.guess(t, home, "acme@example.com", wrong), fault.CodeUnauthenticated, "")
	}
	requireFault(t, w.guess(t, home, "acme@example.com", passphrase), fault.CodeThrottled, "")
	_, err := w.SignUp(t.Context(), away, account.SignUp{Name: "Mallory", Email: "acme@example.com", Password: "the password of mallory"})
	require.NoError(t, err)
	for range 5 {
		requireFault(t, w.guess(t, at("198.51.100.1"), "acme@example.com", wrong), fault.CodeUnauthenticated, "")
	}
	requireFault(t, w.guess(t, away, "acme@example.com", passphrase), fault.CodeThrottled, "") // an account that is not proven opens no way in
}

func TestTheDelayGrowsForWhoeverGoesOnGuessing(t *testing.T) {
	t.Parallel()
	w := open(t)
	w.signUp(t, "acme")
	tried := 0
	for range 24 * 60 {
		if err := w.guess(t, account.Origin{}, "acme@example.com", wrong); fault.Is(err, fault.CodeUnauthenticated) {
			tried++
		}
		w.now = w.now.Add(time.Minute)
	}
	require.Equal(t, 30+47, tried, "30 at first, then one every half hour")
}

func TestGuessesFromOneNetworkRunOutWhateverAccountTheyAreOf(t *testing.T) {
	t.Parallel()
	w := open(t)
	w.signUp(t, "acme")
	for i := range 30 {
		from := at(fmt.Sprintf("2001:db8:0:1::%x", i)) // one subscriber has as many addresses as there are
		requireFault(t, w.guess(t, from, fmt.Sprintf("member%d@example.com", i), wrong), fault.CodeUnauthenticated, "")
	}
	err := w.guess(t, at("2001:db8:0:1::ffff"), "acme@example.com", passphrase)
	requireFault(t, err, fault.CodeThrottled, "")
	require.Equal(t, 20*time.Second, fault.List(err)[0].RetryAfter)
	require.NoError(t, w.guess(t, at("2001:db8:0:2::1"), "acme@example.com", passphrase), "nobody else is kept out")
}

func TestGuessesAtTheSameTimeAreNoMoreThanOneAfterAnother(t *testing.T) {
	t.Parallel()
	w := open(t)
	w.signUp(t, "acme")
	var tried, throttled atomic.Int32
	var done sync.WaitGroup
	for range 24 {
		done.Go(func() {
			_, _, err := w.SignIn(t.Context(), account.Origin{}, account.SignIn{Email: "acme@example.com", Password: wrong})
			switch {
			case fault.Is(err, fault.CodeUnauthenticated):
				tried.Add(1)
			case fault.Is(err, fault.CodeThrottled):
				throttled.Add(1)
			}
		})
	}
	done.Wait()
	require.EqualValues(t, 5, tried.Load())
	require.EqualValues(t, 19, throttled.Load())
}

func TestTheLimitsKeepNoAddresses(t *testing.T) {
	t.Parallel()
	w := open(t)
	w.signUp(t, "acme")
	require.NoError(t, w.guess(t, home, "acme@example.com", passphrase))
	require.Equal(t, 5, w.rows(t, "attempt_limit"))
	require.Zero(t, scan[int](t, w.DB, `select count(*) from attempt_limit l where encode(key_hash, 'escape') like '%example%' or octet_length(key_hash) <> 32`))
	w.now = w.now.Add(24 * time.Hour)
	require.NoError(t, w.Tidy(t.Context()))
	require.Zero(t, w.rows(t, "attempt_limit"))
	require.Equal(t, 2, w.rows(t, "session"), "what has not expired stays")
}
