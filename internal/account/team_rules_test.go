package account

import (
	"testing"

	"github.com/stretchr/testify/require"

	"portico/db"
	"portico/internal/fault"
)

func TestAMerchantAlwaysHasAnOwner(t *testing.T) {
	t.Parallel()
	const ada, bob, eve = 1, 2, 3
	one := team{{MemberID: ada, Role: "OWNER"}, {MemberID: bob, Role: "ADMIN"}}
	two := append(team{{MemberID: eve, Role: "OWNER"}}, one...)
	for _, c := range []struct {
		name string
		err  error
		want fault.Code
	}{
		{"an owner governs", one.govern(ada), ""},
		{"an admin does not", one.govern(bob), fault.CodeForbidden},
		{"somebody else does not", one.govern(eve), fault.CodeForbidden},
		{"an admin becomes an owner", one.raise(bob, RoleOwner), ""},
		{"an admin becomes a viewer", one.raise(bob, RoleViewer), ""},
		{"an admin becomes nothing known", one.raise(bob, "KING"), fault.CodeInvalid},
		{"somebody else becomes nothing", one.raise(eve, RoleViewer), fault.CodeNotFound},
		{"the last owner stays one", one.raise(ada, RoleAdmin), fault.CodeConflict},
		{"the last owner may stay one", one.raise(ada, RoleOwner), ""},
		{"one of two owners may step down", two.raise(ada, RoleViewer), ""},
		{"the last owner does not part", one.part(ada, "member"), fault.CodeConflict},
		{"one of two owners may part", two.part(ada, "member"), ""},
		{"an admin may part", one.part(bob, "member"), ""},
		{"somebody else cannot part", one.part(eve, "member"), fault.CodeNotFound},
		{"nobody parts from nothing", team([]db.LockTeamRow(nil)).part(ada, ""), fault.CodeNotFound},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if c.want == "" {
				require.NoError(t, c.err)
				return
			}
			require.True(t, fault.Is(c.err, c.want), "%v", c.err)
		})
	}
}
