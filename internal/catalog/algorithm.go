package catalog

import "portico/internal/fault"

// The algorithms that sign a product's access tokens. Every stock library verifies ES256; not all know EdDSA.
const (
	ES256 = "ES256"
	EdDSA = "EdDSA"
)

// AccessTokenAlgorithms are all of them.
func AccessTokenAlgorithms() []string { return []string{ES256, EdDSA} }

func checkAlgorithm(algorithm string) *fault.Error {
	if algorithm != ES256 && algorithm != EdDSA {
		return fault.Invalid("accessTokenAlgorithm", "must be %s or %s", ES256, EdDSA)
	}
	return nil
}
