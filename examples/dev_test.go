package examples_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"portico/internal/proctest"
)

func TestMain(m *testing.M) { os.Exit(proctest.Main(m)) }

type object = proctest.Object

// dev is what a running portico dev says of itself.
type dev struct {
	folder     string
	GraphQLURL string `json:"graphqlUrl"`
	Merchants  []struct {
		Shop     string
		APIKey   string
		Products []struct {
			Identifier string
			Plans      []struct{ ID int64 }
		}
	}
}

func (d *dev) url() string { return strings.TrimSuffix(d.GraphQLURL, "/graphql") }

// merchant calls as a server of the demo's first merchant.
func (d *dev) merchant(t *testing.T) proctest.API {
	return proctest.API{T: t, URL: d.GraphQLURL, Header: map[string]string{"X-API-Key": d.Merchants[0].APIKey}}
}

// cheapest is the id of a product's first plan.
func (d *dev) cheapest(product string) string {
	for _, p := range d.Merchants[0].Products {
		if p.Identifier == product {
			return fmt.Sprintf("gid://portico/Plan/%d", p.Plans[0].ID)
		}
	}
	return ""
}
