package graph

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"portico/internal/account"
	"portico/internal/fault"
)

const socketProtocol = "graphql-transport-ws"

// The types of the protocol's messages.
const (
	messageInit      = "connection_init"
	messageAck       = "connection_ack"
	messagePing      = "ping"
	messagePong      = "pong"
	messageSubscribe = "subscribe"
	messageNext      = "next"
	messageError     = "error"
	messageComplete  = "complete"
)

// How a connection is closed: the protocol's codes.
const (
	closeBadMessage  websocket.StatusCode = 4400
	closeNotYet      websocket.StatusCode = 4401
	closeForbidden   websocket.StatusCode = 4403
	closeProtocol    websocket.StatusCode = 4406
	closeInitTimeout websocket.StatusCode = 4408
	closeTaken       websocket.StatusCode = 4409
	closeInitTwice   websocket.StatusCode = 4429
)

// maxReason is how long the reason of a closing frame may be.
const maxReason = 123

// socket is a WebSocket that speaks graphql-transport-ws.
type socket struct {
	handler  *handler
	conn     *websocket.Conn
	request  *http.Request // of the handshake, with the credential that connection_init has brought
	page     string
	admitted bool
	leave    func() // gives the seat back

	mu         sync.Mutex
	operations map[string]context.CancelFunc
	running    sync.WaitGroup
}

// message is one of the protocol.
type message struct {
	ID      string          `json:"id,omitempty"`
	Type    string          `json:"type"`
	Payload json.RawMessage `json:"payload,omitempty"`
}

// closing is why a connection ends.
type closing struct {
	code   websocket.StatusCode
	reason string
}

func isSocket(r *http.Request) bool {
	return r.Method == http.MethodGet && strings.EqualFold(r.Header.Get("Upgrade"), "websocket")
}

// serveSocket answers a handshake and then the connection's messages. Where a page comes from has been looked at.
func (h *handler) serveSocket(ctx context.Context, x *exchange, w http.ResponseWriter, r *http.Request) {
	leave, err := h.seats.take(x.payer(account.Caller{Kind: account.KindAnonymous}))
	if err != nil {
		x.retryAfter = seatWait
		x.fail(ctx, w, err)
		return
	}
	s := &socket{handler: h, request: r, page: x.page, leave: leave, operations: map[string]context.CancelFunc{}}
	defer func() { s.leave() }()
	s.conn, err = websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{socketProtocol}, InsecureSkipVerify: true})
	if err != nil {
		return // and answered
	}
	s.conn.SetReadLimit(h.limits.MessageBytes)
	if s.conn.Subprotocol() != socketProtocol {
		s.close(closing{closeProtocol, "the subprotocol must be " + socketProtocol})
		return
	}
	ctx, end := context.WithCancel(ctx)
	go s.beat(ctx)
	late := time.AfterFunc(h.limits.InitTime, func() { s.close(closing{closeInitTimeout, "connection_init did not come in time"}) })
	why := s.read(ctx, late)
	late.Stop()
	end()
	s.running.Wait()
	s.close(why)
}

// read obeys messages until the connection ends, and tells why it does.
func (s *socket) read(ctx context.Context, late *time.Timer) closing {
	for {
		kind, text, err := s.conn.Read(ctx)
		if err != nil {
			return closing{websocket.StatusNormalClosure, ""} // it is closed already
		}
		var m message
		if kind != websocket.MessageText || json.Unmarshal(text, &m) != nil {
			return closing{closeBadMessage, "a message must be an object in JSON with the string type"}
		}
		if why := s.obey(ctx, m, late); why != nil {
			return *why
		}
	}
}

func (s *socket) obey(ctx context.Context, m message, late *time.Timer) *closing {
	switch m.Type {
	case messageInit:
		if s.admitted {
			return &closing{closeInitTwice, "connection_init was sent twice"}
		}
		if why := s.admit(ctx, m.Payload); why != nil {
			return why
		}
		late.Stop()
		s.admitted = true
		s.send(ctx, message{Type: messageAck})
	case messagePing:
		s.send(ctx, message{Type: messagePong, Payload: m.Payload})
	case messagePong:
	case messageSubscribe:
		return s.subscribe(ctx, m)
	case messageComplete:
		s.mu.Lock()
		if cancel := s.operations[m.ID]; cancel != nil {
			cancel()
		}
		s.mu.Unlock()
	default:
		return &closing{closeBadMessage, "there is no such type of message"}
	}
	return nil
}

// admit looks at who calls: connection_init may carry the headers that a browser cannot send with the handshake.
func (s *socket) admit(ctx context.Context, payload json.RawMessage) *closing {
	given := map[string]any{}
	if len(payload) > 0 && json.Unmarshal(payload, &given) != nil {
		return &closing{closeBadMessage, "the payload of connection_init must be an object"}
	}
	request := s.request.Clone(ctx)
	for name, value := range given {
		switch header := http.CanonicalHeaderKey(name); header {
		case "Authorization", "X-Api-Key", "Api-Key", "Portico-Merchant":
			text, is := value.(string)
			if !is || strings.ContainsAny(text, "\r\n\x00") {
				return &closing{closeBadMessage, "connection_init must have " + header + " as a string"}
			}
			request.Header.Set(header, text)
		}
	}
	x := s.exchange()
	authenticating, cancel := context.WithTimeout(context.WithValue(ctx, exchangeKey{}, x), s.handler.limits.QueryTime)
	defer cancel()
	caller, _, err := s.handler.identify(authenticating, x, request, false)
	if err != nil {
		return &closing{closeForbidden, x.present(authenticating, err).Message}
	}
	if caller.Kind != account.KindAnonymous {
		leave, err := s.handler.seats.take(x.payer(caller))
		if err != nil {
			return &closing{websocket.StatusTryAgainLater, err.Error()}
		}
		s.leave()
		s.leave = leave
	}
	s.request = request
	return nil
}

// exchange is for one operation.
func (s *socket) exchange() *exchange {
	x := s.handler.exchange(s.request)
	x.page, x.streams = s.page, true
	return x
}

func (s *socket) subscribe(ctx context.Context, m message) *closing {
	switch {
	case !s.admitted:
		return &closing{closeNotYet, "connection_init comes first"}
	case m.ID == "":
		return &closing{closeBadMessage, "subscribe must have an id"}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.operations[m.ID] != nil {
		return &closing{closeTaken, "an operation with this id is running"}
	}
	x := s.exchange()
	if len(s.operations) >= s.handler.limits.Operations {
		refused := refusal(string(fault.CodeThrottled), "This connection has %d operations running already.", len(s.operations))
		refused.Extensions["requestId"] = x.id
		s.send(ctx, message{ID: m.ID, Type: messageError, Payload: shownErrors(gqlerror.List{refused})})
		return nil
	}
	operating, cancel := context.WithCancel(context.WithValue(ctx, exchangeKey{}, x))
	s.operations[m.ID] = cancel
	s.running.Go(func() {
		last := s.operate(operating, x, m)
		completed := operating.Err() != nil
		cancel()
		// Before the last message: then the client may use the id again.
		s.mu.Lock()
		delete(s.operations, m.ID)
		s.mu.Unlock()
		if !completed && last.Type != "" {
			s.send(ctx, last)
		}
	})
	return nil
}

// operate performs one operation and gives the last message about it, none for a stream that the end of the connection has ended. A
// client that has completed it hears nothing more of it.
func (s *socket) operate(ctx context.Context, x *exchange, m message) (last message) {
	refused := func(errs ...*gqlerror.Error) message {
		for _, err := range errs {
			err.Extensions["requestId"] = x.id
		}
		return message{ID: m.ID, Type: messageError, Payload: shownErrors(errs)}
	}
	answer := func(errs gqlerror.List, data json.RawMessage) error {
		if ctx.Err() == nil {
			s.send(ctx, message{ID: m.ID, Type: messageNext, Payload: x.body(errs, data)})
		}
		return ctx.Err()
	}
	defer func() {
		if recovered := recover(); recovered != nil {
			last = refused(x.present(ctx, panicked(ctx, recovered)))
		}
	}()
	asked, problem := readBody(m.Payload)
	if problem != nil {
		return refused(badRequest("%s", problem.sentence))
	}
	given, err := s.handler.conduct(ctx, x, s.request, asked)
	switch {
	case err != nil:
		return refused(x.present(ctx, err))
	case given.stream != nil:
		if problem := given.stream.run(answer); problem != nil { //nolint:contextcheck // a stream has its own, made of this one
			return refused(problem)
		}
		return message{}
	case given.data == nil:
		return refused(given.errs...)
	}
	_ = answer(given.errs, given.data)
	return message{ID: m.ID, Type: messageComplete}
}

// send writes a message. A client that takes nothing for too long is cut off: what waits for it stays where it is stored.
func (s *socket) send(ctx context.Context, m message) {
	text, err := json.Marshal(m)
	if err != nil {
		panic(err) // all of it is ours or was parsed
	}
	writing, cancel := context.WithTimeout(ctx, s.handler.limits.WriteTime)
	defer cancel()
	if err := s.conn.Write(writing, websocket.MessageText, text); errors.Is(err, context.DeadlineExceeded) {
		s.handler.log.InfoContext(ctx, "a WebSocket was cut off: its client takes nothing")
	}
}

// beat sees to it that both ends and the proxies between them know that the connection lives.
func (s *socket) beat(ctx context.Context) {
	ticker := time.NewTicker(s.handler.limits.Beat)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			waiting, cancel := context.WithTimeout(ctx, s.handler.limits.WriteTime)
			err := s.conn.Ping(waiting)
			cancel()
			if err != nil {
				_ = s.conn.CloseNow()
				return
			}
		case <-s.handler.stopping:
			s.close(closing{websocket.StatusGoingAway, "the server is about to stop: connect again"})
			return
		case <-ctx.Done():
			return
		}
	}
}

func (s *socket) close(why closing) {
	_ = s.conn.Close(why.code, why.reason[:min(len(why.reason), maxReason)])
}
