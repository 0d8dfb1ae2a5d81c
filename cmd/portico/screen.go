package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// devInfo is how to reach what dev has started.
type devInfo struct {
	GraphQLURL    string         `json:"graphqlUrl"`
	PlaygroundURL string         `json:"playgroundUrl"`
	MailURL       string         `json:"mailUrl"`
	Merchants     []demoMerchant `json:"merchants"`
}

func (i devInfo) print(w io.Writer, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(i)
	}
	var screen strings.Builder
	fmt.Fprintf(&screen, "\n  Portico is running. Ctrl-C stops everything.\n\n  Playground  %s\n  GraphQL     %s\n  Mail        %s\n",
		i.PlaygroundURL, i.GraphQLURL, i.MailURL)
	for _, m := range i.Merchants {
		fmt.Fprintf(&screen, "\n  %s (shop %s)\n    sign in   %s / %s\n    API key   %s\n", m.Name, m.Shop, m.MemberEmail, m.MemberPassword, m.APIKey)
		for _, p := range m.Products {
			fmt.Fprintf(&screen, "    product   %s, launch secret %s\n", p.Identifier, p.LaunchSecret)
		}
	}
	if command := i.curl(); command != "" {
		fmt.Fprintf(&screen, "\n  Mint a launch token:\n\n%s\n\n", command)
	}
	_, err := io.WriteString(w, screen.String())
	return err
}

// curl is a command to paste that mints a launch token for a subscribed customer of the demo.
func (i devInfo) curl() string {
	for _, m := range i.Merchants {
		for _, c := range m.Customers {
			if c.Subscribed == nil {
				continue
			}
			query := fmt.Sprintf(
				`mutation { launchTokenCreate(input: { customer: { email: \"%s\" }, product: { identifier: \"%s\" } }) `+
					`{ token url expiresAt userErrors { code message } } }`, c.Email, *c.Subscribed)
			return fmt.Sprintf("curl -s %s -H 'Content-Type: application/json' -H 'X-API-Key: %s' -d '{\"query\": \"%s\"}'",
				i.GraphQLURL, m.APIKey, query)
		}
	}
	return ""
}
