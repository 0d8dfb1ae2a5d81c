package audit_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portico/internal/account"
	"portico/internal/audit"
	"portico/internal/fault"
)

func (w *world) mint(n int) {
	w.t.Helper()
	for range n {
		require.NoError(w.t, w.Mint(w.t.Context(), w.key, audit.Act{Action: "launchTokenCreate", RequestID: "R1"}, audit.LaunchToken, func() (audit.Result, error) {
			return audit.Result{Object: "gid://portico/Customer/1", CustomerID: w.customer}, nil
		}))
	}
	require.NoError(w.t, w.Count(w.t.Context()))
}

// history has the customer get so many tokens in each hour of the week before.
func (w *world) history(perHour, hours int) {
	w.t.Helper()
	_, err := w.DB.System().Exec(w.t.Context(), `insert into token_count
		select $1, $2, 'LAUNCH', $3::timestamptz - n * interval '1 hour', $4 from generate_series(1, $5::int) n`,
		w.key.MerchantID, w.customer, noon, perHour, hours)
	require.NoError(w.t, err)
}

func (w *world) unusual() []audit.Entry {
	w.t.Helper()
	action := audit.RateUnusual
	return w.entries(w.key, audit.Query{Action: &action})
}

func TestTokensAreCountedByCustomerKindAndHour(t *testing.T) {
	t.Parallel()
	w := open(t)
	w.mint(2)
	w.now = noon.Add(59 * time.Minute)
	w.mint(1)
	w.now = noon.Add(time.Hour)
	w.mint(1)
	found, err := w.TokenUsage(t.Context(), w.key, []int64{w.customer})
	require.NoError(t, err)
	require.Equal(t, map[int64][]audit.Usage{w.customer: {
		{Hour: noon.Add(time.Hour), Kind: audit.LaunchToken, Count: 1}, {Hour: noon, Kind: audit.LaunchToken, Count: 3},
	}}, found)
	require.Len(t, w.entries(w.key, audit.Query{}), 4)

	stranger := account.Caller{Kind: account.KindMember, MerchantID: w.merchant("birch")}
	found, err = w.TokenUsage(t.Context(), stranger, []int64{w.customer})
	require.NoError(t, err)
	require.Empty(t, found)
}

func TestATokenThatIsMadeBesideSomethingElseIsCountedAndHasOneEntry(t *testing.T) {
	t.Parallel()
	w := open(t)
	require.NoError(t, w.RecordToken(t.Context(), w.key, act(), audit.PortalToken, func() (audit.Result, error) {
		require.Len(t, w.entries(w.key, audit.Query{}), 1, "there is an entry before anything is done")
		return audit.Result{CustomerID: w.customer, Object: "gid://portico/Customer/1"}, nil
	}))
	require.NoError(t, w.Count(t.Context()))
	require.Len(t, w.entries(w.key, audit.Query{}), 1)
	found, err := w.TokenUsage(t.Context(), w.key, []int64{w.customer})
	require.NoError(t, err)
	require.Equal(t, map[int64][]audit.Usage{w.customer: {{Hour: noon, Kind: audit.PortalToken, Count: 1}}}, found)

	for _, refused := range []error{fault.New(fault.CodeActivePurchaseExists, "product", "is there"), errors.New("broken")} {
		err := w.RecordToken(t.Context(), w.key, act(), audit.PortalToken, func() (audit.Result, error) {
			return audit.Result{CustomerID: w.customer, Object: "gid://portico/Customer/1"}, refused
		})
		require.ErrorIs(t, err, refused)
	}
	require.Zero(t, w.insert(`select count(*) from token_mint`), "no token")
}

// The release before knows no has_entry: an empty request id says it there.
func TestTokensAreCountedAlikeBesideTheReleaseBefore(t *testing.T) {
	t.Parallel()
	w := open(t)
	for _, requestID := range []string{"", "R1"} {
		require.NoError(t, w.exec(`insert into token_mint (merchant_id, minted_at, kind, customer_id, actor_kind, action, fields, object, request_id, user_agent)
			values ($1, $2, 'PORTAL', $3, 'API_KEY', 'portalUrlCreate', '{}', 'gid://portico/Customer/1', $4, '')`,
			w.key.MerchantID, noon, w.customer, requestID))
	}
	require.NoError(t, w.RecordToken(t.Context(), w.key, act(), audit.PortalToken, func() (audit.Result, error) {
		return audit.Result{CustomerID: w.customer, Object: "gid://portico/Customer/1"}, nil
	}))
	require.EqualValues(t, 1, w.insert(`select count(*) from token_mint where request_id <> ''`), "what the release before makes an entry of")
	require.NoError(t, w.Count(t.Context()))
	require.Len(t, w.entries(w.key, audit.Query{}), 2, "that of the act, and that of the token without one")
	require.EqualValues(t, 3, w.insert(`select count from token_count`))
}

func TestATokenThatIsNotMintedIsRecordedAndNotCounted(t *testing.T) {
	t.Parallel()
	w := open(t)
	broken := errors.New("no key")
	for _, do := range []func() (audit.Result, error){
		func() (audit.Result, error) { return audit.Result{}, fault.NotFound("customer", "customer") },
		func() (audit.Result, error) { return audit.Result{Refused: fault.CodeNoActiveSubscription}, nil },
		func() (audit.Result, error) { return audit.Result{}, broken },
		func() (audit.Result, error) { panic(broken) },
	} {
		func() {
			defer func() { _ = recover() }()
			result, want := do()
			err := w.Mint(t.Context(), w.key, act(), audit.LaunchToken, func() (audit.Result, error) { return result, want })
			require.ErrorIs(t, err, want)
		}()
	}
	require.Panics(t, func() {
		_ = w.Mint(t.Context(), w.key, act(), audit.LaunchToken, func() (audit.Result, error) { panic(broken) })
	})
	var came []string
	for _, entry := range w.entries(w.key, audit.Query{}) {
		code := ""
		if entry.Code != nil {
			code = *entry.Code
		}
		came = append(came, string(entry.Outcome)+code)
	}
	require.Equal(t, []string{"FAILED", "FAILED", "REFUSEDNO_ACTIVE_SUBSCRIPTION", "REFUSEDNOT_FOUND"}, came)
	require.Zero(t, w.insert(`select count(*) from token_count`))
	require.ErrorContains(t, w.Mint(t.Context(), w.key, act(), audit.LaunchToken, anything), "some customer's")
}

func TestAnUnusualRateIsFlaggedOnceADay(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		perHour, hours, minted int
		flagged                bool
	}{
		"60 are usual for anybody":                          {0, 0, 60, false},
		"61 are not for somebody new":                       {0, 0, 61, true},
		"five times the average is usual":                   {13, 168, 65, false},
		"more is not":                                       {13, 168, 66, true},
		"hours without tokens count":                        {156, 14, 65, false},
		"more than the average of all hours is not":         {156, 14, 66, true},
		"a busy customer":                                   {30, 168, 150, false},
		"what is older than a week does not count":          {13, 0, 61, true},
		"the present hour does not count for its own usual": {1, 1, 61, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := open(t)
			w.history(c.perHour, c.hours)
			w.insert(`insert into token_count values ($1, $2, 'LAUNCH', $3, 100000) returning count`, w.key.MerchantID, w.customer, noon.Add(-169*time.Hour))
			if c.minted > 1 {
				w.insert(`insert into token_count values ($1, $2, 'LAUNCH', $3, $4) returning count`, w.key.MerchantID, w.customer, noon, c.minted-1)
			}
			w.mint(1)
			require.Equal(t, c.flagged, len(w.unusual()) == 1)
			usage, err := w.TokenUsage(t.Context(), w.key, []int64{w.customer})
			require.NoError(t, err)
			require.Equal(t, c.flagged, usage[w.customer][0].Flagged)
			if !c.flagged {
				return
			}
			require.Contains(t, w.logged.String(), "unusual rate")
			w.mint(3)
			w.now = noon.Add(time.Hour)
			w.insert(`insert into token_count values ($1, $2, 'LAUNCH', $3, 10000) returning count`, w.key.MerchantID, w.customer, w.now)
			w.mint(1)
			require.Len(t, w.unusual(), 1, "once a day")
			w.now = noon.Add(24 * time.Hour)
			w.insert(`insert into token_count values ($1, $2, 'LAUNCH', $3, 100000) returning count`, w.key.MerchantID, w.customer, w.now)
			w.mint(1)
			flags := w.unusual()
			require.Len(t, flags, 2, "and on the next day again")
			require.Equal(t, account.KindSystem, flags[0].ActorKind)
			require.Equal(t, "gid://portico/Customer/1", *flags[0].Object)
			require.Equal(t, audit.Done, flags[0].Outcome)
		})
	}
}
