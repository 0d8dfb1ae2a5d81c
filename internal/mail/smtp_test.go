package mail_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"portico/internal/mail"
	"portico/internal/mail/mailtest"
	"portico/internal/secret"
)

// certificate is one for example.com, and the pool that trusts it.
func certificate(t *testing.T) (*tls.Config, *x509.CertPool) {
	t.Helper()
	server := httptest.NewTLSServer(nil)
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	return &tls.Config{Certificates: server.TLS.Certificates}, roots
}

func envelope() mail.Envelope {
	return mail.Envelope{ID: "1", Recipient: ada, Date: newYear, Subject: "Hello", Text: "Hello", HTML: "<p>Hello</p>"}
}

func smtpTo(t *testing.T, address secret.Text) *mail.SMTP {
	t.Helper()
	s, err := mail.NewSMTP(address, sender)
	require.NoError(t, err)
	return s
}

func TestMailsGoOverTheNetworkEncryptedOrNotAtAll(t *testing.T) {
	t.Parallel()
	config, trusted := certificate(t)
	for _, c := range []struct {
		name    string
		address secret.Text
		options mailtest.Options
		roots   *x509.CertPool
		fails   string
	}{
		{"STARTTLS", "smtp://portico:pass@example.com", mailtest.Options{User: "portico", Password: "pass", TLS: config}, trusted, ""},
		{"TLS from the start", "smtps://portico:pass@example.com", mailtest.Options{User: "portico", Password: "pass", TLS: config, Implicit: true}, trusted, ""},
		{"no sign-in", "smtp://example.com", mailtest.Options{TLS: config}, trusted, ""},
		{"a server without STARTTLS", "smtp://example.com", mailtest.Options{}, trusted, "STARTTLS"},
		{"a certificate that nobody trusts", "smtp://example.com", mailtest.Options{TLS: config}, x509.NewCertPool(), "certificate"},
		{"a certificate for another name", "smtp://example.org", mailtest.Options{TLS: config}, trusted, "certificate"},
		{"an untrusted certificate from the start", "smtps://example.com", mailtest.Options{TLS: config, Implicit: true}, x509.NewCertPool(), "certificate"},
		{"a wrong password", "smtp://portico:hunter2@example.com", mailtest.Options{User: "portico", Password: "pass", TLS: config}, trusted, "answered 535"},
		{"a missing sign-in", "smtp://example.com", mailtest.Options{User: "portico", Password: "pass", TLS: config}, trusted, "answered 530"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			server := mailtest.Start(t, c.options)
			err := smtpTo(t, c.address).Redirect(server.Addr(), c.roots).Deliver(t.Context(), envelope())
			if c.fails == "" {
				require.NoError(t, err)
				require.Len(t, server.Mails(), 1)
				return
			}
			require.ErrorContains(t, err, c.fails)
			require.NotContains(t, err.Error(), "hunter2")
			var refused *mail.Refusal
			require.False(t, errors.As(err, &refused) && refused.Permanent, "the operator can mend it")
			require.Empty(t, server.Mails())
		})
	}
}

func TestAServerOnThisMachineNeedsNoCertificate(t *testing.T) {
	t.Parallel()
	config, _ := certificate(t)
	for _, options := range []mailtest.Options{
		{}, {User: "portico", Password: "pass"}, {User: "portico", Password: "pass", TLS: config},
		{User: "portico", Password: "pass", TLS: config, Implicit: true},
	} {
		server := mailtest.Start(t, options)
		require.NoError(t, smtpTo(t, server.URL()).Deliver(t.Context(), envelope()))
		require.Len(t, server.Mails(), 1)
	}
}

func TestAServerThatSaysNothingIsNotWaitedForBeyondTheContext(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, silent.Close()) }()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		conn, err := silent.Accept()
		if err == nil {
			cancel()
			_, _ = conn.Read(make([]byte, 1)) // until the other side hangs up
			_ = conn.Close()
		}
	}()
	require.Error(t, smtpTo(t, secret.Text("smtp://"+silent.Addr().String())).Deliver(ctx, envelope()))
}

func TestAnAddressThatIsNoneIsRefusedWithoutBeingShown(t *testing.T) {
	t.Parallel()
	for _, address := range []secret.Text{"", "hunter2", "http://hunter2@example.com", "smtp://a:hunter2%@example.com", "smtp://"} {
		_, err := mail.NewSMTP(address, sender)
		require.ErrorContains(t, err, "smtp://user:password@host:587")
		require.NotContains(t, err.Error(), "hunter2")
	}
	_, err := mail.NewSMTP("smtp://example.com", "Portico")
	require.ErrorContains(t, err, "Portico <portico@example.com>")
}
