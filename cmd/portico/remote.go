package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"portico/internal/config"
	"portico/internal/secret"
)

const (
	remoteTimeout = 45 * time.Second // a mutation may wait for a payment provider
	// silence is how long a stream may send nothing, not even a sign of life, before it is taken for dead.
	silence = 40 * time.Second
	// maxEventLine is more than an answer with the largest event.
	maxEventLine = 16 << 20
)

// installation is a Portico that this process reaches over its API.
type installation struct {
	URL      string `help:"Address of the installation, such as https://portal.example.com. Default: PORTICO_PUBLIC_URL, or what PORTICO_ADDR says." placeholder:"URL"`
	APIKey   string `name:"api-key" help:"API key or session token, instead of PORTICO_API_KEY, where others on this machine do not see it." placeholder:"KEY"`
	Merchant string `help:"With a session token: the handle of the merchant to act for." placeholder:"SHOP"`
}

// remote calls an installation as one caller.
type remote struct {
	url    string
	key    secret.Text
	shop   string
	client *http.Client
}

// merchant is whom the caller acts for, and where its events are at the time.
type merchant struct {
	Name, Shop string
	Sandbox    bool
}

func (i installation) open() (*remote, error) {
	c, err := config.Load()
	if err != nil {
		return nil, err
	}
	r := &remote{url: i.URL, key: secret.Text(i.APIKey), shop: i.Merchant, client: &http.Client{}}
	if r.url == "" {
		r.url = c.PublicURL
	}
	if r.key == "" {
		r.key = c.APIKey
	}
	if r.key == "" {
		return nil, errors.New("PORTICO_API_KEY is not set: give an API key of the merchant, here or as --api-key")
	}
	address, err := url.Parse(r.url)
	if err != nil || (address.Scheme != "http" && address.Scheme != "https") || address.Host == "" {
		return nil, errors.New("--url must be an address such as https://portal.example.com")
	}
	r.url = strings.TrimSuffix(r.url, "/") + "/graphql"
	return r, nil
}

// refusedError is an answer that trying again does not change.
type refusedError struct{ code, message string }

func (e *refusedError) Error() string { return e.message + " (" + e.code + ")" }

// shownError is an entry of errors or userErrors.
type shownError struct {
	Message    string
	Code       string
	Extensions struct{ Code string }
}

// answered is an answer of the API.
type answered struct {
	Data   json.RawMessage
	Errors []shownError
}

// failure is nil for an answer without errors.
func (a answered) failure() error {
	if len(a.Errors) == 0 {
		return nil
	}
	switch first := a.Errors[0]; first.Extensions.Code {
	case "INTERNAL_SERVER_ERROR", "THROTTLED":
		return errors.New(first.Message)
	default:
		return &refusedError{first.Extensions.Code, first.Message}
	}
}

// ask performs an operation and reads its data.
func (r *remote) ask(ctx context.Context, document string, variables map[string]any, data any) error {
	ctx, cancel := context.WithTimeout(ctx, remoteTimeout)
	defer cancel()
	response, err := r.post(ctx, document, variables, "application/json")
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	var a answered
	if err := json.NewDecoder(response.Body).Decode(&a); err != nil {
		return notPortico(response)
	}
	if err := a.failure(); err != nil {
		return err
	}
	return json.Unmarshal(a.Data, data)
}

// follow hands over the data of each answer of a stream, until it ends, which is always an error.
func (r *remote) follow(ctx context.Context, document string, variables map[string]any, each func(json.RawMessage) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	response, err := r.post(ctx, document, variables, "text/event-stream")
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if !strings.HasPrefix(response.Header.Get("Content-Type"), "text/event-stream") {
		var a answered
		if json.NewDecoder(response.Body).Decode(&a) != nil || a.failure() == nil {
			return notPortico(response)
		}
		return a.failure()
	}
	dead := time.AfterFunc(silence, cancel)
	defer dead.Stop()
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, maxEventLine)
	for lines.Scan() {
		dead.Stop() // what is done with an answer may take its time
		if text, is := strings.CutPrefix(lines.Text(), "data: "); is && text != "" {
			var a answered
			if err := json.Unmarshal([]byte(text), &a); err != nil {
				return fmt.Errorf("read an answer of the stream: %w", err)
			}
			if err := a.failure(); err != nil {
				return err
			}
			if err := each(a.Data); err != nil {
				return err
			}
		}
		dead.Reset(silence)
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("the connection was lost: %w", err)
	}
	return errors.New("the connection was closed")
}

func (r *remote) post(ctx context.Context, document string, variables map[string]any, accept string) (*http.Response, error) {
	body, err := json.Marshal(map[string]any{"query": document, "variables": variables})
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", accept)
	request.Header.Set("Authorization", "Bearer "+string(r.key))
	if r.shop != "" {
		request.Header.Set("Portico-Merchant", r.shop)
	}
	response, err := r.client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("reach the installation: %w", err)
	}
	return response, nil
}

func notPortico(response *http.Response) error {
	return fmt.Errorf("%s answers %s, and not as Portico does", response.Request.URL.Host, response.Status)
}

// begin tells whom the caller acts for, and the cursor of now.
func (r *remote) begin(ctx context.Context) (merchant, string, error) {
	var data struct {
		Merchant          merchant
		LatestEventCursor string
	}
	err := r.ask(ctx, `{ merchant { name shop sandbox } latestEventCursor }`, nil, &data)
	return data.Merchant, data.LatestEventCursor, err
}

const followEvents = `subscription($types: [String!], $after: String!) {
	eventPublished(types: $types, after: $after) { cursor node { type sequence subscriptionId body } } }`

// published is an event with its place.
type published struct {
	Cursor string
	Node   struct {
		Type           string
		Sequence       int64
		SubscriptionID *string
		Body           json.RawMessage // byte for byte
	}
}

// id is how receivers know the event.
func (p published) id() string {
	var body struct{ ID string }
	_ = json.Unmarshal(p.Node.Body, &body) // an erased one has none
	return body.ID
}

// events follows the merchant's events behind a cursor. Without types, all.
func (r *remote) events(ctx context.Context, types []string, after string, each func(published) error) error {
	variables := map[string]any{"after": after}
	if len(types) > 0 {
		variables["types"] = types
	}
	return r.follow(ctx, followEvents, variables, func(data json.RawMessage) error {
		var answer struct{ EventPublished published }
		if err := json.Unmarshal(data, &answer); err != nil {
			return fmt.Errorf("read an event: %w", err)
		}
		return each(answer.EventPublished)
	})
}
