package graph

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

const (
	// persistedTexts of at most Limits.DocumentBytes are some 8 MB.
	persistedTexts = 500

	// What clients look for to send the document as well.
	persistedNotFound     = "PersistedQueryNotFound"
	codePersistedNotFound = "PERSISTED_QUERY_NOT_FOUND"
)

// names tells whether a request has the hash of its document.
func names(extensions map[string]any) bool { return extensions["persistedQuery"] != nil }

// find gives the text that a request means: the one it holds, or the one whose hash it names. The hash is of a document that was valid
// when it was last sent; what may be asked for is decided anew each time.
func (d *documents) find(ctx context.Context, asked *graphql.RawParams) (text, hash string, refused *gqlerror.Error) {
	if !names(asked.Extensions) {
		return asked.Query, "", nil
	}
	given, _ := asked.Extensions["persistedQuery"].(map[string]any)
	version, _ := given["version"].(json.Number)
	hash, _ = given["sha256Hash"].(string)
	hash = strings.ToLower(hash)
	if decoded, err := hex.DecodeString(hash); version != "1" || err != nil || len(decoded) != sha256.Size {
		return "", "", badRequest("extensions.persistedQuery must have the version 1 and a sha256Hash of 64 hexadecimal digits.")
	}
	if asked.Query == "" {
		text, known := d.persisted.Get(ctx, hash)
		if !known {
			return "", "", refusal(codePersistedNotFound, persistedNotFound)
		}
		return text, hash, nil
	}
	if len(asked.Query) <= d.limits.DocumentBytes { // others are refused whatever their hash
		if sum := sha256.Sum256([]byte(asked.Query)); hex.EncodeToString(sum[:]) != hash {
			return "", "", badRequest("The sha256Hash is not that of the query.")
		}
	}
	return asked.Query, hash, nil
}

// persist keeps the text of a valid document for requests that name its hash.
func (d *documents) persist(ctx context.Context, hash, text string) {
	if hash != "" {
		d.persisted.Add(ctx, hash, text)
	}
}
