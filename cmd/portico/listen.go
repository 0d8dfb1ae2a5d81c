package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"time"

	"portico/internal/secret"
	"portico/internal/webhook"
)

const (
	forwardTimeout  = 30 * time.Second // the longest that an endpoint can have
	firstReconnect  = 500 * time.Millisecond
	slowestRecovery = 30 * time.Second
)

type listenCommand struct {
	installation
	ForwardTo     string   `help:"Address of the receiver, such as http://localhost:3000/hook." required:"" placeholder:"URL"`
	Events        []string `help:"Types of event, or all of a kind such as payment.*, separated by commas; all when left out." placeholder:"TYPE,..."`
	FromBeginning bool     `help:"Begin with the first event that is kept, instead of now." xor:"from"`
	After         string   `help:"Begin behind a cursor, such as the one that is printed at the end." xor:"from" placeholder:"CURSOR"`
	Secret        string   `help:"Signing secret, whsec_ and base64 of 24 to 64 bytes. Made from the API key and this machine's name when left out." placeholder:"WHSEC"`
}

// Run forwards until the context ends.
func (l *listenCommand) Run(ctx context.Context) error {
	target, err := url.Parse(l.ForwardTo)
	if err != nil || (target.Scheme != "http" && target.Scheme != "https") || target.Host == "" {
		return errors.New("--forward-to must be an address such as http://localhost:3000/hook")
	}
	from, err := l.open()
	if err != nil {
		return err
	}
	if l.Secret == "" {
		l.Secret = listenSecret(from.key)
	}
	// Also tells whether the secret can sign.
	if _, err := webhook.StandardSignature(l.Secret, "", time.Now(), nil); err != nil {
		return fmt.Errorf("--secret: %w", err)
	}
	whose, cursor, err := from.begin(ctx)
	if err != nil {
		return err
	}
	switch {
	case l.FromBeginning:
		cursor = ""
	case l.After != "":
		cursor = l.After
	}
	kind := "live"
	if whose.Sandbox {
		kind = "a sandbox"
	}
	f := &forwarder{listenCommand: l, cursor: cursor, out: os.Stdout, client: &http.Client{
		Timeout:       forwardTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	f.say("Events of %s (%s, %s) go to %s, Ctrl-C ends.\nSigning secret: %s\n", whose.Name, whose.Shop, kind, target.Redacted(), l.Secret)
	err = f.run(ctx, from)
	if ctx.Err() != nil {
		err = nil
	}
	if f.cursor != "" {
		f.say("Go on from here with --after %s\n", f.cursor)
	}
	return err
}

// listenSecret is the same whenever this key listens on this machine, and says nothing about the key.
func listenSecret(key secret.Text) string {
	name, _ := os.Hostname() // without one, the key alone decides
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte("portico listen\x00" + name))
	return "whsec_" + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// forwarder posts events to a receiver, one after the other.
type forwarder struct {
	*listenCommand
	cursor string // of the last event that was posted
	client *http.Client
	out    io.Writer
}

func (f *forwarder) say(format string, args ...any) { _, _ = fmt.Fprintf(f.out, format, args...) }

// run follows on, through lost connections, until the context ends or the installation refuses.
func (f *forwarder) run(ctx context.Context, from *remote) error {
	var wait time.Duration
	for {
		began := time.Now()
		err := from.events(ctx, f.Events, f.cursor, func(event published) error {
			wait = 0
			if err := f.forward(ctx, event); err != nil {
				return err
			}
			f.cursor = event.Cursor
			return nil
		})
		var refused *refusedError
		if ctx.Err() != nil || errors.As(err, &refused) {
			return err
		}
		wait = reconnectAfter(wait, time.Since(began))
		f.say("%v: trying again in %s\n", err, wait)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// reconnectAfter is how long to wait after a connection that has lasted so long, where the wait before it was the given one. One that has
// lasted is no part of the outage before it.
func reconnectAfter(before, lasted time.Duration) time.Duration {
	if lasted > slowestRecovery {
		return firstReconnect
	}
	return min(max(2*before, firstReconnect), slowestRecovery)
}

// forward posts one event as an endpoint would get it, and says what the receiver answers. It is an error only when the event was not
// posted because the context has ended.
func (f *forwarder) forward(ctx context.Context, event published) error {
	id, body := event.id(), []byte(event.Node.Body)
	if id == "" {
		f.say("%s was erased\n", event.Node.Type)
		return nil
	}
	began := time.Now()
	signature, err := webhook.StandardSignature(f.Secret, id, began, body)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, f.ForwardTo, bytes.NewReader(body))
	if err != nil {
		return err
	}
	for name, value := range map[string]string{
		"Content-Type": "application/json", "User-Agent": "Portico-Listen/1", "portico-api-version": webhook.APIVersion,
		"x-portal-signature": webhook.PortalSignature(f.Secret, body),
		"webhook-id":         id, "webhook-timestamp": strconv.FormatInt(began.Unix(), 10), "webhook-signature": signature,
	} {
		request.Header.Set(name, value)
	}
	response, err := f.client.Do(request)
	var answer string
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		answer = err.Error()
	default:
		answer = response.Status
		_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 16<<10))
		_ = response.Body.Close()
	}
	f.say("%s %s %s sequence %d: %s (%d ms)\n",
		began.UTC().Format(time.TimeOnly), event.Node.Type, id, event.Node.Sequence, answer, time.Since(began).Milliseconds())
	return nil
}
