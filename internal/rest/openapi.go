package rest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/swaggest/jsonschema-go"
	"github.com/swaggest/openapi-go"
	"github.com/swaggest/openapi-go/openapi31"

	"portico/internal/credential"
)

// The names of the security schemes.
const (
	apiKeyScheme          = "apiKey"
	tokenKeyScheme        = "tokenKey"
	clientScheme          = "client"
	sessionScheme         = "session"
	apiKeyParameterScheme = "apiKeyParameter" //nolint:gosec // a name
)

const apiDescription = "The compatible routes of Portico, for integrations that were written for other systems. Whatever is done here can " +
	"be done with GraphQL, with the same rules, limits and audit log. Every answer has the header X-Request-Id; 429 and 503 have Retry-After. A " +
	"POST that is sent again with the same Idempotency-Key is performed once; an answer that was given before has Idempotent-Replayed: true."

// documentOf is the OpenAPI document of the routes. It panics over a route that cannot be described, when the door is made.
func documentOf(routes []route, publicURL string, secure bool) []byte {
	r := openapi31.NewReflector()
	r.JSONSchemaReflector().DefaultOptions = append(r.JSONSchemaReflector().DefaultOptions, jsonschema.StripDefinitionNamePrefix("Rest", "Settings"))
	r.JSONSchemaReflector().AddTypeMapping(json.RawMessage(nil), map[string]any{}) // objects, all of them
	r.JSONSchemaReflector().InlineDefinition(value(""))
	r.Spec.Info.WithTitle("Portico").WithVersion("1").WithDescription(apiDescription)
	if publicURL != "" {
		r.Spec.WithServers(openapi31.Server{URL: publicURL})
	}
	r.SpecEns().SetAPIKeySecurity(apiKeyScheme, "X-API-Key", openapi.InHeader, "An API key. The header api-key and a Bearer token do as well.")
	r.SpecEns().SetAPIKeySecurity(apiKeyParameterScheme, "api_key", openapi.InQuery, "The same as a parameter, where an integration depends on it.")
	r.SpecEns().SetAPIKeySecurity(tokenKeyScheme, "api-key", openapi.InHeader, "The merchant's token_key, or an API key.")
	r.SpecEns().SetHTTPBasicSecurity(clientScheme, "A client's id and secret; a POST may have them in its body.")
	r.SpecEns().SetAPIKeySecurity(sessionScheme, credential.SessionCookie(secure), openapi.InCookie, "A member who is signed in to the dashboard.")
	for _, one := range routes {
		if one.hidden {
			continue
		}
		if err := describe(r, one); err != nil {
			panic(fmt.Sprintf("describe %s: %s", one.pattern, err))
		}
	}
	document, err := r.Spec.MarshalJSON()
	if err != nil {
		panic(fmt.Sprintf("write the OpenAPI document: %s", err))
	}
	return document
}

func describe(r *openapi31.Reflector, one route) error {
	method, path, _ := strings.Cut(one.pattern, " ")
	operation, err := r.NewOperationContext(method, path)
	if err != nil {
		return err
	}
	operation.SetID(cmp.Or(one.id, one.action))
	operation.SetSummary(one.summary)
	operation.SetDescription(one.detail)
	for _, scheme := range one.security {
		operation.AddSecurity(scheme)
	}
	if one.in != nil {
		operation.AddReqStructure(one.in, openapi.WithCustomize(needed))
	}
	refusals := one.refusals
	switch {
	case method != http.MethodPost:
	case one.reveals:
		operation.AddReqStructure(keyless{})
	default:
		operation.AddReqStructure(keyed{})
		refusals = append(slices.Clone(refusals), http.StatusConflict)
	}
	operation.AddRespStructure(one.out, openapi.WithHTTPStatus(http.StatusOK))
	var refusal any = codedError{}
	if one.bare {
		refusal = bareError{}
	}
	usual := []int{http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests, http.StatusInternalServerError,
		http.StatusServiceUnavailable, http.StatusGatewayTimeout}
	for _, status := range slices.Compact(append(usual, refusals...)) {
		operation.AddRespStructure(refusal, openapi.WithHTTPStatus(status))
	}
	return r.AddOperation(operation)
}

// needed marks the body of a request as one that has to be sent.
func needed(content openapi.ContentOrReference) {
	if body, is := content.(*openapi31.RequestBodyOrReference); is {
		body.RequestBodyEns().WithRequired(true)
	}
}

// PrepareJSONSchema implements jsonschema.Preparer.
func (value) PrepareJSONSchema(schema *jsonschema.Schema) error {
	schema.Type = new(jsonschema.Type).WithSliceOfSimpleTypeValues(jsonschema.String, jsonschema.Number)
	return nil
}
