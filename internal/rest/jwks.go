package rest

import (
	"net/http"
	"regexp"

	"portico/internal/access"
	"portico/internal/catalog"
	"portico/internal/fault"
)

// How long the published keys may be kept: much less than a key is published before it signs.
const keysMaxAge = "public, max-age=300"

var shopHandle = regexp.MustCompile(`^[a-z][a-z0-9-]{1,62}$`)

// keyRoutes publish what access tokens are verified with. Everybody may read them, pages of every origin among them.
func (d *door) keyRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /.well-known/jwks.json", d.guarded(d.publicKeys, route{}.refuse))
	mux.HandleFunc("GET /shops/{shop}/.well-known/openid-configuration", d.guarded(d.issuer, route{}.refuse))
}

func (d *door) publicKeys(w http.ResponseWriter, r *http.Request) error {
	keys, err := d.Portal.Access.PublicKeys(r.Context())
	if err != nil {
		return err
	}
	publish(w, struct {
		Keys []access.JWK `json:"keys"`
	}{keys})
	return nil
}

// issuer leads libraries that know the issuer of a shop's tokens to the keys. It is written without looking for the shop.
func (d *door) issuer(w http.ResponseWriter, r *http.Request) error {
	shop := r.PathValue("shop")
	if !shopHandle.MatchString(shop) {
		return fault.New(fault.CodeNotFound, "", "there is no such address")
	}
	publish(w, struct {
		Issuer     string   `json:"issuer"`
		Keys       string   `json:"jwks_uri"`
		Algorithms []string `json:"id_token_signing_alg_values_supported"`
		Subjects   []string `json:"subject_types_supported"`
		Responses  []string `json:"response_types_supported"`
	}{
		d.Portal.Access.IssuerOf(shop), d.PublicURL + "/.well-known/jwks.json", catalog.AccessTokenAlgorithms(), []string{"public"}, []string{},
	})
	return nil
}

func publish(w http.ResponseWriter, body any) {
	w.Header().Set("Cache-Control", keysMaxAge)
	w.Header().Set("Access-Control-Allow-Origin", "*")
	w.Header().Set("Cross-Origin-Resource-Policy", "cross-origin")
	respond(w, http.StatusOK, body)
}
