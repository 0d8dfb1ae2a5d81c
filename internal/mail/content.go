package mail

import (
	"fmt"
	"time"

	"portico/internal/secret"
)

// Content is what a mail says: one of the types below. Links are absolute http or https addresses; those that hold a token are
// secrets, and none of them prints.
type Content interface {
	letter() letter
}

// VerifyEmail asks a new member to prove that the address is theirs.
type VerifyEmail struct {
	Link      secret.Text
	ExpiresAt time.Time
}

func (c VerifyEmail) letter() letter {
	return letter{
		kind: KindVerifyEmail, subject: "Confirm your e-mail address", link: c.Link, button: "Confirm my address",
		before: []string{"Please confirm that this is your e-mail address, so that we know whom we are talking to."},
		after:  []string{until(c.ExpiresAt), "If you have not signed up, ignore this mail: without the confirmation nothing happens."},
	}
}

// PasswordReset lets a member choose a new password.
type PasswordReset struct {
	Link      secret.Text
	ExpiresAt time.Time
}

func (c PasswordReset) letter() letter {
	return letter{
		kind: KindPasswordReset, subject: "Choose a new password", link: c.Link, button: "Choose a new password",
		before: []string{"Somebody, probably you, asked for a new password for the account with this e-mail address."},
		after:  []string{until(c.ExpiresAt), "If it was not you, ignore this mail: your password stays as it is."},
	}
}

// PasswordChanged tells a member that their password is another one now.
type PasswordChanged struct {
	At   time.Time
	Link secret.Text // where a password is reset
}

func (c PasswordChanged) letter() letter {
	return letter{
		kind: KindPasswordChanged, subject: "Your password was changed", link: c.Link, button: "It was not me",
		before: []string{
			"The password of the account with this e-mail address was changed on " + instant(c.At) + ".",
			"If it was you, there is nothing to do. If it was not, choose a new password at once.",
		},
	}
}

// SecondFactorChanged tells a member that signing in takes a second factor from now on, or does not any more.
type SecondFactorChanged struct {
	At   time.Time
	On   bool
	Link secret.Text // where a password is reset
}

func (c SecondFactorChanged) letter() letter {
	how := "off"
	if c.On {
		how = "on"
	}
	return letter{
		kind: KindSecondFactorChanged, subject: "Two-factor sign-in was turned " + how, link: c.Link, button: "It was not me",
		before: []string{
			"Two-factor sign-in was turned " + how + " for the account with this e-mail address on " + instant(c.At) + ". All other sessions have ended.",
			"If it was you, there is nothing to do. If it was not, choose a new password at once.",
		},
	}
}

// OperatorReset tells an operator that somebody with the installation's shell gave them another password or second factor.
type OperatorReset struct {
	At           time.Time
	SecondFactor bool
	Link         secret.Text // the installation
}

func (c OperatorReset) letter() letter {
	what := "password"
	if c.SecondFactor {
		what = "second factor"
	}
	return letter{
		kind: KindOperatorReset, subject: "Your " + what + " as an operator was changed", link: c.Link, button: "Open Portico",
		before: []string{
			"The " + what + " of the operator with this e-mail address was changed from the shell on " + instant(c.At) + ". All sessions have ended.",
			"If you know why, there is nothing to do. If you do not, ask whoever has access to the servers: the operators' audit log says who it was.",
		},
	}
}

// Invitation asks somebody to join a merchant's team.
type Invitation struct {
	Merchant  string // name
	InvitedBy string // name or address of the member who invites; may be empty
	Role      string // what the invited will be, in words, such as "administrator"; may be empty
	Link      secret.Text
	ExpiresAt time.Time
}

func (c Invitation) letter() letter {
	who := "You are invited"
	if c.InvitedBy != "" {
		who = clean(c.InvitedBy) + " invites you"
	}
	as := ""
	if c.Role != "" {
		as = " as " + clean(c.Role)
	}
	return letter{
		kind: KindInvitation, subject: "Invitation to " + clean(c.Merchant), link: c.Link, button: "Accept the invitation",
		before: []string{who + " to join " + clean(c.Merchant) + as + "."},
		after:  []string{until(c.ExpiresAt), "If you do not know what this is about, ignore this mail."},
	}
}

// MagicLink signs a customer in to a merchant's portal.
type MagicLink struct {
	Merchant  string // name
	Link      secret.Text
	ExpiresAt time.Time
}

func (c MagicLink) letter() letter {
	return letter{
		kind: KindMagicLink, subject: "Your link to " + clean(c.Merchant), link: c.Link, button: "Manage my subscriptions",
		before: []string{"Here you can see and change your subscriptions with " + clean(c.Merchant) + ", without a password."},
		after: []string{until(c.ExpiresAt), "Whoever has the link can use it, so do not pass it on. " +
			"If you did not ask for it, ignore this mail."},
	}
}

// MemberExists tells a member that somebody tried to sign up with their address.
type MemberExists struct {
	Link secret.Text // where a password is reset
}

func (c MemberExists) letter() letter {
	return letter{
		kind: KindMemberExists, subject: "You have an account already", link: c.Link, button: "Choose a new password",
		before: []string{
			"Somebody, probably you, tried to sign up with this e-mail address, which has an account already. Nothing was changed.",
			"If it was you, sign in as usual. If you no longer know the password, choose a new one.",
		},
		after: []string{"If it was not you, there is nothing to do."},
	}
}

// EndpointFailing tells a merchant that one of their webhook endpoints has acknowledged nothing for days.
type EndpointFailing struct {
	Merchant   string // name
	Endpoint   string // its URL
	Since      time.Time
	DisabledAt time.Time   // when it is disabled if that goes on
	Link       secret.Text // where endpoints are managed
}

func (c EndpointFailing) letter() letter {
	return letter{
		kind: KindEndpointFailing, subject: "A webhook endpoint of " + clean(c.Merchant) + " is failing", link: c.Link, button: "See the endpoint",
		before: []string{
			"Everything that we have sent to " + clean(c.Endpoint) + " since " + instant(c.Since) + " has failed.",
			"We keep trying. If nothing succeeds until " + instant(c.DisabledAt) + ", the endpoint is disabled.",
		},
		after: []string{"What the endpoint answered is in the list of its deliveries. With the first answer of 2xx all is well again."},
	}
}

// EndpointDisabled tells a merchant that one of their webhook endpoints gets nothing any more.
type EndpointDisabled struct {
	Merchant     string      // name
	Endpoint     string      // its URL
	FailingSince *time.Time  // nil for one that answered 410
	KeptDays     int         // for how long its events are kept, 0 for ever
	Link         secret.Text // where endpoints are managed
}

func (c EndpointDisabled) letter() letter {
	why := "It answered 410, which says that it wants no more."
	if c.FailingSince != nil {
		why = "Everything that we have sent to it since " + instant(*c.FailingSince) + " has failed."
	}
	kept := "the events since then are kept for it, and are sent in their order."
	if c.KeptDays > 0 {
		kept = fmt.Sprintf("the events since then are kept for it, for %d days each, and are sent in their order.", c.KeptDays)
	}
	return letter{
		kind: KindEndpointDisabled, subject: "A webhook endpoint of " + clean(c.Merchant) + " was disabled", link: c.Link, button: "See the endpoint",
		before: []string{"We no longer send events of " + clean(c.Merchant) + " to " + clean(c.Endpoint) + ".", why},
		after:  []string{"Once the endpoint answers again, enable it: " + kept},
	}
}

// SubscriptionCanceled confirms to a customer what it has done.
type SubscriptionCanceled struct {
	Merchant string      // name
	Product  string      // name
	EndsAt   *time.Time  // nil when it has ended already
	Link     secret.Text // the portal
}

func (c SubscriptionCanceled) letter() letter {
	when := "It has ended."
	if c.EndsAt != nil {
		when = "You can use it until " + instant(*c.EndsAt) + ". Until then you can take the cancellation back."
	}
	return letter{
		kind: KindSubscriptionCanceled, subject: "You canceled " + clean(c.Product), link: c.Link, button: "See my subscriptions",
		before: []string{"You canceled your subscription to " + clean(c.Product) + " with " + clean(c.Merchant) + ".", when},
		after:  []string{"If it was not you, open the portal or write to " + clean(c.Merchant) + "."},
	}
}

// PaymentMethodNeeded tells a customer that a subscription which was connected ends without a payment method.
type PaymentMethodNeeded struct {
	Merchant string // name
	Product  string // name
	EndsAt   time.Time
	Link     secret.Text // the portal
}

func (c PaymentMethodNeeded) letter() letter {
	return letter{
		kind: KindPaymentMethodNeeded, subject: "Add a payment method for " + clean(c.Product), link: c.Link, button: "Add a payment method",
		before: []string{
			"Your subscription to " + clean(c.Product) + " with " + clean(c.Merchant) + " is connected and paid for until " + instant(c.EndsAt) + ".",
			"To keep it after that, add a payment method. Without one it ends then.",
		},
	}
}

func until(t time.Time) string {
	return "The link works until " + instant(t) + "."
}

func instant(t time.Time) string { return t.UTC().Format("2 January 2006, 15:04 UTC") }
