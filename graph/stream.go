package graph

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"portico/internal/account"
	"portico/internal/fault"
)

var (
	errCallerChanged error = fault.New(fault.CodeUnauthenticated, "", "the credential has changed since this began: subscribe again")
	// errDone is why a stream that nothing ended has ended.
	errDone = errors.New("the stream is over")
)

// stream is an operation on Live that has begun.
type stream struct {
	x       *exchange
	request *http.Request // with the credential
	caller  account.Caller
	points  int // that a message costs at most

	operation *graphql.OperationContext
	next      func(context.Context) graphql.Marshaler
	ctx       context.Context //nolint:containedctx // of the resolver, which goes on for as long as the stream
	end       context.CancelCauseFunc
	turn      sync.Mutex // of whoever asks who calls
}

type streamKey struct{}

// begin has the resolver of an operation on Live begin, which is nil when it refuses.
func (x *exchange) begin(ctx context.Context, r *http.Request, ec *executionContext, points int) (*stream, gqlerror.List) {
	operation := ec.OperationContext
	s := &stream{x: x, request: r, caller: callerOf(ctx), points: points, operation: operation}
	ctx, s.end = context.WithCancelCause(ctx)
	s.ctx = graphql.WithOperationContext(context.WithValue(ctx, streamKey{}, s), operation)
	beginning := graphql.WithResponseContext(s.ctx, x.present, panicked)
	late := time.AfterFunc(x.handler.limits.QueryTime, func() { s.end(context.DeadlineExceeded) })
	s.next = ec._Live(beginning, operation.Operation.SelectionSet) //nolint:contextcheck // made of ctx
	late.Stop()
	if s.next == nil {
		s.end(errDone)
		return nil, graphql.GetErrors(beginning) //nolint:contextcheck // made of ctx
	}
	return s, nil
}

// feed is what a resolver of Live answers: what the producer sends, until it returns or the stream ends. An error ends the stream.
func feed[T any](ctx context.Context, produce func(send func(T) bool) error) <-chan T {
	items := make(chan T) // nothing waits in it: the producer has the client's pace
	s := ctx.Value(streamKey{}).(*stream)
	go func() {
		defer close(items)
		defer func() {
			if recovered := recover(); recovered != nil {
				s.end(panicked(ctx, recovered))
			}
		}()
		err := produce(func(item T) bool {
			select {
			case items <- item:
				return true
			case <-ctx.Done():
				return false
			}
		})
		if err != nil {
			s.end(err)
		}
	}()
	return items
}

// run sends the messages of a stream until it ends, and says why when that is for the client to hear. What is sent is what the caller
// may see at that time.
func (s *stream) run(send func(gqlerror.List, json.RawMessage) error) *gqlerror.Error {
	defer s.end(errDone)
	go s.watchCaller()
	root := graphql.CollectFields(s.operation, s.operation.Operation.SelectionSet, []string{"Live"})[0]
	for {
		ctx, tooLate := context.WithCancelCause(graphql.WithResponseContext(s.ctx, s.x.present, panicked))
		shown := s.next(graphql.WithFieldContext(ctx, &graphql.FieldContext{Object: "Live", Field: root}))
		if shown == nil {
			tooLate(errDone)
			s.end(errDone)
			break
		}
		if err := s.admit(); err != nil {
			s.end(err)
		} else {
			late := time.AfterFunc(s.x.handler.limits.QueryTime, func() { tooLate(context.DeadlineExceeded) })
			var data bytes.Buffer
			shown.MarshalGQL(&data)
			late.Stop()
			s.x.settle(actualCost(s.points, s.operation.Operation, data.Bytes()))
			if err := send(graphql.GetErrors(ctx), data.Bytes()); err != nil {
				s.end(errDone)
			}
		}
		tooLate(errDone)
	}
	cause := context.Cause(s.ctx)
	if errors.Is(cause, errDone) || errors.Is(cause, context.Canceled) {
		return nil
	}
	return s.x.present(s.ctx, cause)
}

// admit lets a message pass: to the caller of the beginning, who pays for it.
func (s *stream) admit() error {
	if err := s.recheck(); err != nil {
		return err
	}
	for {
		paying, cancel := context.WithTimeout(s.ctx, s.x.handler.limits.QueryTime)
		paid, err := s.x.pay(paying, s.caller, s.points)
		cancel()
		if paid || err != nil {
			return err
		}
		select {
		case <-time.After(s.x.retryAfter):
		case <-s.ctx.Done():
			return context.Cause(s.ctx)
		}
	}
}

// watchCaller ends a stream that has nothing to send when its caller is let in no longer.
func (s *stream) watchCaller() {
	beat := time.NewTicker(s.x.handler.limits.Beat)
	defer beat.Stop()
	for {
		select {
		case <-beat.C:
			if err := s.recheck(); err != nil {
				s.end(err)
			}
		case <-s.ctx.Done():
			return
		}
	}
}

// recheck refuses to go on when the credential does not stand for the same caller any more.
func (s *stream) recheck() error {
	s.turn.Lock()
	defer s.turn.Unlock()
	h := s.x.handler
	ctx, cancel := context.WithTimeout(s.ctx, h.limits.QueryTime)
	defer cancel()
	caller, admission, err := h.identify(ctx, s.x, s.request, true)
	if err == nil && !admission.Stands() {
		if err = h.resolver.Accounts.Confirm(admission.In(ctx)); errors.Is(err, account.ErrChanged) {
			caller, _, err = h.identify(ctx, s.x, s.request, false)
		}
	}
	if err == nil && !reflect.DeepEqual(caller, s.caller) {
		return errCallerChanged
	}
	return err
}
