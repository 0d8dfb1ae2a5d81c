package webhook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"portico/internal/fault"
	"portico/internal/secret"
)

const (
	userAgent        = "Portico-Webhooks/1"
	requestTimeout   = 10 * time.Second // for all of a request, the answer's body included
	maxResponseBytes = 16 << 10
)

// sender makes the requests to one endpoint.
type sender struct {
	client *http.Client
	url    string
	secret secret.Text
	now    func() time.Time
}

// message is a delivery that is due.
type message struct {
	deliveryID int64
	eventID    int64
	number     int32 // of the attempt, from 1
	body       []byte
}

// reply is what came of an attempt.
type reply struct {
	message
	startedAt  time.Time
	duration   time.Duration
	statusCode int    // 0 when there was no answer
	failure    string // a sentence for the merchant; "" for a 2xx
	body       string
	retryAfter time.Duration
}

// send makes one request. Whatever goes wrong is part of the reply.
func (s *sender) send(ctx context.Context, m message) reply {
	r := reply{message: m, startedAt: s.now()}
	response, err := s.post(ctx, m, r.startedAt)
	if err == nil {
		r.body = readText(response.Body)
		_ = response.Body.Close()
	}
	finishedAt := s.now()
	r.duration = finishedAt.Sub(r.startedAt)
	if err != nil {
		r.failure = failureOf(err)
		return r
	}
	r.statusCode = response.StatusCode
	r.failure = statusFailure(response.StatusCode)
	r.retryAfter = retryAfter(response.Header, finishedAt)
	return r
}

func (s *sender) post(ctx context.Context, m message, at time.Time) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(m.body))
	if err != nil {
		return nil, err
	}
	id := messageID(m.eventID)
	signature, err := StandardSignature(string(s.secret), id, at, m.body)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", userAgent)
	request.Header.Set("x-portal-signature", PortalSignature(string(s.secret), m.body))
	request.Header.Set("webhook-id", id)
	request.Header.Set("webhook-timestamp", strconv.FormatInt(at.Unix(), 10))
	request.Header.Set("webhook-signature", signature)
	return s.client.Do(request)
}

// readText is the beginning of an answer as text that Postgres takes. A body that breaks off is shown as far as it came.
func readText(body io.Reader) string {
	raw, _ := io.ReadAll(io.LimitReader(body, maxResponseBytes))
	return strings.ReplaceAll(strings.ToValidUTF8(string(raw), "\uFFFD"), "\x00", "\uFFFD")
}

func failureOf(err error) string {
	var (
		refused *fault.Error
		failed  *SendError
	)
	switch {
	case errors.As(err, &refused):
		return refused.Message
	case errors.As(err, &failed):
		return failed.Sentence
	default:
		return "the request could not be made"
	}
}

func statusFailure(code int) string {
	switch {
	case code >= 200 && code < 300:
		return ""
	case code >= 300 && code < 400:
		return fmt.Sprintf("the endpoint answered %d: redirects are not followed", code)
	case code == http.StatusGone:
		return "the endpoint answered 410 and was disabled"
	default:
		return fmt.Sprintf("the endpoint answered %d", code)
	}
}

// outcome is what becomes of the delivery: its status, and when it is tried again if it is still pending. A receiver's Retry-After
// can put an attempt off, not bring it forward.
func (r reply) outcome() (status string, retryAt time.Time) {
	if r.failure == "" {
		return DeliveryDelivered, time.Time{}
	}
	delay, again := retryDelay(r.deliveryID, r.number)
	if !again {
		return DeliveryFailed, time.Time{}
	}
	return DeliveryPending, r.startedAt.Add(r.duration + max(delay, r.retryAfter))
}
