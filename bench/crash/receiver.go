package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"portico/internal/webhook"
)

// receiver is the merchants' side of webhooks: it verifies signatures, fails now and then, and remembers what it got.
type receiver struct {
	url  string
	http *http.Server
	seed uint64

	mu       sync.Mutex
	secrets  map[string]string // by path; only endpoints whose secret has reached its owner
	failed   map[delivery]bool
	receipts map[delivery]*receipt
	lanes    map[lane][]int64 // sequences in the order of first receipt
	wrong    []string
}

// delivery is one event at one endpoint.
type delivery struct{ path, id string }

// lane is the events of one subscription at one endpoint.
type lane struct {
	path         string
	subscription int64
}

// receipt is what is known of a delivery.
type receipt struct {
	hash  [sha256.Size]byte
	times int
}

func openReceiver(ctx context.Context, seed uint64) (*receiver, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := newReceiver(seed)
	r.url = "http://" + listener.Addr().String()
	r.http = &http.Server{Handler: r, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = r.http.Serve(listener) }()
	return r, nil
}

func newReceiver(seed uint64) *receiver {
	return &receiver{
		seed: seed, secrets: map[string]string{}, failed: map[delivery]bool{}, receipts: map[delivery]*receipt{}, lanes: map[lane][]int64{},
	}
}

func (r *receiver) close() { _ = r.http.Close() }

// expect begins to judge what comes to the path.
func (r *receiver) expect(path, secret string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.secrets[path] = secret
}

// failEvery is how many events of a subscription are between two that fail.
const failEvery = 30

// What a receiver does to a request.
type fate int

const (
	accepts      fate = iota
	refuses           // answers 500
	dropsRequest      // closes the connection before it has taken anything in
	dropsAnswer       // takes it in and closes the connection
)

// fateOf fails every thirtieth event of a subscription, the first time it comes. A second failure would wait for minutes, and several
// in a row would keep the lane behind them waiting.
func (r *receiver) fateOf(d delivery, l lane, sequence int64) fate {
	hash := fnv.New64a()
	_, _ = fmt.Fprint(hash, r.seed, l.path, l.subscription)
	start := hash.Sum64() % failEvery
	if r.failed[d] || (start+uint64(sequence))%failEvery != 0 { //nolint:gosec // sequences are positive
		return accepts
	}
	r.failed[d] = true
	return refuses + fate(start%uint64(dropsAnswer))
}

// ServeHTTP implements http.Handler.
func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return // the sender was killed half-way
	}
	switch r.take(request.URL.Path, request.Header, body) {
	case refuses:
		http.Error(w, "out of order today", http.StatusInternalServerError)
	case dropsRequest, dropsAnswer:
		panic(http.ErrAbortHandler)
	}
}

func (r *receiver) take(path string, header http.Header, body []byte) fate {
	r.mu.Lock()
	defer r.mu.Unlock()
	secret, known := r.secrets[path]
	if !known {
		return accepts // the answer with this endpoint's secret was lost: nobody can verify it
	}
	d := delivery{path, header.Get("webhook-id")}
	if err := verifySignatures(secret, header, body); err != nil {
		r.wrong = append(r.wrong, fmt.Sprintf("%s %s: %v", path, d.id, err))
		return accepts
	}
	var event struct {
		ID       string `json:"id"`
		Sequence int64  `json:"sequence"`
		Data     struct {
			SubscriptionID int64 `json:"subscriptionId"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &event); err != nil || event.ID != d.id {
		r.wrong = append(r.wrong, fmt.Sprintf("%s %s: the body is that of %q (%v)", d.path, d.id, event.ID, err))
		return accepts
	}
	l := lane{path, event.Data.SubscriptionID}
	does := r.fateOf(d, l, event.Sequence)
	if does != dropsRequest {
		r.remember(d, l, event.Sequence, body)
	}
	return does
}

func (r *receiver) remember(d delivery, l lane, sequence int64, body []byte) {
	hash := sha256.Sum256(body)
	if earlier := r.receipts[d]; earlier != nil {
		earlier.times++
		if earlier.hash != hash {
			r.wrong = append(r.wrong, fmt.Sprintf("%s %s: came again with another body", d.path, d.id))
		}
		return
	}
	r.receipts[d] = &receipt{hash: hash, times: 1}
	r.lanes[l] = append(r.lanes[l], sequence)
}

func verifySignatures(secret string, header http.Header, body []byte) error {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	if header.Get("x-portal-signature") != hex.EncodeToString(mac.Sum(nil)) {
		return fmt.Errorf("the portal's signature is wrong")
	}
	var seconds int64
	if _, err := fmt.Sscan(header.Get("webhook-timestamp"), &seconds); err != nil {
		return fmt.Errorf("the timestamp is %q", header.Get("webhook-timestamp"))
	}
	standard, err := webhook.StandardSignature(secret, header.Get("webhook-id"), time.Unix(seconds, 0), body)
	if err != nil {
		return err
	}
	if !slices.Contains(strings.Fields(header.Get("webhook-signature")), standard) {
		return fmt.Errorf("the standard signature is wrong")
	}
	return nil
}

// disordered are the subscriptions whose events did not first come as 1, 2, 3 and so on.
func (r *receiver) disordered() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var found []string
	for l, sequences := range r.lanes {
		for i, sequence := range sequences {
			if sequence != int64(i+1) {
				found = append(found, fmt.Sprintf("%s, subscription %d: event %d came as number %d", l.path, l.subscription, sequence, i+1))
				break
			}
		}
	}
	return found
}

// all is what has come.
func (r *receiver) all() map[delivery]receipt {
	r.mu.Lock()
	defer r.mu.Unlock()
	copied := make(map[delivery]receipt, len(r.receipts))
	for d, got := range r.receipts {
		copied[d] = *got
	}
	return copied
}

// paths are those of the endpoints that are judged.
func (r *receiver) paths() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Sorted(maps.Keys(r.secrets))
}

// complaints are what was wrong when it came.
func (r *receiver) complaints() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.wrong)
}
