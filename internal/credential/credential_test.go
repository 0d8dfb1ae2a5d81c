package credential_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"portico/internal/credential"
)

func basic(text string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(text)) }

func TestARequestCarriesItsCredentialInOnePlaceOrTheSameInSeveral(t *testing.T) {
	t.Parallel()
	none, nobody := (*credential.Credential)(nil), &credential.Credential{}
	key := &credential.Credential{Secret: "key"}
	for name, c := range map[string]struct {
		header http.Header
		query  string
		want   *credential.Credential
	}{
		"nowhere":                           {nil, "", none},
		"X-API-Key":                         {http.Header{"X-Api-Key": {"key"}}, "", key},
		"api-key":                           {http.Header{"Api-Key": {"key"}}, "", key},
		"Bearer":                            {http.Header{"Authorization": {"Bearer key"}}, "", key},
		"bearer with spaces":                {http.Header{"Authorization": {"bearer  key "}}, "", key},
		"the query parameter":               {nil, "?api_key=key", key},
		"the same everywhere":               {http.Header{"X-Api-Key": {"key"}, "Api-Key": {"key"}, "Authorization": {"Bearer key"}}, "?api_key=key", key},
		"two headers that differ":           {http.Header{"X-Api-Key": {"key"}, "Api-Key": {"yek"}}, "", nobody},
		"X-API-Key and another token":       {http.Header{"X-Api-Key": {"key"}, "Authorization": {"Bearer yek"}}, "", nobody},
		"X-API-Key and another scheme":      {http.Header{"X-Api-Key": {"key"}, "Authorization": {"Digest key"}}, "", nobody},
		"X-API-Key and another parameter":   {http.Header{"X-Api-Key": {"key"}}, "?api_key=yek", nobody},
		"an empty header beside a good one": {http.Header{"X-Api-Key": {""}, "Api-Key": {"key"}}, "", nobody},
		"one header twice":                  {http.Header{"X-Api-Key": {"key", "key"}}, "", nobody},
		"Authorization twice":               {http.Header{"Authorization": {"Bearer key", "Bearer key"}}, "", nobody},
		"the parameter twice":               {nil, "?api_key=key&api_key=key", nobody},
		"an empty header":                   {http.Header{"X-Api-Key": {""}}, "", nobody},
		"an empty parameter":                {nil, "?api_key=", nobody},
		"another parameter":                 {nil, "?API_KEY=key", none},
		"no scheme":                         {http.Header{"Authorization": {"key"}}, "", nobody},
		"Basic":                             {http.Header{"Authorization": {basic("id:key:more")}}, "", &credential.Credential{ClientID: "id", Secret: "key:more"}},
		"basic":                             {http.Header{"Authorization": {"b" + basic("id:key")[1:]}}, "", &credential.Credential{ClientID: "id", Secret: "key"}},
		"Basic without an id":               {http.Header{"Authorization": {basic(":key")}}, "", nobody},
		"Basic without a colon":             {http.Header{"Authorization": {basic("key")}}, "", nobody},
		"Basic that is not base64":          {http.Header{"Authorization": {"Basic id:key"}}, "", nobody},
		"Basic and the secret by itself":    {http.Header{"Authorization": {basic("id:key")}, "X-Api-Key": {"key"}}, "", nobody},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequest(http.MethodGet, "/"+c.query, nil)
			r.Header = c.header
			got, given := credential.Read(r, credential.Options{QueryParameter: true})
			require.Equal(t, c.want != none, given)
			if c.want != none {
				require.Equal(t, [2]string{c.want.ClientID, string(c.want.Secret)}, [2]string{got.ClientID, string(got.Secret)})
			}
		})
	}
}

func TestTheQueryParameterIsReadOnlyWhereItIsAskedFor(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequest(http.MethodGet, "/?api_key=yek", nil)
	_, given := credential.Read(r, credential.Options{})
	require.False(t, given)
	r.Header.Set("X-API-Key", "key")
	got, given := credential.Read(r, credential.Options{})
	require.True(t, given)
	require.Equal(t, "key", string(got.Secret))
}

func TestACredentialDoesNotPrintItsSecret(t *testing.T) {
	t.Parallel()
	require.NotContains(t, fmt.Sprintf("%v %+v %#v", credential.Credential{Secret: "key"}, credential.Credential{Secret: "key"}, credential.Credential{Secret: "key"}), "key")
}
