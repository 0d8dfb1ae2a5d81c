package graph

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/99designs/gqlgen/graphql"
)

const (
	mediaJSON     = "application/json"
	mediaResponse = "application/graphql-response+json"
)

// problem is why a request holds no operation, and the HTTP status that says so.
type problem struct {
	status   int
	sentence string
}

// readRequest reads an operation. What it refuses it does not repeat: the body may hold a secret.
func readRequest(w http.ResponseWriter, r *http.Request, limit int64) (*graphql.RawParams, *problem) {
	media, parameters, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	charset := strings.ToLower(parameters["charset"])
	if err != nil || media != mediaJSON || (charset != "" && charset != "utf-8") {
		return nil, &problem{http.StatusUnsupportedMediaType, "Send application/json in UTF-8."}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, &problem{http.StatusRequestEntityTooLarge, "The body has more than " + strconv.FormatInt(limit, 10) + " bytes."}
	case err != nil:
		return nil, &problem{http.StatusBadRequest, "The body could not be read."}
	}
	return readBody(body)
}

func readBody(body []byte) (*graphql.RawParams, *problem) {
	switch {
	case !utf8.Valid(body) || !json.Valid(body):
		return nil, &problem{http.StatusBadRequest, "The body is not JSON in UTF-8."}
	case hasHalfSurrogate(body):
		return nil, &problem{http.StatusBadRequest, "The body has half of a surrogate pair, which is no character."}
	}
	var asked struct {
		Query         *string
		OperationName string
		Variables     map[string]any
		Extensions    map[string]any
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber() // so that integers keep their digits
	if err := decoder.Decode(&asked); err != nil {
		return nil, &problem{http.StatusBadRequest,
			"The body must be an object with the string query, and operationName and variables if need be. Batches are not supported."}
	}
	if asked.Query == nil {
		return nil, &problem{http.StatusBadRequest, "The body has no query."}
	}
	return &graphql.RawParams{
		Query: *asked.Query, OperationName: asked.OperationName, Variables: asked.Variables, Extensions: asked.Extensions,
	}, nil
}

// hasHalfSurrogate looks at the raw text, which is known to be JSON: Go's decoder would put U+FFFD in its place without a word.
func hasHalfSurrogate(text []byte) bool {
	for {
		at := bytes.IndexByte(text, '\\')
		if at < 0 {
			return false
		}
		text = text[at:]
		if text[1] != 'u' {
			text = text[2:]
			continue
		}
		if first := escaped(text); utf16.IsSurrogate(first) {
			if !bytes.HasPrefix(text[6:], []byte(`\u`)) || utf16.DecodeRune(first, escaped(text[6:])) == utf8.RuneError {
				return true
			}
			text = text[6:]
		}
		text = text[6:]
	}
}

// escaped reads the \uXXXX that a text begins with.
func escaped(text []byte) rune {
	r, _ := strconv.ParseUint(string(text[2:6]), 16, 16)
	return rune(r)
}

// prefersResponseType tells whether a client asks for the media type with which a status code means something.
func prefersResponseType(r *http.Request) bool {
	values := r.Header.Values("Accept")
	if len(values) == 0 {
		return false
	}
	for _, accepted := range strings.Split(strings.Join(values, ","), ",") {
		switch media, _, err := mime.ParseMediaType(accepted); {
		case err != nil:
		case media == mediaResponse:
			return true
		case media == mediaJSON:
			return false
		}
	}
	return false
}
