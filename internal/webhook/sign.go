package webhook

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"
	"time"
)

const (
	secretPrefix    = "whsec_"
	publicKeyPrefix = "whpk_"
)

// Standard Webhooks asks for keys of 24 to 64 bytes.
const (
	newKeyBytes = 32
	minKeyBytes = 24
	maxKeyBytes = 64
)

// NewSecret makes an endpoint's signing secret: whsec_ and 32 random bytes in base64.
func NewSecret() (string, error) {
	key := make([]byte, newKeyBytes)
	if _, err := rand.Read(key); err != nil {
		return "", err
	}
	return secretPrefix + base64.StdEncoding.EncodeToString(key), nil
}

// PortalSignature is the value of x-portal-signature: the lower-case hexadecimal HMAC-SHA256 of the body. The key is the whole
// secret as it is shown to the merchant, whsec_ included, because existing receivers pass that string to their HMAC as it is.
func PortalSignature(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

// StandardSignature is one signature for the header webhook-signature, as Standard Webhooks defines its version 1: v1, and the
// base64 HMAC-SHA256 of id.timestamp.body, where the timestamp is in whole seconds and the key is what the secret's base64 part
// stands for. An error means that the secret is not one of NewSecret's kind, and never shows it.
func StandardSignature(secret, id string, timestamp time.Time, body []byte) (string, error) {
	encoded, ok := strings.CutPrefix(secret, secretPrefix)
	if !ok {
		return "", errors.New("the signing secret does not begin with " + secretPrefix)
	}
	key, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return "", errors.New("the signing secret is not base64 behind " + secretPrefix)
	}
	if len(key) < minKeyBytes || len(key) > maxKeyBytes {
		return "", errors.New("the signing secret does not hold 24 to 64 bytes")
	}
	mac := hmac.New(sha256.New, key)
	mac.Write(signedContent(id, timestamp, body))
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)), nil
}

// AsymmetricSignature is one signature for the header webhook-signature as Standard Webhooks defines its version 1a: v1a, and the base64
// ed25519 signature of the same text that version 1 authenticates.
func AsymmetricSignature(key ed25519.PrivateKey, id string, timestamp time.Time, body []byte) string {
	return "v1a," + base64.StdEncoding.EncodeToString(ed25519.Sign(key, signedContent(id, timestamp, body)))
}

func signedContent(id string, timestamp time.Time, body []byte) []byte {
	return append([]byte(id+"."+strconv.FormatInt(timestamp.Unix(), 10)+"."), body...)
}
