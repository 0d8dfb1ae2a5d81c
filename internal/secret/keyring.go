// Package secret owns encryption at rest, the format and hashing of credentials, and a text type that keeps itself out of logs.
package secret

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

const keySize = 32

// ErrOpen is returned for a ciphertext that no key of the ring opens, or that belongs to another row.
var ErrOpen = errors.New("the stored secret cannot be decrypted: wrong PORTICO_KEYS, or the row was tampered with")

// Keyring seals secrets that must be used again and hashes credentials that are only compared. The first key seals, all open.
type Keyring struct {
	first  byte
	keys   map[byte]cipher.AEAD
	pepper []byte
}

// Format implements fmt.Formatter, so that the keys do not print.
func (*Keyring) Format(state fmt.State, _ rune) { _, _ = io.WriteString(state, redacted) }

// NewKeyring reads keys of the form "2:<base64>,1:<base64>" (version 1 to 255, 32 bytes each, the newest first) and a
// base64 pepper of 32 bytes.
func NewKeyring(keys, pepper Text) (*Keyring, error) {
	ring := &Keyring{keys: map[byte]cipher.AEAD{}}
	if keys == "" {
		return nil, errors.New("PORTICO_KEYS is not set: give at least one key as 1:<base64 of 32 random bytes>")
	}
	for i, entry := range strings.Split(string(keys), ",") {
		version, aead, err := parseKey(strings.TrimSpace(entry))
		if err != nil {
			return nil, fmt.Errorf("PORTICO_KEYS, entry %d: %w", i+1, err)
		}
		if ring.keys[version] != nil {
			return nil, fmt.Errorf("PORTICO_KEYS, entry %d: version %d is given twice", i+1, version)
		}
		ring.keys[version] = aead
		if i == 0 {
			ring.first = version
		}
	}
	if pepper == "" {
		return nil, errors.New("PORTICO_PEPPER is not set: give base64 of 32 random bytes")
	}
	var err error
	if ring.pepper, err = decodeKey(string(pepper)); err != nil {
		return nil, fmt.Errorf("PORTICO_PEPPER: %w", err)
	}
	return ring, nil
}

func parseKey(entry string) (byte, cipher.AEAD, error) {
	versionText, keyText, found := strings.Cut(entry, ":")
	version, err := strconv.ParseUint(versionText, 10, 8)
	if !found || err != nil || version == 0 {
		return 0, nil, errors.New("want <version 1 to 255>:<base64 of 32 bytes>")
	}
	key, err := decodeKey(keyText)
	if err != nil {
		return 0, nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return 0, nil, err
	}
	aead, err := cipher.NewGCM(block)
	return byte(version), aead, err
}

func decodeKey(text string) ([]byte, error) {
	key, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(key) != keySize {
		return nil, fmt.Errorf("want base64 of %d bytes", keySize)
	}
	return key, nil
}

// NewKey is a fresh random key in the form NewKeyring reads after the version, and for the pepper.
func NewKey() Text {
	key := make([]byte, keySize)
	_, _ = rand.Read(key) // never fails: crypto/rand ends the program instead
	return Text(base64.StdEncoding.EncodeToString(key))
}

// Seal encrypts plain for the row and column that identity names, such as "product/12/launch_secret": the result opens for
// the same identity only, so that a ciphertext copied to another row is useless.
func (k *Keyring) Seal(identity string, plain Text) []byte {
	aead := k.keys[k.first]
	sealed := make([]byte, 1+aead.NonceSize(), 1+aead.NonceSize()+len(plain)+aead.Overhead())
	sealed[0] = k.first
	_, _ = rand.Read(sealed[1:])
	return aead.Seal(sealed, sealed[1:], []byte(plain), []byte(identity))
}

// Open decrypts what Seal made for the same identity.
func (k *Keyring) Open(identity string, sealed []byte) (Text, error) {
	if len(sealed) == 0 || k.keys[sealed[0]] == nil {
		return "", ErrOpen
	}
	aead := k.keys[sealed[0]]
	if len(sealed) < 1+aead.NonceSize() {
		return "", ErrOpen
	}
	plain, err := aead.Open(nil, sealed[1:1+aead.NonceSize()], sealed[1+aead.NonceSize():], []byte(identity))
	if err != nil {
		return "", ErrOpen
	}
	return Text(plain), nil
}

// Hash is what is stored of a credential to find it by: HMAC-SHA-256 with the pepper, so that a copy of the database alone
// does not allow guesses to be checked.
func (k *Keyring) Hash(credential Text) []byte {
	mac := hmac.New(sha256.New, k.pepper)
	mac.Write([]byte(credential))
	return mac.Sum(nil)
}

// First is the version of the key that seals.
func (k *Keyring) First() byte { return k.first }

// Has tells whether the ring has a key of the version.
func (k *Keyring) Has(version byte) bool { return k.keys[version] != nil }

// NewEntry is a fresh random key under a version that the ring does not use, in the form that NewKeyring reads: one above the
// highest, or the lowest that is free once 255 is taken. A nil ring uses none.
func (k *Keyring) NewEntry() (Text, error) {
	used := func(version int) bool { return k != nil && k.keys[byte(version)] != nil } //nolint:gosec // 1 to 255
	highest, lowest := 0, 0
	for version := 255; version > 0; version-- {
		switch {
		case !used(version):
			lowest = version
		case highest == 0:
			highest = version
		}
	}
	switch {
	case highest < 255:
		return Text(strconv.Itoa(highest+1)) + ":" + NewKey(), nil
	case lowest > 0:
		return Text(strconv.Itoa(lowest)) + ":" + NewKey(), nil
	}
	return "", errors.New("PORTICO_KEYS uses all 255 versions: rotate and remove old keys first")
}
