// Package fault owns the errors that are the caller's to mend: a code, the input field, and a sentence.
package fault

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Code says what kind of failure it is. The values are those of UserErrorCode in the GraphQL schema.
type Code string

// The codes a caller can act on.
const (
	CodeInvalid              Code = "INVALID"
	CodeRequired             Code = "REQUIRED"
	CodeNotFound             Code = "NOT_FOUND"
	CodeTaken                Code = "TAKEN"
	CodeActivePurchaseExists Code = "ACTIVE_PURCHASE_EXISTS"
	CodeNoActiveSubscription Code = "NO_ACTIVE_SUBSCRIPTION"
	CodeNotAllowedBySettings Code = "NOT_ALLOWED_BY_SETTINGS"
	CodeFeatureNotInPlan     Code = "FEATURE_NOT_IN_PLAN"
	CodePlanLimitReached     Code = "PLAN_LIMIT_REACHED"
	CodePaymentFailed        Code = "PAYMENT_FAILED"
	CodeConflict             Code = "CONFLICT"
	CodeUnauthenticated      Code = "UNAUTHENTICATED"
	CodeForbidden            Code = "FORBIDDEN"
	CodeTOTPRequired         Code = "TOTP_REQUIRED"
	CodeEmailUnverified      Code = "EMAIL_UNVERIFIED"
	CodeThrottled            Code = "THROTTLED"
)

// Error is one thing for the caller to mend.
type Error struct {
	Code    Code
	Field   []string // path in the operation's input; empty when no single field is to blame
	Message string
	URL     string // where the caller's customer can mend it, if there is such a place
	// RetryAfter is how long to wait before trying again, in whole seconds; with CodeThrottled only.
	RetryAfter time.Duration
}

func (e *Error) Error() string {
	if len(e.Field) == 0 {
		return e.Message
	}
	return strings.Join(e.Field, ".") + ": " + e.Message
}

// Errors are several things to mend, reported together so that nobody has to find them one by one.
type Errors []*Error

func (e Errors) Error() string {
	sentences := make([]string, len(e))
	for i, one := range e {
		sentences[i] = one.Error()
	}
	return strings.Join(sentences, "; ")
}

// New makes an error about a field, given as a dotted path; "" blames none.
func New(code Code, field, format string, args ...any) *Error {
	e := &Error{Code: code, Message: fmt.Sprintf(format, args...)}
	if field != "" {
		e.Field = strings.Split(field, ".")
	}
	return e
}

// Invalid says that a field's value cannot be accepted.
func Invalid(field, format string, args ...any) *Error {
	return New(CodeInvalid, field, format, args...)
}

// Required says that a field's value is missing.
func Required(field string) *Error { return New(CodeRequired, field, "is required") }

// NotFound says that there is no such thing, or none that this caller may know of.
func NotFound(field, noun string) *Error {
	return New(CodeNotFound, field, "there is no such %s", noun)
}

// Taken says that a value that must be unique is in use.
func Taken(field, format string, args ...any) *Error { return New(CodeTaken, field, format, args...) }

// Throttled says that the caller has to wait, rounded up to seconds.
func Throttled(wait time.Duration) *Error {
	wait = (wait + time.Second - 1).Truncate(time.Second)
	e := New(CodeThrottled, "", "there were too many attempts: try again in %d seconds", int(wait.Seconds()))
	e.RetryAfter = wait
	return e
}

// List is what the caller has to mend in err, or nil when err is not the caller's to mend.
func List(err error) Errors {
	var many Errors
	if errors.As(err, &many) {
		return many
	}
	var one *Error
	if errors.As(err, &one) {
		return Errors{one}
	}
	return nil
}

// Is tells whether err is the caller's to mend and carries the code.
func Is(err error, code Code) bool {
	for _, e := range List(err) {
		if e.Code == code {
			return true
		}
	}
	return false
}

// Check collects the faults of an input. The zero value is ready to use.
type Check struct{ found Errors }

// Add records a fault; nil is ignored.
func (c *Check) Add(e *Error) {
	if e != nil {
		c.found = append(c.found, e)
	}
}

// Err is everything found, or nil.
func (c *Check) Err() error {
	if len(c.found) == 0 {
		return nil
	}
	return c.found
}
