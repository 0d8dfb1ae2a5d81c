package graph

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"portico/internal/account"
	"portico/internal/fault"
	"portico/internal/idempotency"
	"portico/internal/outage"
	"portico/internal/webhook"
)

// The codes in errors[].extensions.code that are no codes of faults.
const (
	codeBadRequest      = "BAD_REQUEST"
	codeTooComplex      = "QUERY_TOO_COMPLEX"
	codeThrottled       = "THROTTLED"
	codeExpiredCursor   = "EXPIRED_CURSOR"
	codeInternal        = "INTERNAL_SERVER_ERROR"
	codeUnavailable     = "UNAVAILABLE"
	internalErrorPublic = "Something went wrong on our side. Its request id helps us to find out what."
	tooSlowPublic       = "This took too long and was given up. Ask for less at once, or try again later."
)

// userErrors shows what the caller can mend in err as the payload's userErrors. What is not the caller's to mend is returned.
func userErrors(err error) ([]*UserError, error) {
	faults := fault.List(err)
	if faults == nil {
		return nil, err
	}
	shown := make([]*UserError, len(faults))
	for i, f := range faults {
		shown[i] = &UserError{Message: f.Message, Code: string(f.Code)}
		if len(f.Field) > 0 {
			shown[i].Field = append([]string{"input"}, f.Field...)
		}
		if f.URL != "" {
			shown[i].URL = &f.URL
		}
		if f.RetryAfter > 0 {
			wait := int32(f.RetryAfter.Seconds())
			shown[i].RetryAfter = &wait
		}
	}
	return shown, nil
}

// orNull makes an object that was not found null.
func orNull[T any](object *T, err error) (*T, error) {
	if fault.Is(err, fault.CodeNotFound) {
		return nil, nil //nolint:nilnil // null is the answer
	}
	return object, err
}

// present shows an error of a query, or one of a mutation that is not a fault of its input. What is nobody's fault but ours is logged
// here, once, and shown without its text.
func (x *exchange) present(ctx context.Context, err error) *gqlerror.Error {
	shown := &gqlerror.Error{Path: graphql.GetPath(ctx)}
	var located *gqlerror.Error
	if errors.As(err, &located) {
		shown.Path, shown.Locations = located.Path, located.Locations
	}
	var refused *inputError
	var expired *webhook.ExpiredCursorError
	var code string
	switch faults := fault.List(err); {
	case faults != nil:
		shown.Message, code = faults.Error(), codeOf(faults[0].Code)
	case errors.As(err, &expired):
		shown.Message, code = expired.Error(), codeExpiredCursor
	case errors.Is(err, account.ErrChanged):
		shown.Message, code = err.Error(), string(fault.CodeUnauthenticated) // never seen: the operation is performed again
	case errors.Is(err, idempotency.ErrRunning):
		shown.Message, code = idempotency.ErrRunning.Error(), codeConflict
	case errors.Is(err, idempotency.ErrOther):
		shown.Message, code = idempotency.ErrOther.Error(), codeIdempotencyConflict
	case errors.Is(err, idempotency.ErrWithheld):
		shown.Message, code = idempotency.ErrWithheld.Error(), codeIdempotencyConflict
	case errors.As(err, &refused):
		shown.Message, code = describe(shown.Path, refused), codeBadRequest
	case outage.Is(err):
		x.logOnce(ctx, slog.LevelWarn, "the database is away", err)
		shown.Message, code = outage.Public, codeUnavailable
	case errors.Is(err, context.Canceled):
		shown.Message, code = tooSlowPublic, codeInternal // nobody is waiting for the answer any more
	case errors.Is(err, context.DeadlineExceeded):
		x.logOnce(ctx, slog.LevelWarn, "operation took too long", err)
		shown.Message, code = tooSlowPublic, codeInternal
	default:
		x.logOnce(ctx, slog.LevelError, "operation broke", err)
		shown.Message, code = internalErrorPublic, codeInternal
	}
	shown.Extensions = map[string]any{"code": code, "requestId": x.id}
	return shown
}

func codeOf(code fault.Code) string {
	switch code {
	case fault.CodeInvalid, fault.CodeRequired:
		return codeBadRequest
	case fault.CodeNotFound, fault.CodeForbidden, fault.CodeUnauthenticated, fault.CodeThrottled:
		return string(code)
	default:
		return codeBadRequest
	}
}

// describe names the argument that a path ends in.
func describe(path ast.Path, refused *inputError) string {
	if len(path) == 0 {
		return refused.sentence
	}
	return path.String() + ": " + refused.sentence
}

// logOnce logs an error that many objects of an answer may share.
func (x *exchange) logOnce(ctx context.Context, level slog.Level, message string, err error) {
	var located *gqlerror.Error
	for errors.As(err, &located) && located.Err != nil {
		err = located.Err // the same wherever it shows
	}
	text := err.Error()
	x.mu.Lock()
	seen := x.logged[text]
	if x.logged == nil {
		x.logged = map[string]bool{}
	}
	x.logged[text] = true
	x.mu.Unlock()
	if !seen {
		x.handler.log.Log(ctx, level, message, "request_id", x.id, "path", graphql.GetPath(ctx).String(), "error", text)
	}
}

// panicked makes an error of a panic.
func panicked(_ context.Context, recovered any) error {
	return fmt.Errorf("panic: %v\n%s", recovered, debug.Stack())
}
