// The setup command connects an example with a running `portico dev`: it registers what the example needs and prints its environment.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"time"
)

// merchant is what portico dev keeps in demo.json of a merchant of its demo.
type merchant struct {
	Shop           string `json:"shop"`
	MemberEmail    string `json:"memberEmail"`
	MemberPassword string `json:"memberPassword"`
	APIKey         string `json:"apiKey"`
	Products       []struct {
		Identifier   string `json:"identifier"`
		LaunchSecret string `json:"launchSecret"`
		ClientID     string `json:"clientId"`
		ClientSecret string `json:"clientSecret"`
	} `json:"products"`
}

// example is a program beside this folder. A product has an identifier; a page has none.
type example struct {
	product string
	port    int
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "setup:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	home, err := os.UserHomeDir()
	if err != nil {
		return err
	}
	flags := flag.NewFlagSet("setup [flags] node|go|react", flag.ExitOnError)
	portico := flags.String("url", "http://127.0.0.1:8080", "where portico dev listens")
	folder := flags.String("data-dir", filepath.Join(home, ".portico"), "the data folder of portico dev")
	port := flags.Int("port", 0, "where the example is to listen, instead of its own port")
	if err := flags.Parse(args); err != nil {
		return err
	}
	examples := map[string]example{"node": {"rosterly", 3000}, "go": {"ledgerlite", 3001}, "react": {"", 5173}}
	chosen, known := examples[flags.Arg(0)]
	if !known {
		flags.Usage()
		return errors.New("name an example: node, go or react")
	}
	if *port != 0 {
		chosen.port = *port
	}
	m, err := readDemo(filepath.Join(*folder, "demo.json"))
	if err != nil {
		return err
	}
	if chosen.product == "" {
		return setUpPage(ctx, *portico, m, chosen.port)
	}
	return setUpProduct(ctx, *portico, m, chosen)
}

func readDemo(path string) (merchant, error) {
	var demo []merchant
	text, err := os.ReadFile(path)
	if err != nil {
		return merchant{}, fmt.Errorf("read the demo's credentials (run `make dev` first): %w", err)
	}
	if err := json.Unmarshal(text, &demo); err != nil {
		return merchant{}, fmt.Errorf("read %s: %w", path, err)
	}
	if len(demo) == 0 {
		return merchant{}, fmt.Errorf("%s has no merchant", path)
	}
	return demo[0], nil
}

// setUpProduct has a product told of its subscriptions. Secrets of endpoints are shown once, so the endpoint of an earlier run goes.
func setUpProduct(ctx context.Context, portico string, m merchant, e example) error {
	api := api{url: portico, header: http.Header{"X-Api-Key": {m.APIKey}}}
	address := fmt.Sprintf("http://127.0.0.1:%d/webhooks", e.port)
	var found struct {
		WebhookEndpoints struct {
			Nodes []struct{ ID, URL string }
		}
	}
	err := api.do(ctx, `query ($product: String!) { webhookEndpoints(product: {identifier: $product}, first: 100) { nodes { id url } } }`,
		map[string]any{"product": e.product}, &found)
	if err != nil {
		return err
	}
	for _, endpoint := range found.WebhookEndpoints.Nodes {
		if endpoint.URL != address {
			continue
		}
		err := api.do(ctx, `mutation ($id: ID!) { change: webhookEndpointDelete(input: {id: $id}) { userErrors { message } } }`,
			map[string]any{"id": endpoint.ID}, &changed{})
		if err != nil {
			return err
		}
	}
	var made changed
	err = api.do(ctx, `mutation ($url: String!, $product: String!) {
		change: webhookEndpointCreate(input: {url: $url, product: {identifier: $product}, description: "The example"}) {
			secret userErrors { message } } }`,
		map[string]any{"url": address, "product": e.product}, &made)
	if err != nil {
		return err
	}
	for _, product := range m.Products {
		if product.Identifier == e.product {
			_, err := fmt.Printf("PORT=%d\nPRODUCT_IDENTIFIER=%s\nPORTAL_JWT_SECRET=%s\nPORTAL_WEBHOOK_SECRET=%s\nPORTICO_URL=%s\n"+
				"PORTICO_ISSUER=%s/shops/%s\nPORTICO_CLIENT_ID=%s\nPORTICO_CLIENT_SECRET=%s\n",
				e.port, e.product, product.LaunchSecret, made.Change.Secret, portico, portico, m.Shop, product.ClientID, product.ClientSecret)
			return err
		}
	}
	return fmt.Errorf("the demo has no product %s", e.product)
}

// setUpPage lets pages of the example's origin call the API, which is for the merchant's administrators to decide.
func setUpPage(ctx context.Context, portico string, m merchant, port int) error {
	public := api{url: portico, header: http.Header{}}
	var signedIn changed
	err := public.do(ctx, `mutation ($email: String!, $password: String!) {
		change: memberSignIn(input: {email: $email, password: $password}) { sessionToken userErrors { message } } }`,
		map[string]any{"email": m.MemberEmail, "password": m.MemberPassword}, &signedIn)
	if err != nil {
		return err
	}
	member := api{url: portico, header: http.Header{"Authorization": {"Bearer " + signedIn.Change.SessionToken}, "Portico-Merchant": {m.Shop}}}
	var before struct{ CorsOrigins []string }
	if err := member.do(ctx, `{ corsOrigins }`, nil, &before); err != nil {
		return err
	}
	origins := append(before.CorsOrigins, fmt.Sprintf("http://localhost:%d", port))
	err = member.do(ctx, `mutation ($origins: [String!]!) { change: corsOriginsUpdate(input: {origins: $origins}) { userErrors { message } } }`,
		map[string]any{"origins": origins}, &changed{})
	if err != nil {
		return err
	}
	if err := member.do(ctx, `mutation { change: memberSignOut { userErrors { message } } }`, nil, &changed{}); err != nil {
		return err
	}
	_, err = fmt.Printf("PORT=%d\nVITE_PORTICO_URL=%s\n", port, portico)
	return err
}

// changed is the answer to a mutation that is asked for as `change`.
type changed struct {
	Change struct {
		Secret       string
		SessionToken string
		UserErrors   []struct{ Message string }
	}
}

// api calls GraphQL as one caller.
type api struct {
	url    string
	header http.Header
}

func (a api) do(ctx context.Context, query string, variables map[string]any, data any) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, a.url+"/graphql", bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header = a.header.Clone()
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("ask Portico (is `make dev` running?): %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	answer := struct {
		Data   any
		Errors []struct{ Message string }
	}{Data: data}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return fmt.Errorf("read Portico's answer: %w", err)
	}
	if len(answer.Errors) > 0 {
		return fmt.Errorf("portico answers: %s", answer.Errors[0].Message)
	}
	if c, is := data.(*changed); is && len(c.Change.UserErrors) > 0 {
		return fmt.Errorf("portico refuses: %s", c.Change.UserErrors[0].Message)
	}
	return nil
}
