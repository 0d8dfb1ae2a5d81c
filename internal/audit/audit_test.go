package audit_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portico/internal/account"
	"portico/internal/audit"
	"portico/internal/fault"
)

func TestAnActHasItsEntryBeforeItIsDone(t *testing.T) {
	t.Parallel()
	w := open(t)
	var during audit.Entry
	require.NoError(t, w.Record(t.Context(), w.key, act(), func() (audit.Result, error) {
		during = w.entries(w.key, audit.Query{})[0]
		w.now = noon.Add(time.Second)
		return audit.Result{Object: "gid://portico/Plan/4"}, nil
	}))
	require.Equal(t, audit.Unknown, during.Outcome, "which is what it would stay if the process died now")
	require.Equal(t, "gid://portico/Product/3", *during.Object)
	after := w.entries(w.key, audit.Query{})
	require.Len(t, after, 1)
	address := act().Origin.Address
	object := "gid://portico/Plan/4"
	require.Equal(t, audit.Entry{
		ID: during.ID, At: noon, ActorKind: account.KindAPIKey, ActorID: 7, Action: "planCreate", Fields: []string{"name"}, Object: &object,
		Outcome: audit.Done, RequestID: "R1", Address: &address, UserAgent: "curl/8.5",
	}, after[0])
}

func TestAnEntrySaysWhatItsActCameTo(t *testing.T) {
	t.Parallel()
	broken := errors.New("the disk is full")
	for name, c := range map[string]struct {
		do      func() (audit.Result, error)
		outcome audit.Outcome
		code    string
	}{
		"done":                  {anything, audit.Done, ""},
		"refused in the answer": {func() (audit.Result, error) { return audit.Result{Refused: fault.CodeTaken}, nil }, audit.Refused, "TAKEN"},
		"refused by an error":   {func() (audit.Result, error) { return audit.Result{}, fault.NotFound("id", "plan") }, audit.Refused, "NOT_FOUND"},
		"refused for the first reason": {func() (audit.Result, error) {
			return audit.Result{}, fault.Errors{fault.Required("a"), fault.NotFound("b", "c")}
		}, audit.Refused, "REQUIRED"},
		"broken":   {func() (audit.Result, error) { return audit.Result{}, broken }, audit.Failed, ""},
		"panicked": {func() (audit.Result, error) { panic(broken) }, audit.Failed, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := open(t)
			want, err := c.do, error(nil)
			perform := func() { err = w.Record(t.Context(), w.key, act(), want) }
			if name == "panicked" {
				require.PanicsWithValue(t, broken, perform)
			} else {
				perform()
				_, expected := c.do()
				require.Equal(t, expected, err)
			}
			entry := w.entries(w.key, audit.Query{})[0]
			require.Equal(t, c.outcome, entry.Outcome)
			if c.code == "" {
				require.Nil(t, entry.Code)
			} else {
				require.Equal(t, c.code, *entry.Code)
			}
			require.Equal(t, "gid://portico/Product/3", *entry.Object)
		})
	}
}

func TestTheLogOfOperatorsHasTheirActsForAllMerchantsAndThoseOfShells(t *testing.T) {
	t.Parallel()
	w := open(t)
	operator := account.Caller{Kind: account.KindOperator, OperatorID: w.insert(
		`insert into operator (email, password_hash, created_at) values ('root@portico.test', '', $1) returning id`, noon)}
	shell := account.Caller{Kind: account.KindShell, ShellUser: "ada"}
	for _, who := range []account.Caller{w.key, operator, shell} {
		require.NoError(t, w.Record(t.Context(), who, act(), func() (audit.Result, error) {
			return audit.Result{MerchantID: w.key.MerchantID}, nil
		}))
		w.now = w.now.Add(time.Second)
	}
	require.NoError(t, w.Refuse(t.Context(), shell, audit.Act{Action: "operatorDisable"}, fault.NotFound("email", "operator")))
	read := func(q audit.Query, behind audit.Place) (found []string) {
		entries, err := w.OperatorEntries(t.Context(), q, behind, 10)
		require.NoError(t, err)
		for _, entry := range entries {
			found = append(found, string(entry.ActorKind)+" "+*entry.ActorLabel+" "+entry.Action)
		}
		return found
	}
	require.Equal(t, []string{"SHELL ada operatorDisable", "SHELL ada planCreate", "OPERATOR root@portico.test planCreate"}, read(audit.Query{}, audit.Newest()))
	require.Equal(t, []string{"OPERATOR root@portico.test planCreate"}, read(audit.Query{}, audit.Place{At: noon.Add(2 * time.Second)}))
	action := "operatorDisable"
	require.Equal(t, []string{"SHELL ada operatorDisable"}, read(audit.Query{Action: &action}, audit.Newest()))
	require.Equal(t, []string{"OPERATOR root@portico.test planCreate"},
		read(audit.Query{Actor: &audit.Actor{Kind: account.KindOperator, ID: operator.OperatorID}}, audit.Newest()))
	early, late := noon, noon.Add(-time.Second)
	_, err := w.OperatorEntries(t.Context(), audit.Query{Since: &early, Until: &late}, audit.Newest(), 10)
	require.True(t, fault.Is(err, fault.CodeInvalid))
}

func TestAnActWithoutAnEntryIsNotDone(t *testing.T) {
	t.Parallel()
	w := open(t)
	require.NoError(t, w.exec(`alter table audit_entry add constraint broken check (action <> 'planCreate')`))
	err := w.Record(t.Context(), w.key, act(), func() (audit.Result, error) {
		require.Fail(t, "done")
		return audit.Result{}, nil
	})
	require.ErrorContains(t, err, "begin the audit entry of planCreate")
	require.Error(t, w.Refuse(t.Context(), w.key, act(), fault.NotFound("id", "plan")))
	require.Error(t, w.Mint(t.Context(), w.key, act(), audit.LaunchToken, func() (audit.Result, error) {
		return audit.Result{}, fault.NotFound("customer", "customer")
	}))
	require.NoError(t, w.exec(`alter table token_mint add constraint broken check (action <> 'planCreate')`))
	require.ErrorContains(t, w.Mint(t.Context(), w.key, act(), audit.LaunchToken, func() (audit.Result, error) {
		return audit.Result{CustomerID: w.customer}, nil
	}), "record a token of planCreate")
}

func TestAnActOutlivesTheWaitForIt(t *testing.T) {
	t.Parallel()
	w := open(t)
	ctx, cancel := context.WithCancel(t.Context())
	require.ErrorIs(t, w.Record(ctx, w.key, act(), func() (audit.Result, error) {
		cancel()
		return audit.Result{}, ctx.Err()
	}), context.Canceled)
	require.Equal(t, audit.Failed, w.entries(w.key, audit.Query{})[0].Outcome)
	require.Empty(t, w.logged.String())
}

func TestAnOutcomeThatCannotBeRecordedIsUnknownAndLogged(t *testing.T) {
	t.Parallel()
	w := open(t)
	require.NoError(t, w.Record(t.Context(), w.key, act(), func() (audit.Result, error) {
		return audit.Result{}, w.exec(`alter table audit_entry add constraint broken check (outcome is null)`)
	}), "what is done is done")
	require.Equal(t, audit.Unknown, w.entries(w.key, audit.Query{})[0].Outcome)
	require.Contains(t, w.logged.String(), "the outcome of an act was not recorded")
}

func TestAnActOfNobodysMayTurnOutToBeAMerchants(t *testing.T) {
	t.Parallel()
	w := open(t)
	nobody := account.Caller{Kind: account.KindAnonymous}
	require.NoError(t, w.Record(t.Context(), nobody, act(), func() (audit.Result, error) {
		return audit.Result{MerchantID: w.key.MerchantID}, nil
	}))
	require.NoError(t, w.Record(t.Context(), nobody, act(), anything))
	require.Len(t, w.entries(w.key, audit.Query{}), 1)
	require.Equal(t, 2, w.count())

	// Somebody's act stays theirs.
	other := w.merchant("birch")
	require.NoError(t, w.Record(t.Context(), w.key, act(), func() (audit.Result, error) { return audit.Result{MerchantID: other}, nil }))
	require.Len(t, w.entries(w.key, audit.Query{}), 2)
	require.Empty(t, w.entries(account.Caller{MerchantID: other}, audit.Query{}))
}

func TestEntriesAreCompletedOnceAndNeverChanged(t *testing.T) {
	t.Parallel()
	w := open(t)
	require.NoError(t, w.Record(t.Context(), w.key, act(), anything))
	begun := w.insert(`insert into audit_entry (merchant_id, begun_at, actor_kind, action, request_id, user_agent)
		values ($1, $2, 'API_KEY', 'planCreate', 'R2', '') returning id`, w.key.MerchantID, noon)
	for _, sql := range []string{
		`update audit_entry set outcome = 'FAILED', code = null`,
		`update audit_entry set object = 'gid://portico/Plan/5'`,
		`update audit_entry set actor_id = 9, outcome = 'DONE' where outcome is null`,
		`update audit_entry set begun_at = begun_at - interval '1 year', outcome = 'DONE' where outcome is null`,
		`update audit_entry set merchant_id = merchant_id + 1, outcome = 'DONE' where outcome is null`,
		`update audit_entry set user_agent = 'curl/9' where outcome is null`,
		`delete from audit_entry`,
		`truncate audit_entry`,
	} {
		require.ErrorContains(t, w.exec(sql), "audit_entry is append-only", sql)
	}
	require.NoError(t, w.exec(`update audit_entry set outcome = 'DONE' where id = $1`, begun))
}

func TestOldEntriesGoInSlicesAndNoOthers(t *testing.T) {
	t.Parallel()
	w := open(t)
	old := noon.Add(-w.Retention)
	_, err := w.DB.System().Exec(t.Context(), `
		insert into audit_entry (merchant_id, begun_at, actor_kind, action, outcome, request_id, user_agent)
		select $1, $2, 'API_KEY', 'old', 'DONE', '', '' from generate_series(1, 12000)`, w.key.MerchantID, old.Add(-time.Microsecond))
	require.NoError(t, err)
	nobodys := `insert into audit_entry (begun_at, actor_kind, action, request_id, user_agent) values ($1, 'ANONYMOUS', 'x', '', '') returning id`
	w.insert(nobodys, old.Add(-time.Hour))
	kept := w.insert(nobodys, old)
	w.insert(`insert into token_flag values ($1, $2, $3, 'LAUNCH', $3, 61) returning count`, w.key.MerchantID, w.customer, old.Add(-48*time.Hour))
	for _, age := range []time.Duration{24 * time.Hour, 36 * 24 * time.Hour} {
		w.insert(`insert into token_count values ($1, $2, 'LAUNCH', $3, 1) returning count`, w.key.MerchantID, w.customer, noon.Add(-age))
	}
	require.NoError(t, w.Retire(t.Context()))
	require.Equal(t, kept, w.insert(`select min(id) from audit_entry`))
	require.Equal(t, 1, w.count())
	require.Zero(t, w.insert(`select count(*) from token_flag`))
	require.EqualValues(t, 1, w.insert(`select count(*) from token_count`))
	require.ErrorContains(t, w.exec(`delete from audit_entry`), "append-only", "nobody else may")
}

func TestASummaryNamesProgramsAndNothingElse(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]string{
		"": "",
		"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36": "Mozilla/5.0 AppleWebKit/537.36 Chrome/130.0.0.0 Safari/537.36",
		"curl/8.5.0":                          "curl/8.5.0",
		"node":                                "",
		"Bot/1.0 (bot@example.com)":           "Bot/1.0",
		"bot@example.com/1.0":                 "",
		"ptc_sk_live_abc/1 eyJhbGci.eyJ.x/1a": "",
		"a/1 b/2 c/3":                         "a/1 b/2 c/3",
		"x/1\x00 y/2":                         "y/2",
		"Go-http-client/1.1\xff é/1":          "",
	} {
		require.Equal(t, want, audit.Summary(header), header)
	}
	long := ""
	for range 300 {
		long += "abcdefghij/1.0 "
	}
	require.LessOrEqual(t, len(audit.Summary(long)), 120)
	require.Greater(t, len(audit.Summary(long)), 100)
}
