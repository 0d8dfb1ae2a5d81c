// Package mailtest owns the SMTP server of tests: a real one on this machine that keeps what it accepts.
package mailtest

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"portico/internal/secret"
)

const patience = 20 * time.Second

// Mail is a mail that the server has accepted.
type Mail struct {
	From, To            string // of the envelope
	Header              mail.Header
	Subject, Text, HTML string
	Raw                 string
}

// Link is what the mail asks its reader to open, "" when there is none: the first line of the text that is an address.
func (m Mail) Link() string { return regexp.MustCompile(`(?m)^https?://\S+$`).FindString(m.Text) }

// Options are what a server asks for and does.
type Options struct {
	User, Password string // empty: nobody has to sign in
	// TLS lets clients begin TLS, from the first byte if Implicit.
	TLS      *tls.Config
	Implicit bool
}

// Server is a server that runs until its test ends.
type Server struct {
	t       testing.TB
	options Options
	addr    string

	mu       sync.Mutex
	accepted []Mail
	refusals []smtp.SMTPError
	breaks   int
}

// NewServer starts a server that accepts whatever it gets.
func NewServer(t testing.TB) *Server {
	t.Helper()
	return Start(t, Options{})
}

// Start starts a server.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen for mails: %v", err)
	}
	s := &Server{t: t, options: o, addr: listener.Addr().String()}
	server := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		return &session{server: s, conn: c, signedIn: o.User == ""}, nil
	}))
	server.Domain, server.AllowInsecureAuth, server.TLSConfig = "localhost", true, o.TLS
	server.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	if o.Implicit {
		listener = tls.NewListener(listener, o.TLS)
	}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(listener) })
	t.Cleanup(func() {
		_ = server.Close()
		// The server does not know its listener before it serves.
		_ = listener.Close()
		serving.Wait()
	})
	return s
}

// Addr is the host and port that it listens on.
func (s *Server) Addr() string { return s.addr }

// URL is its address as PORTICO_SMTP_URL wants it.
func (s *Server) URL() secret.Text {
	scheme := "smtp://"
	if s.options.Implicit {
		scheme = "smtps://"
	}
	if s.options.User != "" {
		scheme += s.options.User + ":" + s.options.Password + "@"
	}
	return secret.Text(scheme + s.addr)
}

// Refuse answers the next recipients with this code, one after the other. The enhanced code is its first digit, 1 and 1, and the
// text holds the recipient's address, as that of real servers does.
func (s *Server) Refuse(codes ...int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, code := range codes {
		s.refusals = append(s.refusals, smtp.SMTPError{Code: code, EnhancedCode: smtp.EnhancedCode{code / 100, 1, 1}})
	}
}

// Break accepts the next n mails and ends the connection without saying so.
func (s *Server) Break(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.breaks = n
}

// Mails are all that were accepted, oldest first.
func (s *Server) Mails() []Mail {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.accepted)
}

// Wait waits for n mails to this recipient and gives them, oldest first.
func (s *Server) Wait(recipient string, n int) []Mail {
	s.t.Helper()
	var found []Mail
	for deadline := time.After(patience); ; {
		found = slices.DeleteFunc(s.Mails(), func(m Mail) bool { return m.To != recipient })
		if len(found) >= n {
			return found
		}
		select {
		case <-deadline:
			s.t.Fatalf("%s has got %d mails and not %d", recipient, len(found), n)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// session is the conversation on one connection.
type session struct {
	server   *Server
	conn     *smtp.Conn
	signedIn bool
	from, to string
}

// AuthMechanisms implements smtp.AuthSession.
func (s *session) AuthMechanisms() []string {
	if s.server.options.User == "" {
		return nil
	}
	return []string{sasl.Plain}
}

// Auth implements smtp.AuthSession.
func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != s.server.options.User || password != s.server.options.Password {
			return smtp.ErrAuthFailed
		}
		s.signedIn = true
		return nil
	}), nil
}

// Mail implements smtp.Session.
func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	if !s.signedIn {
		return &smtp.SMTPError{Code: 530, EnhancedCode: smtp.EnhancedCode{5, 7, 0}, Message: "sign in first"}
	}
	s.from = from
	return nil
}

// Rcpt implements smtp.Session.
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	s.to = to
	if len(s.server.refusals) == 0 {
		return nil
	}
	refusal := s.server.refusals[0]
	s.server.refusals = s.server.refusals[1:]
	refusal.Message = "<" + to + "> is not wanted here"
	return &refusal
}

// Data implements smtp.Session.
func (s *session) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	m, err := parse(raw)
	if err != nil {
		return err
	}
	m.From, m.To = s.from, s.to
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	s.server.accepted = append(s.server.accepted, m)
	if s.server.breaks > 0 {
		s.server.breaks--
		return s.conn.Conn().Close()
	}
	return nil
}

// Reset implements smtp.Session.
func (s *session) Reset() { s.from, s.to = "", "" }

// Logout implements smtp.Session.
func (s *session) Logout() error { return nil }

func parse(raw []byte) (Mail, error) {
	m := Mail{Raw: string(raw)}
	message, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return m, err
	}
	m.Header = message.Header
	if m.Subject, err = new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject")); err != nil {
		return m, err
	}
	_, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		return m, err
	}
	for parts := multipart.NewReader(message.Body, params["boundary"]); ; {
		part, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			return m, nil
		}
		if err != nil {
			return m, err
		}
		body, err := io.ReadAll(quotedprintable.NewReader(part))
		if err != nil {
			return m, err
		}
		text := strings.ReplaceAll(string(body), "\r\n", "\n")
		switch kind, _, _ := mime.ParseMediaType(part.Header.Get("Content-Type")); kind {
		case "text/plain":
			m.Text = text
		case "text/html":
			m.HTML = text
		}
	}
}
