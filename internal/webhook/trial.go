package webhook

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"portico/db"
	"portico/internal/fault"
	"portico/internal/secret"
)

const (
	// A merchant has so many tests at once, and another one after each pause.
	trialsAtOnce = 20
	trialPause   = 3 * time.Second
	// longestTrial keeps a test within the time of the request that asks for it.
	longestTrial = 25

	redactedValue = "[redacted]"
)

// Trial is what came of sending a sample event to an endpoint.
type Trial struct {
	StatusCode     *int32 // nil when there was no answer
	DurationMs     int32
	ResponseBody   string // its first 16 KiB
	RequestHeaders []TrialHeader
	RequestBody    string
	ErrorClass     *ErrorClass // nil when a delivery would have been acknowledged
	Error          *string
}

// TrialHeader is one that was sent. What is secret in it is redacted.
type TrialHeader struct{ Name, Value string }

// EndpointTest sends a sample event of the type to an endpoint, also to one that is disabled or wants other types, by the same way as
// deliveries and with the same signatures, and tells what was answered. Nothing is recorded: no event has happened. Faults: NOT_FOUND on
// id, INVALID on eventType, THROTTLED.
func (w *Webhooks) EndpointTest(ctx context.Context, merchantID, id int64, eventType string) (Trial, error) {
	rows, err := w.DB.EndpointsByID(ctx, w.DB.Tenant(merchantID), db.EndpointsByIDParams{MerchantID: merchantID, Ids: []int64{id}})
	if err != nil {
		return Trial{}, fmt.Errorf("read endpoint %d: %w", id, err)
	}
	if len(rows) == 0 {
		return Trial{}, noEndpoint("id")
	}
	endpoint := rows[0]
	if known := trialTypes(endpoint.Format); !slices.Contains(known, eventType) {
		return Trial{}, fault.Invalid("eventType", "must be one of %s", strings.Join(known, ", "))
	}
	if err := w.takeTrial(ctx, merchantID); err != nil {
		return Trial{}, err
	}
	identifier := "sample"
	if endpoint.ProductID != nil {
		identifier, err = w.DB.EndpointProductIdentifier(ctx, w.DB.Tenant(merchantID), db.EndpointProductIdentifierParams{
			MerchantID: merchantID, ID: *endpoint.ProductID,
		})
		if err != nil {
			return Trial{}, fmt.Errorf("find the product of endpoint %d: %w", id, err)
		}
	}
	endpoint.TimeoutSeconds = min(endpoint.TimeoutSeconds, longestTrial)
	s, err := w.newSender(ctx, endpoint)
	if err != nil {
		return Trial{}, err
	}
	message := messagePrefix + "test_" + rand.Text()
	body, err := sample(Type(eventType), message, identifier, w.Now())
	if err != nil {
		return Trial{}, fmt.Errorf("write a sample of %s: %w", eventType, err)
	}
	r, out := s.exchange(ctx, message, body)
	return trialOf(r, out, s.headers), nil
}

func trialTypes(format string) []string {
	if format == FormatPaymentNotification {
		return []string{string(PaymentSucceeded)}
	}
	return typeNames(Types())
}

// takeTrial counts a test before it is made.
func (w *Webhooks) takeTrial(ctx context.Context, merchantID int64) error {
	now, key := w.Now(), w.Keys.Hash(secret.Text("limit/webhook test/merchant/"+strconv.FormatInt(merchantID, 10)))
	taken, err := w.DB.TakeAttempt(ctx, w.DB.Pool(), db.TakeAttemptParams{
		KeyHash: key, Moment: now, Step: pgtype.Interval{Microseconds: trialPause.Microseconds(), Valid: true}, Brim: now.Add(trialsAtOnce * trialPause),
	})
	if err != nil {
		return fmt.Errorf("count a test: %w", err)
	}
	if !taken {
		return fault.Throttled(trialPause)
	}
	return nil
}

func trialOf(r reply, out sent, custom []Header) Trial {
	t := Trial{
		DurationMs: int32(r.duration.Milliseconds()), ResponseBody: r.body, //nolint:gosec // within longestTrial
		RequestHeaders: shownHeaders(out.header, custom), RequestBody: string(out.body),
	}
	if r.statusCode != 0 {
		code := int32(r.statusCode) //nolint:gosec // three digits
		t.StatusCode = &code
	}
	if r.failure != "" {
		t.ErrorClass, t.Error = &r.class, &r.failure
	}
	return t
}

// shownHeaders are sorted by name.
func shownHeaders(header http.Header, custom []Header) []TrialHeader {
	shown := []TrialHeader{}
	for name := range header {
		value := header.Get(name)
		if strings.EqualFold(name, paymentKeyHeader) || valueOf(name, custom) != nil {
			value = redactedValue
		}
		shown = append(shown, TrialHeader{name, value})
	}
	slices.SortFunc(shown, func(a, b TrialHeader) int { return strings.Compare(a.Name, b.Name) })
	return shown
}
