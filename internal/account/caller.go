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
	// KindShell is whoever runs a command on this installation. No credential stands for it.
	KindShell Kind = "SHELL"
	// KindSystem is no caller: Portico itself, where it says who did something.
	KindSystem Kind = "SYSTEM"
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
	// EmailVerified tells whether the member has proven to own the address.
	EmailVerified bool
	Role          Role
	APIKeyID      int64
	Scopes        []string
	OperatorID    int64
	ShellUser     string // with KindShell: the operating system's user
	TOTP          bool   // the session was opened with a second factor
	Suspended     string // why the merchant is suspended, so that nothing of it may be changed; empty when it is not
	// CustomerID is the customer that a portal token stands for.
	CustomerID    int64
	PortalTokenID int64
	PersonID      int64
	// PersonSessionID is what a person came with.
	PersonSessionID int64
	// Customers are all that a person acts for.
	Customers []CustomerKey
	ClientID  int64
	ProductID int64 // the only product that a client reaches
}

// CustomerKey names a customer among all merchants.
type CustomerKey struct{ MerchantID, CustomerID int64 }

// InPortal tells whether the caller uses the portal: it acts for customers and never for a merchant. Whatever opens to such a caller
// shows it only what those customers see, and lets it do only what they may.
func (c Caller) InPortal() bool { return c.Kind == KindCustomer || c.Kind == KindPerson }

// ActsFor are the customers that a caller of the portal acts for: one for a portal token, those with the address for a person.
func (c Caller) ActsFor() []CustomerKey {
	switch c.Kind {
	case KindCustomer:
		return []CustomerKey{{c.MerchantID, c.CustomerID}}
	case KindPerson:
		return c.Customers
	default:
		return nil
	}
}

// Columns are the customers of ActsFor in the form that queries take, with the merchants that these must be able to see.
func (c Caller) Columns() (merchantIDs, customerIDs []int64) {
	merchantIDs, customerIDs = []int64{}, []int64{}
	for _, key := range c.ActsFor() {
		merchantIDs, customerIDs = append(merchantIDs, key.MerchantID), append(customerIDs, key.CustomerID)
	}
	return merchantIDs, customerIDs
}

// RequireTOTP is FORBIDDEN for sessions that were opened without a second factor: for what a stolen password must not be enough.
func (c Caller) RequireTOTP() error {
	if c.TOTP {
		return nil
	}
	return fault.New(fault.CodeForbidden, "", "this needs a session with a second factor: turn it on, or sign in with a code")
}

// Reaches tells whether the caller may know of a product of its merchant: a client belongs to one, and the others are not there.
func (c Caller) Reaches(productID int64) bool {
	return c.Kind != KindClient || c.ProductID == productID
}

// requireVerified refuses members who have not proven to own their address: EMAIL_UNVERIFIED. Other callers were admitted by one
// who has.
func (c Caller) requireVerified() error {
	if c.Kind == KindMember && !c.EmailVerified {
		return fault.New(fault.CodeEmailUnverified, "", "confirm your e-mail address first: we have sent you a link")
	}
	return nil
}

// requireVerifiedFor is requireVerified for what acts for a merchant that is no sandbox.
func (c Caller) requireVerifiedFor(merchant Merchant) error {
	if merchant.Sandbox() {
		return nil
	}
	return c.requireVerified()
}

// HasScope tells whether an API key carries the scope.
func (c Caller) HasScope(scope string) bool { return slices.Contains(c.Scopes, scope) }

// ID is the id of whom the credential stands for, among those of the same Kind; 0 for nobody.
func (c Caller) ID() int64 {
	switch c.Kind {
	case KindMember:
		return c.MemberID
	case KindAPIKey:
		return c.APIKeyID
	case KindClient:
		return c.ClientID
	case KindCustomer:
		return c.CustomerID
	case KindPerson:
		return c.PersonID
	case KindOperator:
		return c.OperatorID
	default:
		return 0
	}
}
