package settings

import (
	"encoding/json"
	"net/url"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"portico/internal/account"
	"portico/internal/fault"
)

const (
	maxPauseDays    = 365
	maxSkips        = 52
	maxCycles       = 120
	minSession      = 5 * 60
	maxSession      = 12 * 60 * 60 // a person's session lasts no longer
	maxURL          = 2048
	maxFont         = 100
	maxPhone        = 40
	maxHelp         = 2000
	maxMessage      = 500
	maxRedirects    = 20
	maxRedirectName = 40
	maxAnalytics    = 4 << 10
)

// oneFont is a name, in quotes or of words: a quote that is not closed would swallow the rest of the style sheet.
const oneFont = `('[A-Za-z0-9 -]+'|"[A-Za-z0-9 -]+"|[A-Za-z-][A-Za-z0-9-]*( +[A-Za-z-][A-Za-z0-9-]*)*)`

var (
	color  = regexp.MustCompile(`^#[0-9a-fA-F]{6}$`)
	font   = regexp.MustCompile(`^` + oneFont + `( *, *` + oneFont + `)*$`)
	domain = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]$`)
	phone  = regexp.MustCompile(`^\+?[0-9][0-9 ()./-]*$`)
	word   = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*$`)
)

// check finds what cannot be, and takes the spaces around texts away.
func (p *Portal) check() error {
	var check fault.Check
	between(&check, "maxPauseDuration", p.MaxPauseDuration, 1, maxPauseDays)
	between(&check, "maxConsecutiveSkips", p.MaxConsecutiveSkips, 1, maxSkips)
	between(&check, "minimumSubscriptionCycles", p.MinimumSubscriptionCycles, 0, maxCycles)
	between(&check, "authentication.sessionDuration", p.Authentication.SessionDuration, minSession, maxSession)
	p.CustomDomain = text(&check, "customDomain", p.CustomDomain, 253, func(value string) string {
		return unless(domain.MatchString(value), "must be a host name in lower case, such as portal.example.com")
	})
	p.Theme.check(&check)
	p.SupportContact.check(&check)
	p.HelpText = text(&check, "helpText", p.HelpText, maxHelp, nil)
	p.CustomMessage = text(&check, "customMessage", p.CustomMessage, maxMessage, nil)
	p.checkRedirects(&check)
	p.checkAnalytics(&check)
	return check.Err()
}

func (t *Theme) check(check *fault.Check) {
	for field, value := range map[string]string{"primaryColor": t.PrimaryColor, "secondaryColor": t.SecondaryColor, "accentColor": t.AccentColor} {
		if !color.MatchString(value) {
			check.Add(fault.Invalid("theme."+field, "must be a color such as #1a2b3c"))
		}
	}
	t.FontFamily = strings.TrimSpace(t.FontFamily)
	if len(t.FontFamily) > maxFont || !font.MatchString(t.FontFamily) {
		check.Add(fault.Invalid("theme.fontFamily", "must be names of fonts with commas between them, such as 'Open Sans', sans-serif: at most %d characters", maxFont))
	}
	t.LogoURL = text(check, "theme.logoUrl", t.LogoURL, maxURL, httpsAddress)
	t.CustomCSS = text(check, "theme.customCss", t.CustomCSS, maxCSS, refuseCSS)
}

func (c *Contact) check(check *fault.Check) {
	if c.Email != nil && strings.TrimSpace(*c.Email) != "" {
		email, err := account.EmailAddress("supportContact.email", *c.Email)
		for _, found := range fault.List(err) {
			check.Add(found)
		}
		c.Email = &email
	} else {
		c.Email = nil
	}
	c.Phone = text(check, "supportContact.phone", c.Phone, maxPhone, func(value string) string {
		return unless(phone.MatchString(value), "must be a telephone number")
	})
}

func (p *Portal) checkRedirects(check *fault.Check) {
	if p.RedirectURLs == nil {
		p.RedirectURLs = map[string]string{}
	}
	if len(p.RedirectURLs) > maxRedirects {
		check.Add(fault.Invalid("redirectUrls", "must have at most %d members", maxRedirects))
	}
	for name, address := range p.RedirectURLs {
		sentence := httpsAddress(address)
		switch {
		case len(name) > maxRedirectName || !word.MatchString(name):
			check.Add(fault.Invalid("redirectUrls", "must have members whose names are words of at most %d letters, digits and underscores", maxRedirectName))
		case sentence != "" || len(address) > maxURL:
			check.Add(fault.Invalid("redirectUrls."+name, "must be an absolute https address of at most %d bytes", maxURL))
		}
	}
}

func (p *Portal) checkAnalytics(check *fault.Check) {
	if len(p.Analytics) == 0 || string(p.Analytics) == "null" {
		p.Analytics = json.RawMessage(`{}`)
	}
	if meta := (account.Visit{Email: "a@example.com", UserMeta: p.Analytics}).Check(); meta != nil || len(p.Analytics) > maxAnalytics {
		check.Add(fault.Invalid("analytics", "must be a JSON object of at most %d KiB, without \\u0000 and halves of surrogate pairs", maxAnalytics>>10))
	}
}

func between(check *fault.Check, field string, value, least, most int32) {
	if value < least || value > most {
		check.Add(fault.Invalid(field, "must be between %d and %d", least, most))
	}
}

// text checks an optional text and gives it without the spaces around it, nil where nothing is left.
func text(check *fault.Check, field string, given *string, most int, refuse func(string) string) *string {
	if given == nil {
		return nil
	}
	value := strings.TrimSpace(*given)
	switch {
	case value == "":
		return nil
	case !utf8.ValidString(value) || strings.ContainsFunc(value, isControl):
		check.Add(fault.Invalid(field, "must be text without control characters"))
	case utf8.RuneCountInString(value) > most:
		check.Add(fault.Invalid(field, "must have at most %d characters", most))
	case refuse != nil:
		if sentence := refuse(value); sentence != "" {
			check.Add(fault.Invalid(field, "%s", sentence))
		}
	}
	return &value
}

func isControl(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\r' && r != '\t' }

func unless(fine bool, sentence string) string {
	if fine {
		return ""
	}
	return sentence
}

func httpsAddress(value string) string {
	parsed, err := url.Parse(value)
	return unless(err == nil && parsed.Scheme == "https" && parsed.Host != "" && parsed.User == nil && !strings.ContainsFunc(value, unicode.IsSpace),
		"must be an absolute https address")
}
