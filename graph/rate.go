package graph

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/vektah/gqlparser/v2/gqlerror"

	"portico/internal/account"
	"portico/internal/rate"
)

// cost is what an operation costs, as the answer shows it.
type cost struct {
	requested, actual int
	charge            *rate.Charge // nil without a limit
}

// pay charges the caller for an operation before it is executed. False when the caller has to wait.
func (x *exchange) pay(ctx context.Context, caller account.Caller, points int) (paid bool, err error) {
	x.cost = &cost{requested: points}
	key, limit := x.handler.rates.Payer(caller, x.origin.Address)
	if limit == (rate.Limit{}) {
		return true, nil
	}
	charge, err := x.handler.resolver.Rates.Take(ctx, key, limit, int32(points)) //nolint:gosec // within the limit on the cost
	if err != nil {
		return false, err
	}
	x.cost.charge = &charge
	x.retryAfter = charge.Wait
	return charge.Wait == 0, nil
}

// settle gives back what an operation has not needed.
func (x *exchange) settle(actual int) {
	x.cost.actual = actual
	if x.cost.charge != nil {
		x.cost.charge.Return(int32(x.cost.requested - actual)) //nolint:gosec // never more than what was taken
	}
}

// throttled refuses an operation that the caller cannot pay for yet.
func (x *exchange) throttled() outcome {
	status := http.StatusOK // as with other refusals
	if x.media.prefer(mediaResponse) {
		status = http.StatusTooManyRequests
	}
	refused := refusal(codeThrottled, "The operation costs %d points and %d are left. Try again in %d seconds.",
		x.cost.requested, x.cost.charge.Status().CurrentlyAvailable, seconds(x.retryAfter))
	refused.Extensions["retryAfter"] = seconds(x.retryAfter)
	return outcome{status: status, errs: gqlerror.List{refused}}
}

// seconds are the whole ones after which a wait is over.
func seconds(wait time.Duration) int { return int((wait + time.Second - 1) / time.Second) }

// write writes extensions.cost.
func (c *cost) write(body *bytes.Buffer) {
	if c.charge == nil {
		_, _ = fmt.Fprintf(body, `{"requested":%d,"actual":%d,"throttleStatus":null}`, c.requested, c.actual)
		return
	}
	s := c.charge.Status()
	_, _ = fmt.Fprintf(body, `{"requested":%d,"actual":%d,"throttleStatus":{"maximumAvailable":%d,"currentlyAvailable":%d,"restoreRate":%d}}`,
		c.requested, c.actual, s.MaximumAvailable, s.CurrentlyAvailable, s.RestoreRate)
}

// RateLimit is what the caller may still spend.
func (r query) RateLimit(ctx context.Context) (*rate.Status, error) {
	charge := exchangeOf(ctx).cost.charge
	if charge == nil {
		return nil, nil //nolint:nilnil // null is the answer
	}
	status := charge.Status()
	return &status, nil
}
