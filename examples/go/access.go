package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"
)

// portico asks what subscriptions allow, with the product's client id and secret.
type portico struct {
	url, clientID, clientSecret, product string
	log                                  *slog.Logger
}

// allowance is what a user's subscription allows at this moment.
type allowance struct {
	Allowed    bool
	UpgradeURL string
	Features   map[string]any
}

// feature is a boolean of the plan. Missing is false.
func (a allowance) feature(name string) bool {
	value, _ := a.Features[name].(bool)
	return a.Allowed && value
}

// limit is a number of the plan. Missing is 0.
func (a allowance) limit(name string) int64 {
	value, _ := a.Features[name].(float64)
	if !a.Allowed {
		return 0
	}
	return int64(value)
}

const access = `query ($customer: CustomerRef!, $product: ProductRef!) {
  access(customer: $customer, product: $product) { allowed upgradeUrl features }
}`

// allows is what the launch token said while Portico cannot be asked.
func (p portico) allows(ctx context.Context, u user) allowance {
	a, err := p.ask(ctx, u)
	if err != nil {
		p.log.ErrorContext(ctx, "Portico was not asked", "error", err)
		return allowance{Allowed: true, Features: u.Subscription.Features}
	}
	return a
}

func (p portico) ask(ctx context.Context, u user) (allowance, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	body, err := json.Marshal(object{"query": access, "variables": object{
		"customer": object{"number": u.UserID}, "product": object{"identifier": p.product},
	}})
	if err != nil {
		return allowance{}, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url+"/graphql", bytes.NewReader(body))
	if err != nil {
		return allowance{}, err
	}
	request.Header.Set("Content-Type", "application/json")
	request.SetBasicAuth(p.clientID, p.clientSecret)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return allowance{}, err
	}
	defer func() { _ = response.Body.Close() }()
	var answer struct {
		Data   struct{ Access allowance }
		Errors []struct{ Message string }
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return allowance{}, fmt.Errorf("read the answer: %w", err)
	}
	if len(answer.Errors) > 0 {
		return allowance{}, errors.New(answer.Errors[0].Message)
	}
	return answer.Data.Access, nil
}
