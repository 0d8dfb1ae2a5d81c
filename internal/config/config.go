// Package config owns the settings that come from the environment. Nothing else reads it.
package config

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/caarlos0/env/v11"

	"portico/internal/secret" //nolint:depguard // a configuration holds secrets, and this type keeps them out of logs
)

// Config is every setting. Load gives one that is valid.
type Config struct {
	DatabaseURL secret.Text `env:"DATABASE_URL" doc:"Address of the database, postgres://user:password@host:port/name, with a plain role. portico dev starts a private Postgres without it."`
	DBMaxConns  int32       `env:"PORTICO_DB_MAX_CONNS" envDefault:"10" doc:"Most database connections that one process opens, 1 to 1000."`

	Addr      string `env:"PORTICO_ADDR" envDefault:"127.0.0.1:8080" doc:"Address that the API listens on. Behind a proxy on another machine or in a container: 0.0.0.0:8080 or :8080."`
	PublicURL string `env:"PORTICO_PUBLIC_URL" doc:"Address under which people and servers reach the API, such as https://portal.example.com. Made from PORTICO_ADDR where that is a loopback address; must be set where it is not."`

	TrustedProxies []netip.Prefix `env:"PORTICO_TRUSTED_PROXIES" doc:"Networks of the proxies in front of the API, such as 10.1.0.0/16, separated by commas: what they write into X-Forwarded-For is taken for the client's address. Without any, the client is whoever connects."`

	Introspection string `env:"PORTICO_INTROSPECTION" envDefault:"authenticated" doc:"Who is shown the GraphQL schema, and suggestions for misspelt names: all, authenticated (who has a credential) or off. portico dev shows it to all."`

	RateLimit          Rate `env:"PORTICO_RATE_LIMIT" envDefault:"20000:2000" doc:"Points that each API key, client and token key can spend on GraphQL at once, and points that come back each second; or off."`
	RateLimitPeople    Rate `env:"PORTICO_RATE_LIMIT_PEOPLE" envDefault:"5000:200" doc:"The same for each member, customer and operator."`
	RateLimitAnonymous Rate `env:"PORTICO_RATE_LIMIT_ANONYMOUS" envDefault:"1000:50" doc:"The same for each address without a credential. Behind a proxy, set PORTICO_TRUSTED_PROXIES, or all clients share one address."`

	Keys   secret.Text `env:"PORTICO_KEYS" doc:"Keys that encrypt stored secrets, <version>:<base64 of 32 bytes>, separated by commas: the first encrypts, all decrypt."`
	Pepper secret.Text `env:"PORTICO_PEPPER" doc:"Base64 of 32 bytes that credentials are hashed with. Set for good by the first process that starts on a database: it cannot be rotated."`

	PortalFeeBPS int32  `env:"PORTICO_PORTAL_FEE_BPS" envDefault:"250" doc:"Share of each payment that the portal keeps, in basis points (100 are one percent), for merchants that sign up from now on. 0 to 10000."`
	LiveGateway  string `env:"PORTICO_LIVE_GATEWAY" doc:"Payment provider of merchants that are not sandboxes: test, which moves no money, or nothing, and then they cannot charge."`

	TestGatewayLoss float64 `env:"PORTICO_TEST_GATEWAY_LOSS" envDefault:"0" doc:"Share of its answers that the test gateway loses, 0 to 1, half of them after it has obeyed: for trying out what happens then."`

	SMTPURL  secret.Text `env:"PORTICO_SMTP_URL" doc:"Server that mails are sent through: smtp://user:password@host:587 (STARTTLS) or smtps://user:password@host:465 (TLS from the start), special characters escaped. Without it mails stay queued; portico dev keeps them and shows them at /dev/mail."`
	MailFrom string      `env:"PORTICO_MAIL_FROM" doc:"Sender of mails, such as Portico <portico@example.com>. Needed with PORTICO_SMTP_URL."`

	WebhookAllowCIDRs    []netip.Prefix `env:"PORTICO_WEBHOOK_ALLOW_CIDRS" doc:"Private networks that webhooks may be sent to, such as 10.1.0.0/16, separated by commas."`
	WebhookAllowHTTP     bool           `env:"PORTICO_WEBHOOK_ALLOW_HTTP" envDefault:"false" doc:"Whether webhooks may be sent without TLS."`
	WebhookAllowLoopback bool           `env:"PORTICO_WEBHOOK_ALLOW_LOOPBACK" envDefault:"false" doc:"Whether webhooks may be sent to this machine."`

	AuditRetentionDays int32 `env:"PORTICO_AUDIT_RETENTION_DAYS" envDefault:"400" doc:"Days for which the entries of the audit log are kept, 1 to 36500."`

	// EventRetentionDays and AttemptRetentionDays bound what a receiver can read and be sent again.
	EventRetentionDays   int32 `env:"PORTICO_EVENT_RETENTION_DAYS" envDefault:"90" doc:"Days for which events are kept, 2 to 36500."`
	AttemptRetentionDays int32 `env:"PORTICO_ATTEMPT_RETENTION_DAYS" envDefault:"30" doc:"Days for which attempts to deliver events are kept, and with them finished deliveries, 2 to PORTICO_EVENT_RETENTION_DAYS."`

	APIKey secret.Text `env:"PORTICO_API_KEY" doc:"What portico listen and portico trigger sign in to an installation with: an API key, or a member's session token. serve and work do not read it."`

	LogLevel slog.Level `env:"PORTICO_LOG_LEVEL" envDefault:"info" doc:"Least level that is logged: debug, info, warn or error. What River says about itself below a warning is logged with debug only."`
}

// Load reads the environment. Its errors name every variable that is wrong and never show a value that is secret.
func Load() (Config, error) { return parse(env.Options{}) }

func parse(options env.Options) (Config, error) {
	var c Config
	options.FuncMap = map[reflect.Type]env.ParserFunc{reflect.TypeFor[[]netip.Prefix](): parsePrefixes, reflect.TypeFor[Rate](): parseRate}
	if err := env.ParseWithOptions(&c, options); err != nil {
		return Config{}, renamed(err)
	}
	if c.PublicURL == "" && isLoopback(c.Addr) {
		c.PublicURL = "http://" + c.Addr
	}
	c.PublicURL = strings.TrimSuffix(c.PublicURL, "/")
	return c, c.Validate()
}

// Validate says what is wrong in one sentence for each variable. Which variables must be set depends on the command: those that
// may be missing here are asked for where they are used.
func (c Config) Validate() error {
	return errors.Join(
		c.validateDatabase(),
		validateAddr(c.Addr),
		validatePublicURL(c.PublicURL),
		c.validateKeys(),
		within("PORTICO_PORTAL_FEE_BPS", c.PortalFeeBPS, 0, 10_000),
		c.validateGateway(),
		c.validateLoss(),
		c.validateSMTP(),
		c.validateMailFrom(),
		within("PORTICO_AUDIT_RETENTION_DAYS", c.AuditRetentionDays, 1, 36_500),
		within("PORTICO_EVENT_RETENTION_DAYS", c.EventRetentionDays, 2, 36_500),
		within("PORTICO_ATTEMPT_RETENTION_DAYS", c.AttemptRetentionDays, 2, c.EventRetentionDays),
		validateIntrospection(c.Introspection),
		c.RateLimit.validate("PORTICO_RATE_LIMIT"),
		c.RateLimitPeople.validate("PORTICO_RATE_LIMIT_PEOPLE"),
		c.RateLimitAnonymous.validate("PORTICO_RATE_LIMIT_ANONYMOUS"),
		within("PORTICO_DB_MAX_CONNS", c.DBMaxConns, 1, 1000),
	)
}

// RequireDatabase is for commands that cannot do without DATABASE_URL: an empty address would mean libpq's own variables.
func (c Config) RequireDatabase() error {
	if c.DatabaseURL == "" {
		return errors.New("DATABASE_URL is not set: give the address of the database, such as postgres://portico@localhost/portico")
	}
	return nil
}

func (c Config) validateDatabase() error {
	if c.DatabaseURL == "" {
		return nil
	}
	// url.Parse would repeat the address, password included, in its error.
	address, err := url.Parse(string(c.DatabaseURL))
	if err != nil || (address.Scheme != "postgres" && address.Scheme != "postgresql") {
		return errors.New("DATABASE_URL must be an address such as postgres://user:password@host:port/name, with special characters escaped")
	}
	return nil
}

func validateAddr(addr string) error {
	_, port, err := net.SplitHostPort(addr)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return fmt.Errorf("PORTICO_ADDR must be an address to listen on, such as 127.0.0.1:8080 or :8080, and is %q", addr)
	}
	return nil
}

func validatePublicURL(text string) error {
	if text == "" {
		return errors.New("PORTICO_PUBLIC_URL is not set, and PORTICO_ADDR is not a loopback address to make it from: " +
			"give the address under which people and servers reach the API, such as https://portal.example.com")
	}
	address, err := url.Parse(text)
	if err != nil || (address.Scheme != "https" && address.Scheme != "http") || address.Hostname() == "" || address.User != nil ||
		address.Path != "" || address.RawQuery != "" || address.ForceQuery || address.Fragment != "" {
		return fmt.Errorf("PORTICO_PUBLIC_URL must be an http or https address without a path, such as https://portal.example.com, and is %q", text)
	}
	return nil
}

func (c Config) validateKeys() error {
	if c.Keys == "" && c.Pepper == "" {
		return nil
	}
	_, err := secret.NewKeyring(c.Keys, c.Pepper)
	return err
}

func (c Config) validateGateway() error {
	if c.LiveGateway != "" && c.LiveGateway != "test" {
		return fmt.Errorf(`PORTICO_LIVE_GATEWAY must be "test" or empty, and is %q`, c.LiveGateway)
	}
	return nil
}

func (c Config) validateLoss() error {
	// Not a number is neither.
	if c.TestGatewayLoss >= 0 && c.TestGatewayLoss <= 1 {
		return nil
	}
	return fmt.Errorf("PORTICO_TEST_GATEWAY_LOSS must be between 0 and 1, and is %g", c.TestGatewayLoss)
}

func (c Config) validateSMTP() error {
	if c.SMTPURL == "" {
		return nil
	}
	// url.Parse would repeat the password in its error.
	address, err := url.Parse(string(c.SMTPURL))
	if err != nil || (address.Scheme != "smtp" && address.Scheme != "smtps") || address.Hostname() == "" ||
		(address.Path != "" && address.Path != "/") || address.RawQuery != "" || address.Fragment != "" {
		return errors.New("PORTICO_SMTP_URL must be an address such as smtp://user:password@host:587 or smtps://user:password@host:465, " +
			"with special characters escaped")
	}
	if _, given := address.User.Password(); address.User != nil && (!given || address.User.Username() == "") {
		return errors.New("PORTICO_SMTP_URL names a user or a password: give both, as in smtp://user:password@host:587, or neither")
	}
	return nil
}

func (c Config) validateMailFrom() error {
	if c.MailFrom == "" {
		if c.SMTPURL != "" {
			return errors.New("PORTICO_MAIL_FROM is not set, and PORTICO_SMTP_URL is: give the sender of mails, such as Portico <portico@example.com>")
		}
		return nil
	}
	if _, err := mail.ParseAddress(c.MailFrom); err != nil {
		return fmt.Errorf("PORTICO_MAIL_FROM must be a sender such as Portico <portico@example.com>, and is %q", c.MailFrom)
	}
	return nil
}

func validateIntrospection(who string) error {
	if slices.Contains([]string{"all", "authenticated", "off"}, who) {
		return nil
	}
	return fmt.Errorf("PORTICO_INTROSPECTION must be all, authenticated or off, and is %q", who)
}

func within(name string, value, least, most int32) error {
	if value < least || value > most {
		return fmt.Errorf("%s must be between %d and %d, and is %d", name, least, most, value)
	}
	return nil
}

func isLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || (err == nil && ip.IsLoopback())
}

// parsePrefixes takes spaces around the commas and host bits, which netip does not.
func parsePrefixes(text string) (any, error) {
	var prefixes []netip.Prefix
	for part := range strings.SplitSeq(text, ",") {
		prefix, err := netip.ParsePrefix(strings.TrimSpace(part))
		if err != nil {
			return nil, fmt.Errorf("%q is not a network such as 10.1.0.0/16", part)
		}
		prefixes = append(prefixes, prefix.Masked())
	}
	return prefixes, nil
}

// renamed names the variables in the errors of the parser, which names the fields.
func renamed(err error) error {
	var several env.AggregateError
	if !errors.As(err, &several) {
		return fmt.Errorf("read the environment: %w", err)
	}
	sentences := make([]error, len(several.Errors))
	for i, one := range several.Errors {
		sentences[i] = one
		var wrong env.ParseError
		if errors.As(one, &wrong) {
			field, _ := reflect.TypeFor[Config]().FieldByName(wrong.Name)
			sentences[i] = fmt.Errorf("%s cannot be read: %w", field.Tag.Get("env"), wrong.Err)
		}
	}
	return errors.Join(sentences...)
}

// Variable describes one setting.
type Variable struct {
	Name        string
	Default     string // empty when there is none
	Description string
}

// Variables lists the settings by name, for the documentation.
func Variables() []Variable {
	var variables []Variable
	for _, field := range reflect.VisibleFields(reflect.TypeFor[Config]()) {
		variables = append(variables, Variable{field.Tag.Get("env"), field.Tag.Get("envDefault"), field.Tag.Get("doc")})
	}
	slices.SortFunc(variables, func(a, b Variable) int { return cmp.Compare(a.Name, b.Name) })
	return variables
}
