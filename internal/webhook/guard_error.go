package webhook

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"syscall"

	"portico/internal/fault"
)

// SendError says why a request of Guard's Client had no answer, in a sentence for the merchant. What the network said stays
// underneath for errors.Is and errors.As and is not to be shown: it names resolvers and addresses of ours.
type SendError struct {
	Class    ErrorClass
	Sentence string
	cause    error
}

func (e *SendError) Error() string { return e.Sentence }

// Unwrap gives the network's own error.
func (e *SendError) Unwrap() error { return e.cause }

// Timeout makes net/http's and net's errors around this one tell a timeout.
func (e *SendError) Timeout() bool { return isTimeout(e.cause) }

func explain(err error) error {
	var refusal *fault.Error
	if errors.As(err, &refusal) {
		return refusal
	}
	class, sentence := explanation(err)
	return &SendError{class, sentence, err}
}

func explanation(err error) (ErrorClass, string) {
	var (
		name        *net.DNSError
		certificate *tls.CertificateVerificationError
		record      tls.RecordHeaderError
		alert       tls.AlertError
		operation   *net.OpError
	)
	switch {
	case errors.As(err, &name) && name.IsNotFound:
		return ErrorDNS, "the host does not exist"
	case errors.As(err, &name):
		return ErrorDNS, "the host could not be looked up"
	case isTimeout(err):
		return ErrorTimeout, "the endpoint did not answer in time"
	case errors.Is(err, context.Canceled):
		return ErrorGivenUp, "the request was given up"
	case errors.As(err, &certificate):
		return ErrorTLS, "the endpoint's TLS certificate " + certificateFlaw(certificate.Err)
	case errors.As(err, &record):
		return ErrorTLS, "the endpoint does not speak TLS on this port"
	case errors.As(err, &alert), errors.As(err, &operation) && operation.Op == "remote error":
		return ErrorTLS, "the endpoint refused the TLS connection"
	case errors.Is(err, syscall.ECONNREFUSED):
		return ErrorConnect, "the endpoint refused the connection"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return ErrorConnect, "the endpoint cannot be reached"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return ErrorProtocol, "the endpoint closed the connection before it had answered"
	default:
		return ErrorProtocol, "the endpoint's answer is not HTTP that Portico can read"
	}
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
}

func certificateFlaw(err error) string {
	var (
		host      x509.HostnameError
		authority x509.UnknownAuthorityError
		invalid   x509.CertificateInvalidError
	)
	switch {
	case errors.As(err, &host):
		return "is not for this host"
	case errors.As(err, &authority):
		return "is not signed by a known authority"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "has expired or is not valid yet"
	default:
		return "is not valid"
	}
}
