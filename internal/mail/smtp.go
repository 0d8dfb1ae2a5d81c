package mail

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	netmail "net/mail"
	"net/netip"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

	"portico/internal/secret"
)

const (
	submissionPort  = 587
	submissionsPort = 465

	// For each step of the conversation; Deliver's context bounds the whole.
	stepTimeout = 10 * time.Second
)

// SMTP sends through a server. Each mail has a connection of its own. The way to the server is encrypted, and the server's
// certificate checked, unless the server is on this machine.
type SMTP struct {
	host     string
	port     int
	implicit bool // TLS from the first byte, as smtps
	loopback bool
	user     string
	password secret.Text
	from     *netmail.Address

	dial  func(ctx context.Context, network, address string) (net.Conn, error)
	roots *x509.CertPool // the machine's when nil
}

// NewSMTP makes a transport of an address such as smtp://user:password@host:587 (STARTTLS) or smtps://host (TLS from the start), and
// the sender, with or without a name. Without a user nobody signs in.
func NewSMTP(address secret.Text, from string) (*SMTP, error) {
	// url.Parse would repeat the password in its error.
	parsed, err := url.Parse(string(address))
	if err != nil || (parsed.Scheme != "smtp" && parsed.Scheme != "smtps") || parsed.Hostname() == "" {
		return nil, errors.New("the address of the SMTP server must be such as smtp://user:password@host:587")
	}
	sender, err := netmail.ParseAddress(from)
	if err != nil {
		return nil, fmt.Errorf("the sender of mails must be an address such as Portico <portico@example.com>: %w", err)
	}
	s := &SMTP{
		host: parsed.Hostname(), port: submissionPort, implicit: parsed.Scheme == "smtps", loopback: isLoopback(parsed.Hostname()),
		user: parsed.User.Username(), from: sender, dial: (&net.Dialer{}).DialContext,
	}
	if s.implicit {
		s.port = submissionsPort
	}
	if port := parsed.Port(); port != "" {
		if s.port, err = strconv.Atoi(port); err != nil {
			return nil, fmt.Errorf("the port of the SMTP server is %q", port)
		}
	}
	password, _ := parsed.User.Password()
	s.password = secret.Text(password)
	return s, nil
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || (err == nil && ip.IsLoopback())
}

// Deliver implements Transport.
func (s *SMTP) Deliver(ctx context.Context, e Envelope) error {
	message, err := s.compose(e)
	if err != nil {
		return err
	}
	// The library looks at the context while it connects only, leaves a connection open when no conversation comes about, and after a
	// message that broke off would end that message properly with its QUIT. So connections are closed here, whatever happens.
	open, hangUp := context.WithCancel(ctx)
	defer hangUp()
	client, err := s.client(func(dialing context.Context, network, address string) (net.Conn, error) {
		conn, err := s.connect(dialing, network, address)
		if err == nil {
			context.AfterFunc(open, func() { _ = conn.Close() })
		}
		return conn, err
	})
	if err != nil {
		return fmt.Errorf("set up the SMTP client: %w", err)
	}
	session, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return wayFailure(err)
	}
	err = client.SendWithSMTPClient(session, message)
	if message.IsDelivered() {
		// Whatever came after the server's yes, such as a connection that broke, does not take it back.
		_ = client.CloseWithSMTPClient(session)
		return nil
	}
	return sendFailure(err)
}

// compose writes the headers through the library, which encodes or refuses what does not belong there.
func (s *SMTP) compose(e Envelope) (*gomail.Msg, error) {
	message := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	message.FromMailAddress(s.from)
	recipient, err := netmail.ParseAddress(e.Recipient)
	if err != nil || recipient.Address != e.Recipient {
		return nil, &Refusal{Sentence: "the recipient is no address that mail can be sent to", Permanent: true}
	}
	message.AddToMailAddress(recipient)
	_, domain, _ := strings.Cut(s.from.Address, "@")
	message.SetMessageIDWithValue(e.ID + "@" + domain)
	message.SetDateWithValue(e.Date)
	message.Subject(clean(e.Subject))
	message.SetGenHeader("Auto-Submitted", "auto-generated")
	message.SetBodyString(gomail.TypeTextPlain, e.Text)
	message.AddAlternativeString(gomail.TypeTextHTML, e.HTML)
	return message, nil
}

func (s *SMTP) client(dial gomail.DialContextFunc) (*gomail.Client, error) {
	policy := gomail.TLSMandatory
	if s.loopback {
		policy = gomail.TLSOpportunistic
	}
	options := []gomail.Option{
		gomail.WithPort(s.port), gomail.WithTLSPolicy(policy), gomail.WithTLSConfig(s.tls()), gomail.WithTimeout(stepTimeout),
		gomail.WithDialContextFunc(dial), gomail.WithoutNoop(), gomail.WithoutRset(),
	}
	if s.implicit {
		options = append(options, gomail.WithSSL())
	}
	if s.user != "" {
		ways := []gomail.SMTPAuthType{gomail.SMTPAuthSCRAMSHA256, gomail.SMTPAuthSCRAMSHA1, gomail.SMTPAuthPlain, gomail.SMTPAuthLogin}
		if s.loopback {
			ways = []gomail.SMTPAuthType{gomail.SMTPAuthPlainNoEnc, gomail.SMTPAuthLoginNoEnc}
		}
		options = append(options, gomail.WithOpportunisticSMTPAuth(ways...), gomail.WithUsername(s.user), gomail.WithPassword(string(s.password)))
	}
	return gomail.NewClient(s.host, options...)
}

func (s *SMTP) tls() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12, ServerName: s.host, RootCAs: s.roots,
		// Nobody is between us and a server on this machine, whose certificate is seldom one for localhost.
		InsecureSkipVerify: s.loopback, //nolint:gosec // as just said
	}
}

func (s *SMTP) connect(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := s.dial(ctx, network, address)
	if err != nil || !s.implicit {
		return conn, err
	}
	encrypted := tls.Client(conn, s.tls())
	if err := encrypted.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return encrypted, nil
}

// wayFailure is why there was no conversation about the mail. None of these is the mail's fault: names, ports, certificates and
// passwords can be mended while it waits.
func wayFailure(err error) error {
	var answer *textproto.Error
	if errors.As(err, &answer) {
		return &Refusal{Sentence: fmt.Sprintf("the SMTP server answered %d before any mail was offered", answer.Code)}
	}
	return fmt.Errorf("reach the SMTP server: %w", err)
}

// sendFailure never repeats the library's error, which shows the recipient and what the server wrote.
func sendFailure(err error) error {
	var failed *gomail.SendError
	if !errors.As(err, &failed) || failed.ErrorCode() == 0 {
		return errors.New("the conversation with the SMTP server broke off")
	}
	code := failed.ErrorCode()
	answer := strings.TrimSpace(strconv.Itoa(code) + " " + failed.EnhancedStatusCode())
	return &Refusal{Sentence: "the SMTP server answered " + answer + " to " + stepOf(failed.Reason), Permanent: code >= 500 && !wantsSignIn(code)}
}

func stepOf(reason gomail.SendErrReason) string {
	switch reason {
	case gomail.ErrSMTPMailFrom:
		return "the sender"
	case gomail.ErrSMTPRcptTo:
		return "the recipient"
	default:
		return "the content"
	}
}

// wantsSignIn tells the answers that ask for encryption or for other credentials, which is the operator's to mend.
func wantsSignIn(code int) bool { return code == 530 || code == 534 || code == 535 || code == 538 }
