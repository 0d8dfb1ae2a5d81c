package catalog

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"portico/internal/fault"
)

const (
	maxURLLength = 2048
	// tokenParameter is what a launch token is called in the launch URL.
	tokenParameter = "token"
)

// checkText accepts what Postgres and every reader of UTF-8 take, up to so many characters.
func checkText(field, text string, maxLength int) *fault.Error {
	switch {
	case !utf8.ValidString(text):
		return fault.Invalid(field, "must be UTF-8 text")
	case strings.ContainsRune(text, 0):
		return fault.Invalid(field, "must not contain the character NUL")
	case utf8.RuneCountInString(text) > maxLength:
		return fault.Invalid(field, "must be at most %d characters long", maxLength)
	}
	return nil
}

// checkLine accepts a text of one line that says something.
func checkLine(field, line string, maxLength int) *fault.Error {
	if line == "" {
		return fault.Required(field)
	}
	if wrong := checkText(field, line, maxLength); wrong != nil {
		return wrong
	}
	if strings.ContainsFunc(line, unicode.IsControl) {
		return fault.Invalid(field, "must not contain line breaks or other control characters")
	}
	return nil
}

// checkURL accepts an absolute https URL that browsers are sent to, and http on the machine itself, where products are
// developed: launch tokens travel in these URLs and must not cross a network in the clear. Portico itself never requests them.
func checkURL(field, text string) *fault.Error {
	if text == "" {
		return fault.Required(field)
	}
	if wrong := checkLine(field, text, maxURLLength); wrong != nil {
		return wrong
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || strings.ContainsFunc(text, unicode.IsSpace):
		return fault.Invalid(field, "is not a URL")
	case (u.Scheme != "https" && u.Scheme != "http") || u.Hostname() == "":
		return fault.Invalid(field, "must be an absolute https URL")
	case u.User != nil:
		return fault.Invalid(field, "must not contain a user name or password")
	case !isPort(u.Port()):
		return fault.Invalid(field, "must have a port between 1 and 65535, if any")
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		return fault.Invalid(field, "must be https, except on localhost")
	}
	return nil
}

// checkLaunchURL leaves the parameter token to Portico: given twice, receivers would disagree on which one counts.
func checkLaunchURL(field, text string) *fault.Error {
	if wrong := checkURL(field, text); wrong != nil {
		return wrong
	}
	if u, err := url.Parse(text); err != nil || u.Query().Has(tokenParameter) {
		return fault.Invalid(field, "must not have a parameter named %s", tokenParameter)
	}
	return nil
}

func isPort(port string) bool {
	number, err := strconv.ParseUint(port, 10, 16)
	return port == "" || (err == nil && number > 0)
}

func isLoopback(host string) bool {
	host = strings.ToLower(host)
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	address, err := netip.ParseAddr(host)
	return err == nil && address.Unmap().IsLoopback()
}
