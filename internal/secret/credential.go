package secret

import (
	"crypto/rand"
	"errors"
	"hash/crc32"
	"math/big"
	"strings"
)

// Kind is what a credential stands for, as its second part shows.
type Kind string

// The kinds of credential.
const (
	KindAPIKey          Kind = "sk"
	KindClientSecret    Kind = "cs"
	KindTokenKey        Kind = "tk"
	KindSession         Kind = "ss"
	KindOperatorSession Kind = "os"
	KindPersonSession   Kind = "ps"
	KindMagicLink       Kind = "ml"
	KindPortalSession   Kind = "bs" // of a browser that came with a portal token
	KindUserToken       Kind = "ut" // of a customer who connects a subscription
	KindMailed          Kind = "mt" // in a link that was mailed, for one use
)

const (
	alphabet       = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	randomLength   = 32
	checksumLength = 6
	hintLength     = 4
)

// ErrMalformed is returned for text that is not a credential: its form or its checksum is wrong, so that nothing needs to be
// looked up.
var ErrMalformed = errors.New("not a Portico credential")

// NewCredential makes ptc_<kind>_<live|test>_<32 random base62><6 base62 of CRC-32>: 190 random bits, recognisable to secret
// scanners, and checked for typing errors without a look-up.
func NewCredential(kind Kind, live bool) Text {
	mode := "test"
	if live {
		mode = "live"
	}
	var random strings.Builder
	size := big.NewInt(int64(len(alphabet)))
	for range randomLength {
		n, _ := rand.Int(rand.Reader, size) // never fails, as above
		random.WriteByte(alphabet[n.Int64()])
	}
	body := "ptc_" + string(kind) + "_" + mode + "_" + random.String()
	return Text(body + checksum(body))
}

// KindOf reads the kind of a well-formed credential.
func KindOf(credential Text) (Kind, error) {
	text := string(credential)
	parts := strings.Split(text, "_")
	if len(parts) != 4 || parts[0] != "ptc" || (parts[2] != "live" && parts[2] != "test") ||
		len(parts[3]) != randomLength+checksumLength || strings.Trim(parts[3], alphabet) != "" {
		return "", ErrMalformed
	}
	body := text[:len(text)-checksumLength]
	if text[len(body):] != checksum(body) {
		return "", ErrMalformed
	}
	switch kind := Kind(parts[1]); kind {
	case KindAPIKey, KindClientSecret, KindTokenKey, KindSession, KindOperatorSession, KindPersonSession,
		KindMagicLink, KindPortalSession, KindUserToken, KindMailed:
		return kind, nil
	default:
		return "", ErrMalformed
	}
}

// Hint is the beginning of a credential, enough for a person to recognise it by and too little to use.
func Hint(credential Text) string {
	text := string(credential)
	if i := strings.LastIndexByte(text, '_'); i >= 0 && len(text) > i+randomLength {
		return text[:i+1+hintLength]
	}
	return ""
}

func checksum(body string) string {
	sum := uint64(crc32.ChecksumIEEE([]byte(body)))
	digits := make([]byte, checksumLength)
	for i := checksumLength - 1; i >= 0; i-- {
		digits[i] = alphabet[sum%uint64(len(alphabet))]
		sum /= uint64(len(alphabet))
	}
	return string(digits)
}
