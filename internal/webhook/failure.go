package webhook

import (
	"errors"
	"fmt"
	"net/http"

	"portico/internal/fault"
)

// ErrorClass says at which step a request failed. The values are those of WebhookErrorClass in the GraphQL schema.
type ErrorClass string

// The classes, in the order of the steps.
const (
	ErrorBody           ErrorClass = "BODY"            // the event has no body in the endpoint's format
	ErrorRefusedAddress ErrorClass = "REFUSED_ADDRESS" // the guard does not call this URL, or where its name leads
	ErrorDNS            ErrorClass = "DNS"             // the name leads nowhere
	ErrorConnect        ErrorClass = "CONNECT"         // nobody listens, or there is no way there
	ErrorTLS            ErrorClass = "TLS"             // the certificate, or no TLS at all
	ErrorTimeout        ErrorClass = "TIMEOUT"         // no answer in time
	ErrorProtocol       ErrorClass = "PROTOCOL"        // the connection ended before the answer, or the answer is no HTTP
	ErrorRedirect       ErrorClass = "REDIRECT"        // a 3xx
	ErrorStatus         ErrorClass = "STATUS"          // any other status than 2xx
	ErrorGivenUp        ErrorClass = "GIVEN_UP"        // by us
)

// failureOf is why there was no answer: for programs, and in a sentence for the merchant.
func failureOf(err error) (ErrorClass, string) {
	var (
		refused *fault.Error
		failed  *SendError
	)
	switch {
	case errors.Is(err, ErrUnwritable):
		return ErrorBody, "this event cannot be written in the endpoint's format"
	case errors.As(err, &refused):
		return ErrorRefusedAddress, refused.Message
	case errors.As(err, &failed):
		return failed.Class, failed.Sentence
	default:
		return ErrorGivenUp, "the request could not be made"
	}
}

// statusFailure is why an answer does not count; nothing for a 2xx.
func statusFailure(code int) (ErrorClass, string) {
	switch {
	case code >= 200 && code < 300:
		return "", ""
	case code >= 300 && code < 400:
		return ErrorRedirect, fmt.Sprintf("the endpoint answered %d: redirects are not followed", code)
	case code == http.StatusGone:
		return ErrorStatus, "the endpoint answered 410: it wants no more"
	default:
		return ErrorStatus, fmt.Sprintf("the endpoint answered %d", code)
	}
}
