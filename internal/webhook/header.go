package webhook

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"portico/db"
	"portico/internal/fault"
	"portico/internal/secret"
)

const (
	maxHeaders          = 20
	maxHeaderNameBytes  = 100
	maxHeaderValueBytes = 4096
	// maxHeaderBytes keeps a request below what common servers take in all, 8 KiB, with room for our own headers.
	maxHeaderBytes = 6144
)

// Header is one that a merchant wants with every request to an endpoint. Merchants put credentials there, so the value is stored
// sealed. It is nil where it is not shown; in an update, nil keeps the value that there is.
type Header struct {
	Name  string
	Value *secret.Text
}

// reserved are the headers that are ours, that the HTTP client decides on, or that are about one connection only.
func reserved(name string) bool {
	name = strings.ToLower(name)
	for _, prefix := range []string{"content-", "webhook-", "x-portal-", "portico-", "proxy-"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return slices.Contains([]string{
		"host", "user-agent", "accept-encoding", "api-key",
		"connection", "expect", "http2-settings", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade",
	}, name)
}

// checkHeaders takes the values that are left out from the present headers.
func checkHeaders(asked, present []Header, check *fault.Check) []Header {
	if len(asked) > maxHeaders {
		check.Add(fault.Invalid("headers", "must be at most %d", maxHeaders))
		return nil
	}
	var headers []Header
	total := 0
	for i, h := range asked {
		place := "headers." + strconv.Itoa(i)
		h.Name = strings.TrimSpace(h.Name)
		if h.Value == nil {
			h.Value = valueOf(h.Name, present)
		}
		switch {
		case h.Name == "":
			check.Add(fault.Required(place + ".name"))
		case len(h.Name) > maxHeaderNameBytes || !isHeaderName(h.Name):
			check.Add(fault.Invalid(place+".name", "is not the name of an HTTP header of at most %d characters", maxHeaderNameBytes))
		case reserved(h.Name):
			check.Add(fault.Invalid(place+".name", "is a header that Portico or HTTP sets itself"))
		case slices.ContainsFunc(headers, func(other Header) bool { return strings.EqualFold(other.Name, h.Name) }):
			check.Add(fault.Invalid(place+".name", "is given twice"))
		case h.Value == nil:
			check.Add(fault.Required(place + ".value"))
		case !isHeaderValue(string(*h.Value)):
			check.Add(fault.Invalid(place+".value", "must be 1 to %d visible ASCII characters, with spaces between them only", maxHeaderValueBytes))
		default:
			headers = append(headers, h)
			total += len(h.Name) + len(*h.Value)
		}
	}
	if total > maxHeaderBytes {
		check.Add(fault.Invalid("headers", "must be at most %d bytes long together", maxHeaderBytes))
	}
	return headers
}

// isHeaderName takes what RFC 9110 calls a token.
func isHeaderName(name string) bool {
	return strings.Trim(strings.ToLower(name), "abcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|~") == ""
}

func valueOf(name string, headers []Header) *secret.Text {
	for _, h := range headers {
		if strings.EqualFold(h.Name, name) {
			return h.Value
		}
	}
	return nil
}

// isHeaderValue leaves out what HTTP allows and clients and servers treat differently: tabs, and bytes beyond ASCII.
func isHeaderValue(value string) bool {
	return value != "" && len(value) <= maxHeaderValueBytes && strings.TrimSpace(value) == value &&
		!strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' })
}

// HeadersIdentity names the column that holds the values of an endpoint's headers, as Keyring.Seal and Keyring.Open want it.
func HeadersIdentity(endpointID int64) string {
	return "webhook_endpoint/" + strconv.FormatInt(endpointID, 10) + "/headers"
}

func (w *Webhooks) sealHeaders(endpointID int64, headers []Header) (names []string, sealed []byte) {
	names = []string{}
	if len(headers) == 0 {
		return names, nil
	}
	values := make([]string, len(headers))
	for i, h := range headers {
		names, values[i] = append(names, h.Name), string(*h.Value)
	}
	text, err := json.Marshal(values)
	if err != nil {
		panic(err) // texts
	}
	return names, w.Keys.Seal(HeadersIdentity(endpointID), secret.Text(text))
}

// openHeaders is an endpoint's headers with their values.
func (w *Webhooks) openHeaders(row db.WebhookEndpoint) ([]Header, error) {
	if len(row.HeaderNames) == 0 {
		return nil, nil
	}
	text, err := w.Keys.Open(HeadersIdentity(row.ID), row.HeadersCipher)
	if err != nil {
		return nil, fmt.Errorf("open the headers of endpoint %d: %w", row.ID, err)
	}
	var values []string
	if err := json.Unmarshal([]byte(text), &values); err != nil || len(values) != len(row.HeaderNames) {
		return nil, fmt.Errorf("read the headers of endpoint %d: not one value for each name", row.ID)
	}
	headers := make([]Header, len(values))
	for i, name := range row.HeaderNames {
		value := secret.Text(values[i])
		headers[i] = Header{name, &value}
	}
	return headers, nil
}
