package account

import (
	"net/mail"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"portico/internal/fault"
)

// The longest texts, in characters unless they say bytes.
const (
	maxName       = 200
	maxRole       = 64
	maxEmailBytes = 254 // of a path in RFC 5321, less the angle brackets
	maxLocalBytes = 64
	maxLabelBytes = 63
)

// line checks a text of one line that a person typed and gives it without the spaces around it.
func line(check *fault.Check, field, value string, longest int) string {
	value = strings.TrimSpace(value)
	switch {
	case !utf8.ValidString(value):
		check.Add(fault.Invalid(field, "is not valid UTF-8"))
	case value == "":
		check.Add(fault.Required(field))
	case strings.ContainsFunc(value, unicode.IsControl):
		check.Add(fault.Invalid(field, "must not contain line breaks or other control characters"))
	case utf8.RuneCountInString(value) > longest:
		check.Add(fault.Invalid(field, "must have at most %d characters", longest))
	}
	return value
}

// emailAddress checks a bare address such as ada@example.com and gives it without the spaces around it.
func emailAddress(check *fault.Check, field, value string) string {
	value = strings.TrimSpace(value)
	switch {
	case value == "":
		check.Add(fault.Required(field))
	case len(value) > maxEmailBytes:
		check.Add(fault.Invalid(field, "must have at most %d bytes", maxEmailBytes))
	case !isEmailAddress(value):
		check.Add(fault.Invalid(field, "is not an e-mail address"))
	}
	return value
}

// EmailAddress is a bare address that somebody typed, without the spaces around it; INVALID or REQUIRED when it is none.
func EmailAddress(field, value string) (string, error) {
	var check fault.Check
	value = emailAddress(&check, field, value)
	return value, check.Err()
}

// PassesForAnother tells whether an address has a letter beyond ASCII whose lower case is one of ASCII, such as the Kelvin sign: where case
// does not count it would stand for another mailbox than its own. By such an address nobody is found.
func PassesForAnother(email string) bool {
	return strings.ContainsFunc(email, func(r rune) bool { return r > unicode.MaxASCII && unicode.ToLower(r) <= unicode.MaxASCII })
}

func isEmailAddress(text string) bool {
	// A display name, a comment, a quoted local part or folded white space is a valid address too, and then differs from its bare form.
	parsed, err := mail.ParseAddress(text)
	if err != nil || parsed.Name != "" || parsed.Address != text || !utf8.ValidString(text) {
		return false
	}
	local, domain, _ := strings.Cut(text, "@")
	return len(local) <= maxLocalBytes && isDomain(domain)
}

func isDomain(domain string) bool {
	if strings.EqualFold(domain, "localhost") {
		return true
	}
	labels := strings.Split(domain, ".")
	for _, label := range labels {
		if label == "" || len(label) > maxLabelBytes || label[0] == '-' || label[len(label)-1] == '-' ||
			strings.ContainsFunc(label, func(r rune) bool {
				return r != '-' && !unicode.IsLetter(r) && !unicode.IsMark(r) && !unicode.IsDigit(r)
			}) {
			return false
		}
	}
	// A name that ends in a number is an IP address.
	return len(labels) > 1 && strings.ContainsFunc(labels[len(labels)-1], func(r rune) bool { return !unicode.IsDigit(r) })
}

var shopPattern = regexp.MustCompile(`^[a-z]([a-z0-9-]{0,61}[a-z0-9])$`)

// The longest handle made from a name leaves room for a suffix.
const maxHandle = 50

// Handles that could be mistaken for Portico itself in an address.
const reservedHandles = " account accounts admin api app assets auth billing blog cdn connect customer customers dashboard demo dev docs " +
	"email events express external ftp graphiql graphql healthz health help hooks internal jobs launch localhost login logout " +
	"mail me merchant metrics null oauth operator order pay payments platform playground portal portico public readyz root " +
	"sandbox security settings shop shops signin signout signup smtp static status support system test undefined web webhook " +
	"webhooks well-known www "

func isReserved(handle string) bool { return strings.Contains(reservedHandles, " "+handle+" ") }

// shopHandle checks a handle that somebody chose.
func shopHandle(check *fault.Check, field, value string) string {
	value = strings.TrimSpace(value)
	switch {
	case value == "":
		check.Add(fault.Required(field))
	case !shopPattern.MatchString(value):
		check.Add(fault.Invalid(field,
			"must have 2 to 63 lower-case letters, digits and hyphens, begin with a letter and not end with a hyphen"))
	case isReserved(value):
		check.Add(fault.Invalid(field, "is reserved"))
	}
	return value
}

// handleFrom makes a handle of a name, such as cafe-muller of Café Müller; empty when the name has no letter or digit for one.
func handleFrom(name string) string {
	var handle strings.Builder
	for _, r := range strings.ToLower(norm.NFKD.String(name)) {
		switch {
		case 'a' <= r && r <= 'z' || '0' <= r && r <= '9':
			handle.WriteRune(r)
		case unicode.IsMark(r) || r == '\'' || r == '’':
		case handle.Len() > 0 && !strings.HasSuffix(handle.String(), "-"):
			handle.WriteByte('-')
		}
	}
	made := strings.TrimRight(handle.String(), "-")
	if made != "" && (len(made) < 2 || made[0] < 'a') {
		made = "shop-" + made
	}
	return strings.TrimRight(made[:min(len(made), maxHandle)], "-")
}

// Storable tells whether Postgres takes the text at all: what it does not take, nothing that is stored can equal.
func Storable(text string) bool { return utf8.ValidString(text) && !strings.ContainsRune(text, 0) }
