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
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"portico/internal/account"
	"portico/internal/fault"
	"portico/internal/peer"
	"portico/internal/rate"
)

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
}

// exchange is one request and its answer.
type exchange struct {
	handler *handler
	id      string
	origin  account.Origin
	page    string       // the origin of the page that calls, when it is not ours
	cookie  *http.Cookie // for the answer to set
	cost    *cost        // nil while there is no operation
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
	}
}

// ServeHTTP implements http.Handler.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := &exchange{handler: h, id: rand.Text(), origin: account.Origin{Address: h.proxies.Address(r), UserAgent: r.UserAgent()}}
	w.Header().Set("X-Request-Id", x.id)
	w.Header().Set("Cache-Control", "no-store")
	ctx := context.WithValue(r.Context(), exchangeKey{}, x)
	defer func() {
		if recovered := recover(); recovered != nil {
			x.fail(ctx, w, r, panicked(ctx, recovered))
		}
	}()
	if !x.admitPage(ctx, w, r) {
		return
	}
	asked, problem := readRequest(w, r, h.limits)
	if problem != nil {
		x.refuse(w, r, problem.status, badRequest("%s", problem.sentence))
		return
	}
	if h.serve(ctx, x, w, r, asked, true) {
		return
	}
	// The credential is not what was remembered of it, and nothing has been done for it.
	h.serve(ctx, x, w, r, asked, false)
}

// serve performs an operation for the caller and answers, unless the caller turns out not to be the one that was remembered.
func (h *handler) serve(
	ctx context.Context, x *exchange, w http.ResponseWriter, r *http.Request, asked *graphql.RawParams, remembered bool,
) (answered bool) {
	authenticating, cancel := context.WithTimeout(ctx, h.limits.QueryTime)
	caller, admission, err := h.authenticate(authenticating, x, r, remembered)
	if err == nil {
		err = x.mayCall(authenticating, caller)
	}
	cancel()
	if err != nil {
		x.fail(ctx, w, r, err)
		return true
	}
	given := h.perform(withCaller(admission.In(ctx), caller), r, asked)
	if !admission.Stands() {
		confirming, cancel := context.WithTimeout(admission.In(ctx), h.limits.QueryTime)
		err := h.resolver.Accounts.Confirm(confirming)
		cancel()
		switch {
		case errors.Is(err, account.ErrChanged):
			return false
		case err != nil:
			x.fail(ctx, w, r, err)
			return true
		}
	}
	if given.data == nil {
		if given.status == http.StatusMethodNotAllowed {
			w.Header().Set("Allow", http.MethodPost)
		}
		x.refuse(w, r, given.status, given.errs...)
		return true
	}
	x.answer(w, r, given.status, given.errs, given.data)
	return true
}

// outcome is what an operation comes to.
type outcome struct {
	status int
	errs   gqlerror.List
	data   json.RawMessage // nil when it was not executed
}

// perform executes an operation.
func (h *handler) perform(ctx context.Context, r *http.Request, asked *graphql.RawParams) outcome {
	// Clients that do not know better take any status but 200 for the end of the conversation.
	refused := http.StatusOK
	if prefersResponseType(r) {
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
	if r.Method == http.MethodGet && operation.Operation.Operation != ast.Query {
		return outcome{status: http.StatusMethodNotAllowed, errs: gqlerror.List{badRequest("Send mutations with POST.")}}
	}
	x := exchangeOf(ctx)
	paying, cancel := context.WithTimeout(ctx, h.limits.QueryTime)
	paid, err := x.pay(paying, callerOf(ctx), points)
	cancel()
	switch {
	case err != nil:
		return outcome{status: http.StatusInternalServerError, errs: gqlerror.List{x.present(ctx, err)}}
	case !paid:
		return x.throttled(r)
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
	data := h.execute(ctx, operation.Operation)
	x.settle(actualCost(points, operation.Operation, data))
	return outcome{status: http.StatusOK, errs: graphql.GetErrors(ctx), data: data}
}

// execute does what the generated Exec does for one answer, without the machinery for further ones and for inputs in contexts.
func (h *handler) execute(ctx context.Context, operation *ast.OperationDefinition) json.RawMessage {
	ec := newExecutionContext(graphql.GetOperationContext(ctx), h.schema, nil)
	perform := ec._Query
	if operation.Operation == ast.Mutation {
		perform = ec._Mutation
	}
	var data bytes.Buffer
	perform(ctx, operation.SelectionSet).MarshalGQL(&data)
	return data.Bytes()
}

// fail answers a request that broke before there was an operation.
func (x *exchange) fail(ctx context.Context, w http.ResponseWriter, r *http.Request, err error) {
	status := http.StatusInternalServerError
	switch {
	case fault.Is(err, fault.CodeUnauthenticated):
		status = http.StatusUnauthorized
		w.Header().Set("WWW-Authenticate", "Bearer")
	case fault.Is(err, fault.CodeForbidden):
		status = http.StatusForbidden
	}
	x.refuse(w, r, status, x.present(ctx, err))
}

// refuse answers a request without executing an operation.
func (x *exchange) refuse(w http.ResponseWriter, r *http.Request, status int, errs ...*gqlerror.Error) {
	for _, err := range errs {
		err.Extensions["requestId"] = x.id
	}
	x.answer(w, r, status, errs, nil)
}

// answer writes an answer; without data it is one that no operation has given.
func (x *exchange) answer(w http.ResponseWriter, r *http.Request, status int, errs gqlerror.List, data json.RawMessage) {
	var body bytes.Buffer
	body.WriteByte('{')
	if len(errs) > 0 {
		shown, err := json.Marshal(errs)
		if err != nil {
			panic(err) // texts, numbers and maps of them
		}
		body.WriteString(`"errors":`)
		body.Write(shown)
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
	media := mediaJSON
	if prefersResponseType(r) {
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
	_, _ = w.Write(body.Bytes())
}
