package account_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"portico/internal/account"
	"portico/internal/fault"
	"portico/internal/mail"
	"portico/internal/page"
	"portico/internal/secret"
)

// recruit invites a new member, who accepts, and gives that member as a caller acting for the merchant.
func (w *world) recruit(t *testing.T, owner account.Caller, name string, role account.Role) account.Caller {
	t.Helper()
	email := name + "@example.com"
	_, err := w.Invite(t.Context(), owner, email, role)
	require.NoError(t, err)
	accepted, err := w.InvitationAccept(t.Context(), account.Caller{Kind: account.KindAnonymous}, home, w.mailed(t, email, mail.KindInvitation), to(passphrase))
	require.NoError(t, err)
	return w.caller(t, accepted.Session.Token, accepted.Merchant.Shop)
}

func (w *world) roles(t *testing.T, caller account.Caller) map[string]account.Role {
	t.Helper()
	members, err := w.Members(t.Context(), caller, firstPage)
	require.NoError(t, err)
	roles := map[string]account.Role{}
	for _, m := range members {
		roles[m.Member.Email] = m.Role
	}
	return roles
}

func TestOwnersDecideWhoMayDoWhat(t *testing.T) {
	t.Parallel()
	w := open(t)
	owner := w.signUp(t, "acme")
	stranger := w.signUp(t, "bobs")
	admin := w.recruit(t, owner, "ada", account.RoleAdmin)
	require.Equal(t, account.RoleAdmin, admin.Role)
	require.True(t, admin.EmailVerified, "the mail was the proof")
	inside := w.sandbox(t, owner)
	require.Equal(t, map[string]account.Role{"acme@example.com": account.RoleOwner, "ada@example.com": account.RoleAdmin}, w.roles(t, inside))

	changed, err := w.MemberUpdateRole(t.Context(), owner, admin.MemberID, account.RoleViewer)
	require.NoError(t, err)
	require.Equal(t, account.RoleViewer, changed.Role)
	require.Equal(t, "ada@example.com", changed.Member.Email)

	_, err = w.MemberUpdateRole(t.Context(), admin, owner.MemberID, account.RoleViewer)
	requireFault(t, err, fault.CodeForbidden, "")
	requireFault(t, w.MemberRemove(t.Context(), admin, owner.MemberID), fault.CodeForbidden, "")
	_, err = w.Invite(t.Context(), admin, "friend@example.com", account.RoleOwner)
	requireFault(t, err, fault.CodeForbidden, "")
	_, err = w.MemberUpdateRole(t.Context(), owner, stranger.MemberID, account.RoleViewer)
	requireFault(t, err, fault.CodeNotFound, "member")
	requireFault(t, w.MemberRemove(t.Context(), stranger, admin.MemberID), fault.CodeNotFound, "member")
	_, err = w.MemberUpdateRole(t.Context(), inside, admin.MemberID, account.RoleOwner)
	requireFault(t, err, fault.CodeConflict, "")
	_, err = w.Invite(t.Context(), inside, "friend@example.com", account.RoleViewer)
	requireFault(t, err, fault.CodeConflict, "")

	requireFault(t, w.MemberRemove(t.Context(), owner, owner.MemberID), fault.CodeConflict, "member")
	requireFault(t, w.Leave(t.Context(), owner, "acme"), fault.CodeConflict, "")
	requireFault(t, w.Leave(t.Context(), admin, "bobs"), fault.CodeInvalid, "shop")
	require.NoError(t, w.MemberRemove(t.Context(), owner, admin.MemberID))
	require.Equal(t, map[string]account.Role{"acme@example.com": account.RoleOwner}, w.roles(t, owner))
	merchants, err := w.Merchants(t.Context(), admin)
	require.NoError(t, err)
	require.Empty(t, merchants, "not even the sandbox")
}

func TestMembersAreListedPageByPage(t *testing.T) {
	t.Parallel()
	w := open(t)
	owner := w.signUp(t, "acme")
	second := w.recruit(t, owner, "ada", account.RoleViewer)
	members, err := w.Members(t.Context(), owner, page.Request{Size: 1})
	require.NoError(t, err)
	require.Len(t, members, 2, "one more tells that there is another page")
	members, err = w.Members(t.Context(), second, page.Request{Size: 1, After: members[0].Member.ID})
	require.NoError(t, err)
	require.Len(t, members, 1)
	require.Equal(t, "ada@example.com", members[0].Member.Email)
}

func TestOwnersWhoPartAtTheSameTimeLeaveOneBehind(t *testing.T) {
	t.Parallel()
	for name, part := range map[string]func(*world, *testing.T, account.Caller) error{
		"by leaving": func(w *world, t *testing.T, c account.Caller) error { return w.Leave(t.Context(), c, "acme") },
		"by removing": func(w *world, t *testing.T, c account.Caller) error {
			return w.MemberRemove(t.Context(), c, c.MemberID)
		},
		"by stepping down": func(w *world, t *testing.T, c account.Caller) error {
			_, err := w.MemberUpdateRole(t.Context(), c, c.MemberID, account.RoleViewer)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := open(t)
			owners := []account.Caller{w.signUp(t, "acme")}
			for i := range 3 {
				owners = append(owners, w.recruit(t, owners[0], fmt.Sprintf("owner%d", i), account.RoleOwner))
			}
			next := make(chan account.Caller, len(owners))
			for _, owner := range owners {
				next <- owner
			}
			require.Equal(t, len(owners)-1, successes(len(owners), func() error { return part(w, t, <-next) }))
			require.Equal(t, 1, scan[int](t, w.DB, `select count(*) from membership where role = 'OWNER'`))
		})
	}
}

func TestTwoOwnersWhoRemoveEachOtherDoNotBothSucceed(t *testing.T) {
	t.Parallel()
	w := open(t)
	owner := w.signUp(t, "acme")
	other := w.recruit(t, owner, "ada", account.RoleOwner)
	pairs := make(chan [2]account.Caller, 2)
	pairs <- [2]account.Caller{owner, other}
	pairs <- [2]account.Caller{other, owner}
	require.Equal(t, 1, successes(2, func() error {
		pair := <-pairs
		return w.MemberRemove(t.Context(), pair[0], pair[1].MemberID)
	}))
	require.Equal(t, 1, w.rows(t, "membership"))
}

func TestAnInvitationIsForItsAddressAndWorksOnce(t *testing.T) {
	t.Parallel()
	w := open(t)
	owner := w.signUp(t, "acme")
	invitation, err := w.Invite(t.Context(), owner, " Ada@Example.com ", account.RoleAdmin)
	require.NoError(t, err)
	require.Equal(t, account.Invitation{
		ID: invitation.ID, Email: "Ada@Example.com", Role: account.RoleAdmin, CreatedAt: w.now, ExpiresAt: w.now.AddDate(0, 0, 7),
	}, invitation)
	token := w.mailed(t, "ada@example.com", mail.KindInvitation)
	require.Equal(t, w.Keys.Hash(token), scan[[]byte](t, w.DB, `select token_hash from invitation`))

	nobody := account.Caller{Kind: account.KindAnonymous}
	accept := func(caller account.Caller, token secret.Text, password *string) error {
		_, err := w.InvitationAccept(t.Context(), caller, home, token, password)
		return err
	}
	requireFault(t, accept(owner, token, nil), fault.CodeConflict, "")
	requireFault(t, accept(nobody, token, nil), fault.CodeRequired, "password")
	requireFault(t, accept(nobody, token, to("short")), fault.CodeInvalid, "password")
	requireFault(t, accept(nobody, token+"0", to(passphrase)), fault.CodeNotFound, "token")
	require.Equal(t, 1, successes(4, func() error { return accept(nobody, token, to(passphrase)) }))
	require.Equal(t, 2, w.rows(t, "member"), "the others left nobody behind")
	requireFault(t, accept(nobody, token, to(passphrase)), fault.CodeNotFound, "token")
	require.Equal(t, account.RoleAdmin, w.roles(t, owner)["Ada@Example.com"])

	_, err = w.Invite(t.Context(), owner, "ADA@example.com", account.RoleAdmin)
	requireFault(t, err, fault.CodeTaken, "email")
	_, err = w.InvitationRevoke(t.Context(), owner, invitation.ID)
	requireFault(t, err, fault.CodeNotFound, "id")
}

func TestAMemberAcceptsSignedInOrWithThePassword(t *testing.T) {
	t.Parallel()
	w := open(t)
	acme, bobs, ada := w.signUp(t, "acme"), w.signUp(t, "bobs"), w.signUp(t, "ada")
	for i, owner := range []account.Caller{acme, bobs} {
		_, err := w.Invite(t.Context(), owner, "ada@example.com", account.RoleViewer)
		require.NoError(t, err)
		token := w.mailed(t, "ada@example.com", mail.KindInvitation)
		if i == 0 {
			accepted, err := w.InvitationAccept(t.Context(), ada, home, token, nil)
			require.NoError(t, err)
			require.Nil(t, accepted.Session)
			require.Equal(t, "acme", accepted.Merchant.Shop)
			continue
		}
		nobody := account.Caller{Kind: account.KindAnonymous}
		_, err = w.InvitationAccept(t.Context(), nobody, home, token, to(another))
		requireFault(t, err, fault.CodeUnauthenticated, "")
		accepted, err := w.InvitationAccept(t.Context(), nobody, home, token, to(passphrase))
		require.NoError(t, err)
		require.Equal(t, ada.MemberID, w.caller(t, accepted.Session.Token, "bobs").MemberID)
	}
	require.Equal(t, 3, w.rows(t, "member"))
	merchants, err := w.Merchants(t.Context(), ada)
	require.NoError(t, err)
	require.Len(t, merchants, 3)
}

func TestAnInvitationThatIsOverIsRefused(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*world, *testing.T, account.Caller, account.Invitation){
		"expired": func(w *world, _ *testing.T, _ account.Caller, _ account.Invitation) { w.now = w.now.AddDate(0, 0, 7) },
		"revoked": func(w *world, t *testing.T, owner account.Caller, i account.Invitation) {
			for range 2 {
				revoked, err := w.InvitationRevoke(t.Context(), owner, i.ID)
				require.NoError(t, err)
				require.Equal(t, w.now, *revoked.RevokedAt)
			}
		},
		"replaced by another": func(w *world, t *testing.T, owner account.Caller, i account.Invitation) {
			_, err := w.Invite(t.Context(), owner, i.Email, account.RoleViewer)
			require.NoError(t, err)
		},
		"of somebody who may not invite any more": func(w *world, t *testing.T, owner account.Caller, _ account.Invitation) {
			other := w.recruit(t, owner, "other", account.RoleOwner)
			_, err := w.MemberUpdateRole(t.Context(), other, owner.MemberID, account.RoleAdmin)
			require.NoError(t, err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := open(t)
			owner := w.signUp(t, "acme")
			invitation, err := w.Invite(t.Context(), owner, "ada@example.com", account.RoleViewer)
			require.NoError(t, err)
			token := w.mailed(t, "ada@example.com", mail.KindInvitation)
			end(w, t, owner, invitation)
			_, err = w.InvitationAccept(t.Context(), account.Caller{Kind: account.KindAnonymous}, home, token, to(passphrase))
			requireFault(t, err, fault.CodeNotFound, "token")
			require.NotContains(t, w.roles(t, owner), "ada@example.com")
		})
	}
}

func TestInvitationsAreTheirMerchantsAndFew(t *testing.T) {
	t.Parallel()
	w := open(t)
	owner, stranger := w.signUp(t, "acme"), w.signUp(t, "bobs")
	invitation, err := w.Invite(t.Context(), owner, "ada@example.com", account.RoleViewer)
	require.NoError(t, err)
	_, err = w.Invitation(t.Context(), stranger, invitation.ID)
	requireFault(t, err, fault.CodeNotFound, "id")
	_, err = w.InvitationRevoke(t.Context(), stranger, invitation.ID)
	requireFault(t, err, fault.CodeNotFound, "id")
	found, err := w.Invitations(t.Context(), stranger, firstPage)
	require.NoError(t, err)
	require.Empty(t, found)
	found, err = w.Invitations(t.Context(), w.sandbox(t, owner), firstPage)
	require.NoError(t, err)
	require.Equal(t, []account.Invitation{invitation}, found)

	for i := range 29 {
		_, err := w.Invite(t.Context(), owner, fmt.Sprintf("friend%d@example.com", i), account.RoleViewer)
		require.NoError(t, err)
	}
	_, err = w.Invite(t.Context(), owner, "last@example.com", account.RoleViewer)
	requireFault(t, err, fault.CodeThrottled, "")
}
