package rest

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"portico/internal/account"
	"portico/internal/audit"
	"portico/internal/credential"
	"portico/internal/fault"
	"portico/internal/jsontext"
)

const maxBody = 64 << 10

// What a call costs, as the mutation or query of GraphQL does that does the same.
const (
	costOfRead  = 1
	costOfWrite = 10
)

// route is a published address: what the door does with a request before its handler, and what the OpenAPI document says of it.
type route struct {
	pattern string // as http.ServeMux has it
	// action is the permanent name in the audit log: the last part of a published path, or the mutation of GraphQL that does the same.
	action   string
	id       string // in the document, where two routes do parts of one act
	summary  string
	detail   string
	bare     bool // errors are {"error": "message"}, and not {"error": {"code", "message"}}
	points   int32
	security []string // names of the schemes that prove who calls: any of them
	// in and out are values of the types that describe a request and the body of its answer, with the tags of jsonschema-go.
	in, out  any
	refusals []int // the statuses of refusals beyond those of every route
	handle   func(*call) (any, error)
	hidden   bool // works, and is not in the document: an older spelling of another
	// reveals says that answers hold a token: none is kept, and a request is performed each time it comes. Every other route with POST
	// performs what it does within once.
	reveals bool
}

// routes are all of them, in the order of the document.
func (d *door) routes() []route {
	return slices.Concat(tokenRoutes(), settingsRoutes(), paywallRoutes(), orderRoutes(), claimsRoutes())
}

// methods are those that an address takes, with the shape of its errors.
type methods struct {
	route
	names []string
}

// methodsOf are the routes by their address: requests with other methods are told so, and not that there is no such address.
func methodsOf(routes []route) map[string]methods {
	found := map[string]methods{}
	for _, one := range routes {
		method, path, _ := strings.Cut(one.pattern, " ")
		found[path] = methods{one, append(found[path].names, method)}
	}
	return found
}

func (one route) answer(d *door) handle {
	return func(w http.ResponseWriter, r *http.Request) error {
		c := &call{door: d, route: one, w: w, r: r}
		if r.Method == http.MethodPost {
			var err error
			if c.key, err = repetitionKey(r.Header); err != nil {
				return err
			}
		}
		out, err := one.handle(c)
		if err != nil {
			return err
		}
		if before, is := out.(kept); is {
			respond(w, before.Status, before.Body)
			return nil
		}
		respond(w, http.StatusOK, out)
		return nil
	}
}

// call is a request on its way through a route.
type call struct {
	*door
	route route
	w     http.ResponseWriter
	r     *http.Request
	key   string // of the header Idempotency-Key, empty for none
	text  []byte // of the body, once it is read
}

// server is the merchant's server that calls: with an API key that has the scope, and points left. A key that has not the scope is
// recorded as refused.
func (c *call) server(scope string) (account.Caller, error) {
	return c.admit(scope, credential.Options{QueryParameter: true}, account.KindAPIKey)
}

// merchant is server for routes that take the merchant's token_key as well.
func (c *call) merchant(scope string) (account.Caller, error) {
	return c.admit(scope, credential.Options{}, account.KindAPIKey, account.KindTokenKey)
}

func (c *call) admit(scope string, o credential.Options, kinds ...account.Kind) (account.Caller, error) {
	key, given := credential.Read(c.r, o)
	if !given {
		return account.Caller{}, fault.New(fault.CodeUnauthenticated, "", "send a key in the header X-API-Key or api-key")
	}
	caller, err := key.Caller(c.r.Context(), c.Portal, "")
	switch {
	case err != nil:
		return account.Caller{}, err
	case !slices.Contains(kinds, caller.Kind):
		return account.Caller{}, account.ErrUnauthenticated
	case caller.Kind == account.KindAPIKey && !caller.HasScope(scope):
		return account.Caller{}, c.forbid(caller, fault.New(fault.CodeForbidden, "", "this needs an API key with the scope %s", scope))
	}
	return caller, c.pay(caller)
}

// forbid is the refusal, of which there is an entry in the audit log.
func (c *call) forbid(caller account.Caller, refused *fault.Error) error {
	if err := c.Audit.Refuse(c.r.Context(), caller, c.act(c.w, c.r, c.route.action), refused); err != nil {
		return err
	}
	return refused
}

// pay takes the route's points from the caller's, which GraphQL takes from as well. THROTTLED says how long to wait.
func (c *call) pay(caller account.Caller) error {
	key, limit := c.Rates.Payer(caller, c.Proxies.Address(c.r))
	if limit.Burst == 0 {
		return nil
	}
	charge, err := c.Limiter.Take(c.r.Context(), key, limit, c.route.points)
	if err != nil || charge.Wait == 0 {
		return err
	}
	return fault.Throttled(charge.Wait)
}

// record performs what the route does, with its entry in the audit log.
func (c *call) record(caller account.Caller, do func() (audit.Result, error)) error {
	return c.Audit.Record(c.r.Context(), caller, c.act(c.w, c.r, c.route.action), do)
}

// read reads the body, a JSON object, into a struct. Names count as they are written, as they do for JSON elsewhere: Go's decoder would take
// any case of their letters. Members that are not known are ignored: published clients send more than is used.
func (c *call) read(into any) error {
	text, err := c.body()
	if err != nil {
		return err
	}
	var given map[string]json.RawMessage
	if err := json.Unmarshal(text, &given); err != nil || given == nil {
		return fault.Invalid("", "the body must be a JSON object")
	}
	fields := reflect.ValueOf(into).Elem()
	for i := range fields.NumField() {
		name := fields.Type().Field(i).Tag.Get("json")
		member, is := given[name]
		if !is || name == "-" {
			continue
		}
		// What is any JSON is looked at where it is known what it is for.
		if member[0] == '"' && jsontext.HalfSurrogate(member) {
			return fault.Invalid(name, "must not contain half of a surrogate pair")
		}
		if err := json.Unmarshal(member, fields.Field(i).Addr().Interface()); err != nil {
			return wrongKind(name, fields.Field(i).Type())
		}
	}
	return nil
}

// wrongKind says what a member of a body must be.
func wrongKind(name string, member reflect.Type) error {
	if member == reflect.TypeFor[value]() {
		return fault.Invalid(name, "must be a string or a number")
	}
	return fault.WrongKind(name, member)
}

// body is the text of the body, as often as it is asked for.
func (c *call) body() ([]byte, error) {
	if c.text != nil {
		return c.text, nil
	}
	text, err := io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, maxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, fault.Invalid("", "the body must have at most %d KiB", maxBody>>10)
	case err != nil:
		return nil, fault.Invalid("", "the body cannot be read")
	case !utf8.Valid(text):
		return nil, fault.Invalid("", "the body must be UTF-8")
	}
	c.text = text
	return text, nil
}

// renamed calls the fields of the domain by the names that a route has for them.
func renamed(err error, names map[string]string) error {
	for _, found := range fault.List(err) {
		if len(found.Field) > 0 && names[found.Field[0]] != "" {
			found.Field = []string{names[found.Field[0]]}
		}
	}
	return err
}

const (
	codeMethod      = "METHOD_NOT_ALLOWED"
	codeInternal    = "INTERNAL_SERVER_ERROR"
	codeUnavailable = "UNAVAILABLE"
	codeTimeout     = "TIMEOUT"
	timeoutPublic   = "This took too long and was given up. Try again later."
	internalPublic  = "Something went wrong on our side. Its request id helps us to find out what."
)

// codedError and bareError are the two shapes in which existing integrations know errors.
type codedError struct {
	Error struct {
		Code    fault.Code `json:"code" required:"true"`
		Message string     `json:"message" required:"true"`
	} `json:"error" required:"true"`
}

type bareError struct {
	Error string `json:"error" required:"true"`
}

// refuse shows an error as the route's integrations know it.
func (one route) refuse(w http.ResponseWriter, _ *http.Request, err error) {
	first := fault.List(err)[0]
	status, body := one.refusal(first)
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	if first.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(first.RetryAfter.Seconds())))
	}
	respond(w, status, body)
}

// refusal is the status and the body of a refused request.
func (one route) refusal(refused *fault.Error) (status int, body any) {
	if one.bare {
		return statusOf(refused.Code), bareError{refused.Error()}
	}
	var coded codedError
	coded.Error.Code, coded.Error.Message = refused.Code, refused.Error()
	return statusOf(refused.Code), coded
}

func statusOf(code fault.Code) int {
	switch code {
	case fault.CodeUnauthenticated:
		return http.StatusUnauthorized
	case fault.CodeForbidden, fault.CodeNotAllowedBySettings:
		return http.StatusForbidden
	case fault.CodeNotFound:
		return http.StatusNotFound
	case fault.CodeTaken, fault.CodeConflict, fault.CodeActivePurchaseExists, codeIdempotencyConflict:
		return http.StatusConflict
	case fault.CodeThrottled:
		return http.StatusTooManyRequests
	case codeMethod:
		return http.StatusMethodNotAllowed
	case codeInternal:
		return http.StatusInternalServerError
	case codeUnavailable:
		return http.StatusServiceUnavailable
	case codeTimeout:
		return http.StatusGatewayTimeout
	default:
		return http.StatusBadRequest
	}
}

func respond(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = encode(w, body) // who asked has gone
}

func encode(to io.Writer, value any) error {
	encoder := json.NewEncoder(to)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}
