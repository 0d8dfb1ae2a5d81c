package account_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"portico/internal/account"
	"portico/internal/fault"
)

func TestSignUpOpensAMerchantWithItsOwnerSignedIn(t *testing.T) {
	t.Parallel()
	w := open(t)
	signedUp, err := w.SignUp(t.Context(), home, account.SignUp{Name: " Café Müller ", Email: " Ada@Example.com", Password: passphrase})
	require.NoError(t, err)

	merchant := signedUp.Merchant
	require.Equal(t, account.Merchant{
		ID: merchant.ID, Name: "Café Müller", Shop: "cafe-muller", Email: "Ada@Example.com", Status: account.MerchantOpen, PortalFeeBPS: 250,
		GraceDays: 7, DunningDays: []int32{0, 3, 5, 7}, CreatedAt: merchant.CreatedAt,
	}, merchant)
	require.True(t, leapDay.Equal(merchant.CreatedAt))
	require.False(t, merchant.Sandbox())
	require.Equal(t, "Ada@Example.com", signedUp.Member.Email)
	require.Equal(t, signedUp.Member, signedUp.Session.Member)

	caller := w.caller(t, signedUp.Session.Token, "")
	require.Equal(t, account.Caller{
		Kind: account.KindMember, MerchantID: merchant.ID, MemberID: signedUp.Member.ID, SessionID: caller.SessionID, Role: account.RoleOwner,
	}, caller)
	found, err := w.Merchant(t.Context(), caller)
	require.NoError(t, err)
	require.Equal(t, merchant, found)
	member, err := w.Member(t.Context(), caller)
	require.NoError(t, err)
	require.Equal(t, signedUp.Member, member)
}

func TestSignUpStoresNoSecretInClear(t *testing.T) {
	t.Parallel()
	w := open(t)
	signedUp, err := w.SignUp(t.Context(), home, account.SignUp{Name: "Acme", Email: "ada@example.com", Password: passphrase})
	require.NoError(t, err)

	require.Regexp(t, `^\$argon2id\$`, scan[string](t, w.DB, `select password_hash from member`))
	require.Equal(t, w.Keys.Hash(signedUp.Session.Token), scan[[]byte](t, w.DB, `select token_hash from session`))
}

func TestSignUpReportsAllFaultsOfItsInputTogether(t *testing.T) {
	t.Parallel()
	w := open(t)
	_, err := w.SignUp(t.Context(), home, account.SignUp{Name: " ", Shop: to("API"), Email: "ada", Password: "short"})
	var found []string
	for _, one := range fault.List(err) {
		found = append(found, strings.Join(one.Field, ".")+" "+string(one.Code))
	}
	require.ElementsMatch(t, []string{"name REQUIRED", "shop INVALID", "email INVALID", "password INVALID"}, found)
	require.Zero(t, w.rows(t, "merchant"))
	require.Zero(t, w.rows(t, "member"))
}

func TestAHandleThatWasAskedForIsTakenOrGiven(t *testing.T) {
	t.Parallel()
	w := open(t)
	w.signUp(t, "acme")
	_, err := w.SignUp(t.Context(), home, account.SignUp{Name: "Acme", Shop: to("acme"), Email: "bob@example.com", Password: passphrase})
	requireFault(t, err, fault.CodeTaken, "shop")
	require.Equal(t, 1, w.rows(t, "merchant"))
	require.Equal(t, 1, w.rows(t, "member"), "nothing is left behind")
}

func TestAHandleMadeFromTheNameGetsASuffixWhenItIsInUseOrReserved(t *testing.T) {
	t.Parallel()
	w := open(t)
	w.signUp(t, "acme")
	for name, want := range map[string]string{
		"Acme":  `^acme-[a-z2-7]{5}$`,
		"Admin": `^admin-[a-z2-7]{5}$`,
		"咖啡":    `^shop-[a-z2-7]{5}$`,
	} {
		signedUp, err := w.SignUp(t.Context(), home, account.SignUp{
			Name: name, Email: fmt.Sprintf("%x@example.com", name), Password: passphrase,
		})
		require.NoError(t, err)
		require.Regexp(t, want, signedUp.Merchant.Shop)
	}
}

func TestASandboxHasTheSettingsAndMembersOfItsMerchant(t *testing.T) {
	t.Parallel()
	w := open(t)
	owner := w.signUp(t, "acme")
	w.exec(t, `update merchant set portal_fee_bps = 125, grace_days = 3, dunning_days = '{0,2}' where id = $1`, owner.MerchantID)
	w.exec(t, `insert into member (email, password_hash, created_at) values ('bob@example.com', 'x', $1)`, leapDay)
	w.exec(t, `insert into membership (merchant_id, member_id, role, created_at)
		select $1, id, 'VIEWER', $2 from member where email = 'bob@example.com'`, owner.MerchantID, leapDay)

	sandbox, err := w.SandboxCreate(t.Context(), owner, " Acme playground ")
	require.NoError(t, err)
	require.Equal(t, account.Merchant{
		ID: sandbox.ID, Name: "Acme playground", Shop: "acme-playground", Email: "acme@example.com", SandboxOf: &owner.MerchantID,
		Status: account.MerchantOpen, PortalFeeBPS: 125, GraceDays: 3, DunningDays: []int32{0, 2}, CreatedAt: sandbox.CreatedAt,
	}, sandbox)
	require.True(t, sandbox.Sandbox())
	owner.MerchantID = sandbox.ID
	members, err := w.Members(t.Context(), owner, firstPage)
	require.NoError(t, err)
	require.Len(t, members, 2)
	require.Equal(t, account.RoleViewer, members[1].Role)

	tokenKey, err := w.TokenKey(t.Context(), account.Caller{MerchantID: sandbox.ID})
	require.NoError(t, err)
	require.Contains(t, string(tokenKey.Key), "_test_")
}

func TestASandboxGetsAHandleOfItsOwn(t *testing.T) {
	t.Parallel()
	w := open(t)
	owner := w.signUp(t, "acme")
	for _, c := range []struct{ name, want string }{
		{"Acme", `^acme-[a-z2-7]{5}$`},
		{"Trial run", `^trial-run$`},
		{"Trial run", `^trial-run-[a-z2-7]{5}$`},
		{"☕", `^acme-sandbox$`},
		{"☕", `^acme-sandbox-[a-z2-7]{5}$`},
	} {
		sandbox, err := w.SandboxCreate(t.Context(), owner, c.name)
		require.NoError(t, err)
		require.Regexp(t, c.want, sandbox.Shop)
	}
}

func TestASandboxIsRefused(t *testing.T) {
	t.Parallel()
	w := open(t)
	owner := w.signUp(t, "acme")
	inside := w.sandbox(t, owner)

	_, err := w.SandboxCreate(t.Context(), inside, "Deeper")
	requireFault(t, err, fault.CodeConflict, "")
	_, err = w.SandboxCreate(t.Context(), owner, " ")
	requireFault(t, err, fault.CodeRequired, "name")
	_, err = w.SandboxCreate(t.Context(), account.Caller{Kind: account.KindMember, MemberID: owner.MemberID}, "Nowhere")
	requireFault(t, err, fault.CodeNotFound, "")
	require.Equal(t, 2, w.rows(t, "merchant"))
}

func TestMerchantsAreSeenByTheirMembersOnly(t *testing.T) {
	t.Parallel()
	w := open(t)
	ada, bob := w.signUp(t, "acme"), w.signUp(t, "bobs")
	sandbox := w.sandbox(t, ada)
	_, key := w.apiKey(t, sandbox, nil)
	server := w.caller(t, key, "")

	merchants, err := w.Merchants(t.Context(), sandbox)
	require.NoError(t, err)
	require.Len(t, merchants, 2)
	require.Equal(t, []int64{ada.MerchantID, sandbox.MerchantID}, []int64{merchants[0].ID, merchants[1].ID}, "real ones before sandboxes")
	none, err := w.Merchants(t.Context(), server)
	require.NoError(t, err)
	require.Empty(t, none)

	all := []int64{ada.MerchantID, bob.MerchantID, sandbox.MerchantID, 999}
	for _, c := range []struct {
		name   string
		caller account.Caller
		want   []int64
	}{
		{"a member", ada, []int64{ada.MerchantID, sandbox.MerchantID}},
		{"another member", bob, []int64{bob.MerchantID}},
		{"an API key", server, []int64{sandbox.MerchantID}},
		{"nobody", account.Caller{Kind: account.KindAnonymous}, nil},
	} {
		found, err := w.MerchantsByID(t.Context(), c.caller, all)
		require.NoError(t, err)
		var ids []int64
		for _, id := range all {
			if merchant, ok := found[id]; ok {
				require.Equal(t, id, merchant.ID)
				ids = append(ids, id)
			}
		}
		require.Equal(t, c.want, ids, c.name)
	}
}

func TestMembersAreSeenByThemselvesAndTheirMerchants(t *testing.T) {
	t.Parallel()
	w := open(t)
	ada, bob := w.signUp(t, "acme"), w.signUp(t, "bobs")
	_, key := w.apiKey(t, ada, nil)
	server := w.caller(t, key, "")

	for _, caller := range []account.Caller{ada, server, {Kind: account.KindMember, MemberID: ada.MemberID}} {
		member, err := w.MemberByID(t.Context(), caller, ada.MemberID)
		require.NoError(t, err)
		require.Equal(t, "acme@example.com", member.Email)
	}
	for _, caller := range []account.Caller{bob, {Kind: account.KindAnonymous}} {
		_, err := w.MemberByID(t.Context(), caller, ada.MemberID)
		requireFault(t, err, fault.CodeNotFound, "id")
	}
	_, err := w.Member(t.Context(), server)
	requireFault(t, err, fault.CodeNotFound, "id")
}
