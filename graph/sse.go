package graph

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/vektah/gqlparser/v2/gqlerror"
)

// The events of graphql-sse, in distinct connections mode.
const (
	eventNext     = "next"
	eventComplete = "complete"
)

// eventOf is an event as it goes over the wire. Between the tokens of JSON a line break is a space.
func eventOf(name string, data []byte) []byte {
	text := make([]byte, 0, len(name)+len(data)+len("event: \ndata: \n\n"))
	text = append(append(text, "event: "+name+"\ndata: "...), data...)
	line := text[len("event: "+name+"\n"):]
	for i, b := range line {
		if b == '\n' || b == '\r' {
			line[i] = ' '
		}
	}
	return append(text, "\n\n"...)
}

// sendEvents answers with server-sent events for as long as the stream goes on.
func (x *exchange) sendEvents(ctx context.Context, w http.ResponseWriter, s *stream) {
	defer s.end(errDone)
	leave, err := x.handler.seats.take(x.payer(s.caller))
	if err != nil {
		x.retryAfter = seatWait
		x.fail(ctx, w, err)
		return
	}
	defer leave()
	e := &events{w: w, control: http.NewResponseController(w), patience: x.handler.limits.WriteTime}
	// The server's own limits are for requests that end soon. The one for reading would take the client for gone.
	if e.control.SetReadDeadline(time.Time{}) != nil || e.control.SetWriteDeadline(time.Time{}) != nil {
		x.fail(ctx, w, errNoStream)
		return
	}
	w.Header().Set("Content-Type", mediaEvents+"; charset=utf-8")
	w.Header().Set("X-Accel-Buffering", "no") // for proxies that would collect answers
	w.WriteHeader(http.StatusOK)
	if e.send([]byte(":\n\n")) != nil {
		return
	}
	beating := make(chan struct{})
	go func() {
		defer close(beating)
		e.beat(s, x.handler.limits.Beat, x.handler.stopping)
	}()
	problem := s.run(func(errs gqlerror.List, data json.RawMessage) error { //nolint:contextcheck // a stream has its own, made of this one
		return e.send(eventOf(eventNext, x.body(errs, data)))
	})
	<-beating // which writes no more
	if problem != nil {
		_ = e.send(bytes.Join([][]byte{eventOf(eventNext, x.body(gqlerror.List{problem}, nil)), eventOf(eventComplete, nil)}, nil))
	}
}

var errNoStream = errors.New("the server's connection has no deadlines to lift")

// events is a client that takes events.
type events struct {
	mu       sync.Mutex
	w        http.ResponseWriter
	control  *http.ResponseController
	patience time.Duration
}

// send fails for a client that has gone, or that takes nothing for too long: what waits for it stays where it is stored.
func (e *events) send(text []byte) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	late := time.AfterFunc(e.patience, func() { _ = e.control.SetWriteDeadline(time.Unix(1, 0)) })
	defer late.Stop()
	if _, err := e.w.Write(text); err != nil {
		return err
	}
	return e.control.Flush()
}

// beat shows client and proxies that a stream without news lives, and ends it when the process is about to end.
func (e *events) beat(s *stream, every time.Duration, stopping <-chan struct{}) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			if e.send([]byte(":\n\n")) != nil {
				s.end(errDone)
			}
		case <-stopping:
			s.end(errDone)
			return
		case <-s.ctx.Done():
			return
		}
	}
}
