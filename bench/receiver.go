package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

const (
	hangsFor = 4500 * time.Millisecond
	hanging  = "/hanging" // the path of the endpoint that answers late
	stuck    = "/stuck"   // the path of one that never answers
	broken   = "/broken"  // the path of one that answers 500
)

// receiver is the trivial other end of webhooks: it notes when it first saw an event, and acknowledges.
type receiver struct {
	mu    sync.Mutex
	first map[string]time.Time // by path and event
	again int                  // events that came more than once
	last  time.Time
}

// receive is its role.
func receive(ctx context.Context, _ []string) error {
	r := &receiver{first: map[string]time.Time{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /", r.take)
	mux.HandleFunc("POST "+hanging, func(w http.ResponseWriter, request *http.Request) {
		select {
		case <-time.After(hangsFor):
			r.take(w, request)
		case <-request.Context().Done():
		}
	})
	mux.HandleFunc("POST "+stuck, func(_ http.ResponseWriter, request *http.Request) {
		// Only behind the body does the server notice that the sender has given up.
		if _, err := io.Copy(io.Discard, request.Body); err == nil {
			<-request.Context().Done()
		}
	})
	mux.HandleFunc("POST "+broken, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	mux.HandleFunc("GET /taken", r.taken)
	mux.HandleFunc("GET /receipts", r.receipts)
	return listen(ctx, mux)
}

func (r *receiver) take(w http.ResponseWriter, request *http.Request) {
	at := time.Now()
	if _, err := io.Copy(io.Discard, request.Body); err != nil {
		return
	}
	key := request.URL.Path + " " + request.Header.Get("webhook-id")
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, seen := r.first[key]; seen {
		r.again++
		return
	}
	r.first[key], r.last = at, at
}

// taken is how much has come.
type taken struct {
	Events int       `json:"events"`
	Again  int       `json:"again"`
	Last   time.Time `json:"last"`
}

func (r *receiver) taken(w http.ResponseWriter, _ *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_ = json.NewEncoder(w).Encode(taken{Events: len(r.first), Again: r.again, Last: r.last})
}

func (r *receiver) receipts(w http.ResponseWriter, _ *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_ = json.NewEncoder(w).Encode(r.first)
}

// ask reads one of its answers.
func ask(ctx context.Context, address, path string, answer any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+path, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("ask the receiver: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	return json.NewDecoder(response.Body).Decode(answer)
}
