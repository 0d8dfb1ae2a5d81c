package rest

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"portico/internal/account"
	"portico/internal/fault"
	"portico/internal/idempotency"
)

const (
	keyHeader = "Idempotency-Key"
	// replayedHeader is on answers that were given before.
	replayedHeader = "Idempotent-Replayed"

	codeIdempotencyConflict fault.Code = "IDEMPOTENCY_CONFLICT"
)

// keyed describes the header to the OpenAPI document, and keyless to that of a route whose answers are not kept.
type keyed struct {
	Key string `header:"Idempotency-Key" required:"false" minLength:"1" maxLength:"255" pattern:"^[!-~]+$" description:"The caller's own name for this request: sent again within 24 hours, the request is not performed again and has the same answer. 409 with another body, and while the first is being performed."`
}

type keyless struct {
	Key string `header:"Idempotency-Key" required:"false" minLength:"1" maxLength:"255" pattern:"^[!-~]+$" description:"Without effect: the answer holds a token and is not kept. The request can be sent again as it is; what it has found or made stays the same."`
}

// kept is an answer as it is kept for a repetition.
type kept struct {
	Status int             `json:"status"`
	Body   json.RawMessage `json:"body"`
}

// repetitionKey reads the key of a request, empty for none.
func repetitionKey(header http.Header) (string, error) {
	given := header.Values(keyHeader)
	switch {
	case len(given) == 0:
		return "", nil
	case len(given) > 1:
		return "", fault.Invalid(keyHeader, "is given more than once")
	}
	outside := func(r rune) bool { return r < '!' || r > '~' }
	if key := given[0]; key == "" || len(key) > idempotency.MaxKey || strings.ContainsFunc(key, outside) {
		return "", fault.Invalid(keyHeader, "must have 1 to %d visible characters of ASCII", idempotency.MaxKey)
	}
	return given[0], nil
}

// once performs what a request asks for, or repeats what the same request with its key was answered. Refusals of the domain are answers;
// those by which nothing was decided are not, and free the key: of who may not, of who must wait (also for another request, such as the
// payment that is under way), and of what broke.
func (c *call) once(caller account.Caller, perform func() (any, error)) (any, error) {
	if c.key == "" {
		return perform()
	}
	hash, err := c.hash()
	if err != nil {
		return nil, err
	}
	request := idempotency.Request{
		MerchantID: caller.MerchantID, Scope: idempotency.Whose(caller) + " " + c.route.pattern, Key: c.key, Hash: hash,
	}
	text, repeated, err := c.Repeats.Once(c.r.Context(), request, func() (idempotency.Answer, error) {
		status := http.StatusOK
		out, err := perform()
		if err != nil {
			refused := fault.List(err)
			undecided := []fault.Code{fault.CodeUnauthenticated, fault.CodeForbidden, fault.CodeThrottled, fault.CodeConflict}
			if refused == nil || slices.Contains(undecided, refused[0].Code) {
				return idempotency.Answer{}, err
			}
			status, out = c.route.refusal(refused[0])
		}
		body, text := bytes.Buffer{}, bytes.Buffer{}
		if err := encode(&body, out); err != nil {
			return idempotency.Answer{}, err
		}
		err = encode(&text, kept{status, body.Bytes()})
		return idempotency.Answer{Body: text.Bytes()}, err
	})
	switch {
	case errors.Is(err, idempotency.ErrRunning):
		return nil, fault.New(fault.CodeConflict, keyHeader, "%s", idempotency.ErrRunning)
	case errors.Is(err, idempotency.ErrOther):
		return nil, fault.New(codeIdempotencyConflict, keyHeader, "%s", idempotency.ErrOther)
	case err != nil:
		return nil, err
	}
	if repeated {
		c.w.Header().Set(replayedHeader, "true")
	}
	var answer kept
	err = json.Unmarshal(text, &answer)
	return answer, err
}

// hash is of all that the answer depends on but who asks, in a form that does not depend on how it is written. Credentials are left out:
// a request may come again with those that took their place.
func (c *call) hash() (sum [sha256.Size]byte, err error) {
	text, err := c.body()
	if err != nil {
		return sum, err
	}
	query := c.r.URL.Query()
	query.Del("api_key")
	var body map[string]any
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if decoder.Decode(&body) == nil && !decoder.More() {
		delete(body, "client_id")
		delete(body, "client_secret")
		if text, err = json.Marshal(body); err != nil { // with its keys in order
			return sum, err
		}
	}
	all, err := json.Marshal([]string{c.r.URL.Path, query.Encode(), string(text)})
	return sha256.Sum256(all), err
}
