package webhook

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"portico/db"
	"portico/internal/secret"
)

const (
	userAgent        = "Portico-Webhooks/1"
	paymentKeyHeader = "api-key"
	maxResponseBytes = 16 << 10
	// maxWasteBytes is how much more of an answer is read and thrown away so that its connection can be used again.
	maxWasteBytes = 64 << 10
)

// sender makes the requests to one endpoint.
type sender struct {
	client     *http.Client
	url        string
	format     string
	apiVersion string
	paymentKey secret.Text // "" for other formats than payment notifications
	nameOf     nameOf
	headers    []Header
	present    signer
	next       *signer // while a rolled secret waits, and from nextAt on instead of the present one
	nextAt     time.Time
	now        func() time.Time
}

// newSender opens what an endpoint's row has sealed.
func (w *Webhooks) newSender(ctx context.Context, row db.WebhookEndpoint) (*sender, error) {
	s := &sender{
		client: w.Guard.Client(time.Duration(row.TimeoutSeconds) * time.Second), // for all of a request, the answer's body included
		url:    row.Url, format: row.Format, apiVersion: row.ApiVersion, now: w.Now,
	}
	s.nameOf = func(ctx context.Context, subscriptionID int64) (*secret.Text, error) {
		return w.AccessToken(ctx, row.MerchantID, subscriptionID)
	}
	var err error
	if s.paymentKey, err = w.paymentKey(ctx, row.MerchantID, row.Format); err != nil {
		return nil, err
	}
	if s.headers, err = w.openHeaders(row); err != nil {
		return nil, err
	}
	if s.present, err = w.openSigner(row.ID, row.SecretCipher, row.SigningKeyCipher); err != nil {
		return nil, err
	}
	if row.NextSecretAt != nil {
		next, err := w.openSigner(row.ID, row.NextSecretCipher, row.NextSigningKeyCipher)
		if err != nil {
			return nil, err
		}
		s.next, s.nextAt = &next, *row.NextSecretAt
	}
	return s, nil
}

// message is a delivery that is due.
type message struct {
	deliveryID int64
	eventID    int64
	number     int32 // of the attempt, from 1
	before     int32 // how many attempts there were when somebody last asked for it again
	body       []byte
	beside     int // requests under way when it was sent, itself included
}

// reply is what came of an attempt.
type reply struct {
	message
	startedAt  time.Time
	duration   time.Duration
	statusCode int // 0 when there was no answer
	class      ErrorClass
	failure    string // a sentence for the merchant; "" for a 2xx
	body       string
	retryAfter time.Duration
}

// send makes one request. Whatever goes wrong is part of the reply.
func (s *sender) send(ctx context.Context, m message) reply {
	r, _ := s.exchange(ctx, messageID(m.eventID), m.body)
	r.message = m
	return r
}

// sent is what went to a receiver.
type sent struct {
	header http.Header
	body   []byte
}

// exchange sends an event, whose own body is given.
func (s *sender) exchange(ctx context.Context, id string, event []byte) (reply, sent) {
	r := reply{startedAt: s.now()}
	request, out, err := s.request(ctx, id, event, r.startedAt)
	if err != nil {
		r.class, r.failure = failureOf(err)
		return r, out
	}
	response, err := s.client.Do(request)
	if err == nil {
		r.body = readText(response.Body)
		_ = response.Body.Close()
	}
	finishedAt := s.now()
	r.duration = finishedAt.Sub(r.startedAt)
	if err != nil {
		r.class, r.failure = failureOf(err)
		return r, out
	}
	r.statusCode = response.StatusCode
	r.class, r.failure = statusFailure(response.StatusCode)
	r.retryAfter = retryAfter(response.Header, finishedAt)
	return r, out
}

func (s *sender) request(ctx context.Context, id string, event []byte, at time.Time) (*http.Request, sent, error) {
	body, err := render(ctx, s.format, event, s.nameOf)
	if err != nil {
		return nil, sent{}, fmt.Errorf("%w: %w", ErrUnwritable, err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(body))
	if err != nil {
		return nil, sent{}, err
	}
	for _, h := range s.headers {
		request.Header.Set(h.Name, string(*h.Value))
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", userAgent)
	request.Header.Set("portico-api-version", s.apiVersion)
	if s.paymentKey != "" {
		request.Header.Set(paymentKeyHeader, string(s.paymentKey))
	}
	if err := s.sign(request.Header, id, at, body); err != nil {
		return nil, sent{}, err
	}
	return request, sent{request.Header, body}, nil
}

// sign sets the headers by which a receiver knows that a request is ours. While a rolled secret waits, only webhook-signature, which may
// have several, tells of it: existing receivers compare x-portal-signature as a whole.
func (s *sender) sign(header http.Header, id string, at time.Time, body []byte) error {
	signers := []signer{s.present}
	if s.next != nil {
		signers = append(signers, *s.next)
		if !at.Before(s.nextAt) {
			signers = signers[1:]
		}
	}
	signature, err := standardSignatures(signers, id, at, body)
	if err != nil {
		return err
	}
	header.Set("x-portal-signature", PortalSignature(string(signers[0].secret), body))
	header.Set("webhook-id", id)
	header.Set("webhook-timestamp", strconv.FormatInt(at.Unix(), 10))
	header.Set("webhook-signature", signature)
	return nil
}

// readText is the beginning of an answer as text that Postgres takes. A body that breaks off is shown as far as it came.
func readText(body io.Reader) string {
	raw, err := io.ReadAll(io.LimitReader(body, maxResponseBytes))
	if err == nil {
		_, _ = io.CopyN(io.Discard, body, maxWasteBytes)
	}
	return strings.ReplaceAll(strings.ToValidUTF8(string(raw), "\uFFFD"), "\x00", "\uFFFD")
}

// outcome is what becomes of the delivery: its status, and when it is tried again if it is still pending. A receiver's Retry-After
// can put an attempt off, not bring it forward.
func (r reply) outcome() (status string, retryAt time.Time) {
	if r.failure == "" {
		return DeliveryDelivered, time.Time{}
	}
	delay, again := retryDelay(r.deliveryID, r.number-r.before)
	if !again {
		return DeliveryFailed, time.Time{}
	}
	return DeliveryPending, r.startedAt.Add(r.duration + max(delay, r.retryAfter))
}
