package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	requestWithin = 60 * time.Second
	// notYet is how long a caller waits before asking again, at most.
	notYet = 400 * time.Millisecond
)

// object is a part of a JSON answer.
type object map[string]any

func (o object) at(path string) any {
	var here any = map[string]any(o)
	for step := range strings.SplitSeq(path, ".") {
		m, is := here.(map[string]any)
		if !is {
			return nil
		}
		here = m[step]
	}
	return here
}

func (o object) text(path string) string {
	text, _ := o.at(path).(string)
	return text
}

func (o object) list(path string) []object {
	items, _ := o.at(path).([]any)
	list := make([]object, len(items))
	for i, item := range items {
		list[i], _ = item.(map[string]any)
	}
	return list
}

// number is the row's id in a global id.
func number(globalID string) int64 {
	var n int64
	_, _ = fmt.Sscan(globalID[strings.LastIndexByte(globalID, '/')+1:], &n)
	return n
}

// client calls GraphQL as one caller, and asks again where an answer was lost.
type client struct {
	url      string
	header   [2]string // the credential
	shop     string    // for members: the merchant to act for
	failures *failures
	busy     *atomic.Int64 // mutations under way
}

// answer is a mutation's payload, or a query's data.
type answer struct {
	object
	code    string // of the first userError; empty when it was done
	message string
	again   bool // an earlier try may have done it already
}

// do runs an operation until there is an answer. With field it returns that payload.
func (c *client) do(ctx context.Context, field, query string, variables object) (answer, error) {
	body, err := json.Marshal(object{"query": query, "variables": variables})
	if err != nil {
		return answer{}, err
	}
	if field != "" {
		c.busy.Add(1)
		defer c.busy.Add(-1)
	}
	for again := false; ; again = true {
		data, err := c.once(ctx, body)
		if err == nil {
			a := answer{object: data, again: again}
			if field != "" {
				a.object, _ = data.at(field).(map[string]any)
			}
			if wrong := a.list("userErrors"); len(wrong) > 0 {
				a.code, a.message = wrong[0].text("code"), wrong[0].text("message")
			}
			return a, nil
		}
		c.failures.note(field, err)
		select {
		case <-ctx.Done():
			return answer{}, fmt.Errorf("%s: no answer: %w", field, err)
		case <-time.After(time.Duration(rand.Int64N(int64(notYet)))): //nolint:gosec // nobody gains by guessing it
		}
	}
}

// internalError is an answer that says nothing but that something went wrong at Portico. The log knows what.
type internalError struct {
	status    int
	requestID string
	text      string // where it is no error of GraphQL
}

func (e *internalError) Error() string {
	return fmt.Sprintf("answer %d, request %s %s", e.status, e.requestID, e.text)
}

func (c *client) once(ctx context.Context, body []byte) (object, error) {
	ctx, cancel := context.WithTimeout(ctx, requestWithin)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	if c.header[0] != "" {
		request.Header.Set(c.header[0], c.header[1])
	}
	if c.shop != "" {
		request.Header.Set("Portico-Merchant", c.shop)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	var got object
	if err := json.Unmarshal(text, &got); err != nil {
		return nil, &internalError{status: response.StatusCode, text: fmt.Sprintf("%.200s", text)}
	}
	if wrong := got.list("errors"); len(wrong) > 0 {
		failed := &internalError{status: response.StatusCode, requestID: wrong[0].text("extensions.requestId")}
		if wrong[0].text("extensions.code") != "INTERNAL_SERVER_ERROR" {
			failed.text = fmt.Sprintf("%.500s", text)
		}
		return nil, failed
	}
	data, _ := got["data"].(map[string]any)
	return data, nil
}

// internalFailure is an internal error and the operation that met it.
type internalFailure struct {
	operation string
	*internalError
}

// failures collects what went wrong between the driver and Portico.
type failures struct {
	mu         sync.Mutex
	lost       int // answers that never came
	internal   []internalFailure
	complaints []string // answers that Portico must never give
}

func (f *failures) note(operation string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var internal *internalError
	if errors.As(err, &internal) {
		f.internal = append(f.internal, internalFailure{operation, internal})
	} else {
		f.lost++
	}
}

func (f *failures) complain(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.complaints = append(f.complaints, fmt.Sprintf(format, args...))
}
