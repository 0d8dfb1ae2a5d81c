package account

import (
	"slices"

	"portico/internal/fault"
)

// Kind says what sort of caller a credential stands for.
type Kind string

// The kinds of caller, as in the schema's CallerKind.
const (
	KindAnonymous Kind = "ANONYMOUS"
	KindMember    Kind = "MEMBER"
	KindAPIKey    Kind = "API_KEY"
	KindClient    Kind = "CLIENT"
	KindTokenKey  Kind = "TOKEN_KEY"
	KindCustomer  Kind = "CUSTOMER"
	KindPerson    Kind = "PERSON"
	KindOperator  Kind = "OPERATOR"
)

// Role is what a member may do in a merchant.
type Role string

// The roles, each including the one before it.
const (
	RoleViewer Role = "VIEWER"
	RoleAdmin  Role = "ADMIN"
	RoleOwner  Role = "OWNER"
)

// Includes tells whether the role may do what the other may.
func (r Role) Includes(other Role) bool {
	order := []Role{RoleViewer, RoleAdmin, RoleOwner}
	return slices.Index(order, r) >= slices.Index(order, other) && slices.Contains(order, r)
}

// Caller is who a request acts for. Every operation of the domain that people start takes one, and reads and writes the rows
// of MerchantID only.
type Caller struct {
	Kind       Kind
	MerchantID int64 // 0 for callers without a merchant
	MemberID   int64
	SessionID  int64
	Role       Role
	APIKeyID   int64
	Scopes     []string
	OperatorID int64
	TOTP       bool   // the session was opened with a second factor
	Suspended  string // why the merchant is suspended, so that nothing of it may be changed; empty when it is not
}

// RequireTOTP is FORBIDDEN for sessions that were opened without a second factor: for what a stolen password must not be enough.
func (c Caller) RequireTOTP() error {
	if c.TOTP {
		return nil
	}
	return fault.New(fault.CodeForbidden, "", "this needs a session with a second factor: turn it on, or sign in with a code")
}

// HasScope tells whether an API key carries the scope.
func (c Caller) HasScope(scope string) bool { return slices.Contains(c.Scopes, scope) }
