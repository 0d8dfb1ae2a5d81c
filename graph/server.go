package graph

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"portico/internal/account"
	"portico/internal/fault"
	"portico/internal/outage"
	"portico/internal/peer"
	"portico/internal/rate"
)

// unavailableFor is when to try again after the database was away.
const unavailableFor = 5 * time.Second

// Options are how the door is set up.
type Options struct {
	Origin  string // under which people reach this installation, such as https://portal.example.com
	Secure  bool   // people reach this installation over https: the session cookie is for https only
	Limits  Limits // DefaultLimits for the zero value
	Rates   rate.Rates
	Proxies peer.Proxies
	// Introspection tells who is shown the schema.
	Introspection Introspection
	Log           *slog.Logger
	// Stopping is closed when what goes on for long has to end, for the process is about to; nil for never.
	Stopping <-chan struct{}
}

// handler answers GraphQL over HTTP.
type handler struct {
	resolver  *Resolver
	schema    *executableSchema
	documents *documents
	limits    Limits
	rates     rate.Rates
	origins   *http.CrossOriginProtection
	origin    string
	secure    bool
	proxies   peer.Proxies
	log       *slog.Logger
	seats     *seats
	stopping  <-chan struct{}
}

// exchange is one request and its answer.
type exchange struct {
	handler *handler
	id      string
	origin  account.Origin
	page    string       // the origin of the page that calls, when it is not ours
	cookie  *http.Cookie // for the answer to set
	cost    *cost        // nil while there is no operation
	media   media
	streams bool // the client can take more than one answer
	// repeated are the fields whose answers are those of earlier requests.
	repeated []string

	mu         sync.Mutex
	logged     map[string]bool
	retryAfter time.Duration // for a caller who is throttled
}

type exchangeKey struct{}

func exchangeOf(ctx context.Context) *exchange { return ctx.Value(exchangeKey{}).(*exchange) }

// originOf is where the request comes from.
func originOf(ctx context.Context) account.Origin { return exchangeOf(ctx).origin }

// NewHandler makes the handler of /graphql. A mutation may take as long as Limits.MutationTime.
func NewHandler(r *Resolver, o Options) http.Handler {
	if o.Limits == (Limits{}) {
		o.Limits = DefaultLimits()
	}
	schema := NewExecutableSchema(Config{Resolvers: r, Directives: DirectiveRoot{Auth: auth}})
	return &handler{
		resolver: r, schema: schema.(*executableSchema), documents: newDocuments(schema.Schema(), o.Limits, o.Introspection), limits: o.Limits, rates: o.Rates,
		origins: http.NewCrossOriginProtection(), origin: o.Origin, secure: o.Secure, proxies: o.Proxies, log: o.Log,
		seats: newSeats(o.Limits), stopping: o.Stopping,
	}
}

func (h *handler) exchange(r *http.Request) *exchange {
	return &exchange{handler: h, id: rand.Text(), origin: account.Origin{Address: h.proxies.Address(r), UserAgent: r.UserAgent()}}
}

// ServeHTTP implements http.Handler.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := h.exchange(r)
	x.media = mediaOf(r)
	w.Header().Set("X-Request-Id", x.id)
	w.Header().Set("Cache-Control", "no-store")
	ctx := context.WithValue(r.Context(), exchangeKey{}, x)
	defer func() {
		if recovered := recover(); recovered != nil {
			x.fail(ctx, w, panicked(ctx, recovered))
		}
	}()
	if !x.admitPage(ctx, w, r) {
		return
	}
	if isSocket(r) {
		h.serveSocket(ctx, x, w, r)
		return
	}
	asked, problem := readRequest(w, r, h.limits)
	if problem != nil {
		x.refuse(w, problem.status, badRequest("%s", problem.sentence))
		return
	}
	x.streams = slices.Contains(x.media, mediaEvents)
	given, err := h.conduct(ctx, x, r, asked)
	switch {
	case err != nil:
		x.fail(ctx, w, err)
	case given.stream != nil:
		x.sendEvents(ctx, w, given.stream)
	case given.data == nil:
		if given.status == http.StatusMethodNotAllowed {
			w.Header().Set("Allow", http.MethodPost)
		}
		x.refuse(w, given.status, given.errs...)
	default:
		x.answer(w, given.status, given.errs, given.data)
	}
}

// conduct performs an operation for whoever calls, once more if the caller turns out not to be the one that was remembered: then nothing
// has been done. An error is why there is no operation.
func (h *handler) conduct(ctx context.Context, x *exchange, r *http.Request, asked *graphql.RawParams) (outcome, error) {
	given, err := h.attempt(ctx, x, r, asked, true)
	if errors.Is(err, account.ErrChanged) {
		given, err = h.attempt(ctx, x, r, asked, false)
	}
	return given, err
}

// attempt is ErrChanged when the caller is not the one that was remembered.
func (h *handler) attempt(ctx context.Context, x *exchange, r *http.Request, asked *graphql.RawParams, remembered bool) (outcome, error) {
	authenticating, cancel := context.WithTimeout(ctx, h.limits.QueryTime)
	caller, admission, err := h.identify(authenticating, x, r, remembered)
	cancel()
	if err != nil {
		return outcome{}, err
	}
	given := h.perform(withCaller(admission.In(ctx), caller), r, asked)
	if !admission.Stands() {
		confirming, cancel := context.WithTimeout(admission.In(ctx), h.limits.QueryTime)
		err = h.resolver.Accounts.Confirm(confirming)
		cancel()
	}
	if err != nil && given.stream != nil {
		given.stream.end(err)
	}
	return given, err
}

// identify tells who calls, and refuses callers from pages that may not call for them.
func (h *handler) identify(ctx context.Context, x *exchange, r *http.Request, remembered bool) (account.Caller, *account.Admission, error) {
	caller, admission, err := h.authenticate(ctx, x, r, remembered)
	if err == nil {
		err = x.mayCall(ctx, caller)
	}
	return caller, admission, err
}

// outcome is what an operation comes to.
type outcome struct {
	status int
	errs   gqlerror.List
	data   json.RawMessage // nil when it was not executed
	stream *stream         // of an operation on Live that has begun
}

// perform executes an operation.
func (h *handler) perform(ctx context.Context, r *http.Request, asked *graphql.RawParams) outcome {
	// Clients that do not know better take any status but 200 for the end of the conversation.
	x, refused := exchangeOf(ctx), http.StatusOK
	if x.media.prefer(mediaResponse) {
		refused = http.StatusBadRequest
	}
	text, hash, problem := h.documents.find(ctx, asked)
	switch {
	case problem != nil && problem.Message == persistedNotFound:
		return outcome{status: http.StatusOK, errs: gqlerror.List{problem}} // where clients look for it
	case problem != nil:
		return outcome{status: refused, errs: gqlerror.List{problem}}
	}
	doc, errs := h.documents.read(ctx, text)
	if errs != nil {
		return outcome{status: refused, errs: errs}
	}
	h.documents.persist(ctx, hash, text)
	operation, points, errs := h.documents.operation(ctx, doc, asked)
	if errs != nil {
		return outcome{status: refused, errs: errs}
	}
	if r.Method == http.MethodGet && operation.Operation.Operation == ast.Mutation && !isSocket(r) {
		return outcome{status: http.StatusMethodNotAllowed, errs: gqlerror.List{badRequest("Send mutations with POST.")}}
	}
	if operation.Operation.Operation == ast.Subscription && !x.streams {
		return outcome{status: refused, errs: gqlerror.List{badRequest(
			"Follow Live over server-sent events, with Accept: text/event-stream, or over a WebSocket.")}}
	}
	paying, cancel := context.WithTimeout(ctx, h.limits.QueryTime)
	paid, err := x.pay(paying, callerOf(ctx), points)
	cancel()
	switch {
	case err != nil:
		return outcome{status: x.broke(err), errs: gqlerror.List{x.present(ctx, err)}}
	case !paid:
		return x.throttled()
	}
	if operation.Operation.Operation == ast.Subscription {
		begun, errs := x.begin(ctx, r, doc.execution(operation, h.schema), points)
		return outcome{status: http.StatusOK, errs: errs, stream: begun}
	}
	limit := h.limits.QueryTime
	if operation.Operation.Operation == ast.Mutation {
		// What has begun is finished, whether or not the client waits for the answer.
		ctx, limit = context.WithoutCancel(ctx), h.limits.MutationTime
		operation.RootResolverMiddleware = h.once
	}
	ctx, cancel = context.WithTimeout(ctx, limit)
	defer cancel()
	ctx = graphql.WithOperationContext(ctx, operation)
	ctx = graphql.WithResponseContext(ctx, x.present, panicked)
	data := execute(ctx, doc.execution(operation, h.schema), operation.Operation)
	x.settle(actualCost(points, operation.Operation, data))
	return outcome{status: http.StatusOK, errs: graphql.GetErrors(ctx), data: data}
}

// execute does what the generated Exec does for one answer, without the machinery for further ones and for inputs in contexts.
func execute(ctx context.Context, ec *executionContext, operation *ast.OperationDefinition) json.RawMessage {
	perform := ec._Query
	if operation.Operation == ast.Mutation {
		perform = ec._Mutation
	}
	var data bytes.Buffer
	perform(ctx, operation.SelectionSet).MarshalGQL(&data)
	return data.Bytes()
}

// fail answers a request that broke before there was an operation.
func (x *exchange) fail(ctx context.Context, w http.ResponseWriter, err error) {
	var status int
	switch {
	case fault.Is(err, fault.CodeUnauthenticated):
		status = http.StatusUnauthorized
		w.Header().Set("WWW-Authenticate", "Bearer")
	case fault.Is(err, fault.CodeForbidden):
		status = http.StatusForbidden
	case fault.Is(err, fault.CodeThrottled):
		status = http.StatusTooManyRequests
	default:
		status = x.broke(err)
	}
	x.refuse(w, status, x.present(ctx, err))
}

// broke is the status of what is nobody's to mend, and says when to try again where that helps.
func (x *exchange) broke(err error) int {
	switch {
	case outage.Is(err):
		x.retryAfter = unavailableFor
		return http.StatusServiceUnavailable
	case errors.Is(err, context.DeadlineExceeded):
		return http.StatusGatewayTimeout
	default:
		return http.StatusInternalServerError
	}
}

// refuse answers a request without executing an operation.
func (x *exchange) refuse(w http.ResponseWriter, status int, errs ...*gqlerror.Error) {
	for _, err := range errs {
		err.Extensions["requestId"] = x.id
	}
	x.answer(w, status, errs, nil)
}

// answer writes an answer; without data it is one that no operation has given.
func (x *exchange) answer(w http.ResponseWriter, status int, errs gqlerror.List, data json.RawMessage) {
	body := x.body(errs, data)
	media := mediaJSON
	switch {
	case status == http.StatusOK && x.media.prefer(mediaEvents):
		media = mediaEvents
		body = append(eventOf(eventNext, body), eventOf(eventComplete, nil)...)
	case x.media.prefer(mediaResponse):
		media = mediaResponse
	}
	w.Header().Set("Content-Type", media+"; charset=utf-8")
	if x.retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(seconds(x.retryAfter)))
	}
	if x.cookie != nil {
		http.SetCookie(w, x.cookie)
	}
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// body is an answer as clients read it.
func (x *exchange) body(errs gqlerror.List, data json.RawMessage) []byte {
	var body bytes.Buffer
	body.WriteByte('{')
	if len(errs) > 0 {
		body.WriteString(`"errors":`)
		body.Write(shownErrors(errs))
	}
	if data != nil {
		if len(errs) > 0 {
			body.WriteByte(',')
		}
		body.WriteString(`"data":`)
		body.Write(data)
	}
	if x.cost != nil {
		body.WriteString(`,"extensions":{"cost":`)
		x.cost.write(&body)
		if len(x.repeated) > 0 {
			_, _ = fmt.Fprintf(&body, `,"idempotency":{"repeated":["%s"]}`, strings.Join(x.repeated, `","`))
		}
		body.WriteByte('}')
	}
	body.WriteByte('}')
	return body.Bytes()
}

func shownErrors(errs gqlerror.List) []byte {
	shown, err := json.Marshal(errs)
	if err != nil {
		panic(err) // texts, numbers and maps of them
	}
	return shown
}
