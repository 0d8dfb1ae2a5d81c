package graph

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/99designs/gqlgen/graphql"

	"portico/internal/jsontext"
)

const (
	mediaJSON     = "application/json"
	mediaResponse = "application/graphql-response+json"
	mediaEvents   = "text/event-stream"
)

// problem is why a request holds no operation, and the HTTP status that says so.
type problem struct {
	status   int
	sentence string
}

// readRequest reads an operation: of a body, or of the parameters of a GET. What it refuses it does not repeat: it may hold a secret.
func readRequest(w http.ResponseWriter, r *http.Request, limits Limits) (*graphql.RawParams, *problem) {
	switch r.Method {
	case http.MethodPost:
		return readPost(w, r, limits.BodyBytes)
	case http.MethodGet:
		return readGet(r, limits.URLBytes)
	}
	w.Header().Set("Allow", "GET, POST")
	return nil, &problem{http.StatusMethodNotAllowed, "Send operations with POST, or queries with GET."}
}

func readPost(w http.ResponseWriter, r *http.Request, limit int64) (*graphql.RawParams, *problem) {
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
	var asked struct {
		Query         *string
		OperationName string
		Variables     map[string]any
		Extensions    map[string]any
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber() // so that integers keep their digits
	err := decoder.Decode(&asked)
	switch {
	case !utf8.Valid(body), err != nil && !json.Valid(body), err == nil && !blank(body[decoder.InputOffset():]):
		return nil, &problem{http.StatusBadRequest, "The body is not JSON in UTF-8."}
	case jsontext.HalfSurrogate(body):
		return nil, &problem{http.StatusBadRequest, "The body has half of a surrogate pair, which is no character."}
	case err != nil:
		return nil, &problem{http.StatusBadRequest,
			"The body must be an object with the string query, and operationName and variables if need be. Batches are not supported."}
	}
	switch {
	case asked.Query == nil && names(asked.Extensions):
		asked.Query = new(string)
	case asked.Query == nil:
		return nil, &problem{http.StatusBadRequest, "The body has no query."}
	}
	return &graphql.RawParams{
		Query: *asked.Query, OperationName: asked.OperationName, Variables: asked.Variables, Extensions: asked.Extensions,
	}, nil
}

func readGet(r *http.Request, limit int) (*graphql.RawParams, *problem) {
	if len(r.RequestURI) > limit {
		return nil, &problem{http.StatusRequestURITooLong, "The address has more than " + strconv.Itoa(limit) + " bytes: use POST."}
	}
	given, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, &problem{http.StatusBadRequest, "The parameters of the address cannot be read."}
	}
	asked := &graphql.RawParams{Query: given.Get("query"), OperationName: given.Get("operationName")}
	for name, object := range map[string]*map[string]any{"variables": &asked.Variables, "extensions": &asked.Extensions} {
		if problem := readObject(name, given.Get(name), object); problem != nil {
			return nil, problem
		}
	}
	switch {
	case len(given["query"]) > 1 || len(given["operationName"]) > 1 || len(given["variables"]) > 1 || len(given["extensions"]) > 1:
		return nil, &problem{http.StatusBadRequest, "A parameter of the address is given twice."}
	case !utf8.ValidString(asked.Query) || !utf8.ValidString(asked.OperationName):
		return nil, &problem{http.StatusBadRequest, "The parameters of the address are not UTF-8."}
	case !given.Has("query") && !names(asked.Extensions):
		return nil, &problem{http.StatusBadRequest, "The address has no parameter query."}
	}
	return asked, nil
}

// readObject reads a parameter that is an object in JSON, if it is given.
func readObject(name, text string, object *map[string]any) *problem {
	if text == "" {
		return nil
	}
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	if !utf8.ValidString(text) || !json.Valid([]byte(text)) || jsontext.HalfSurrogate([]byte(text)) || decoder.Decode(object) != nil {
		return &problem{http.StatusBadRequest, "The parameter " + name + " is not an object in JSON and UTF-8."}
	}
	return nil
}

// blank tells whether JSON takes a text for nothing.
func blank(text []byte) bool { return len(bytes.Trim(text, " \t\r\n")) == 0 }

// media are the types that a client names in Accept, in its order.
type media []string

func mediaOf(r *http.Request) media {
	values := r.Header.Values("Accept")
	if len(values) == 0 {
		return nil
	}
	var named media
	for value := range strings.SplitSeq(strings.Join(values, ","), ",") {
		if one, _, err := mime.ParseMediaType(value); err == nil {
			named = append(named, one)
		}
	}
	return named
}

// prefer tells whether the client wants the type rather than plain JSON. With mediaResponse status codes mean something.
func (m media) prefer(wanted string) bool {
	for _, one := range m {
		switch one {
		case wanted:
			return true
		case mediaJSON, mediaResponse, mediaEvents:
			return false
		}
	}
	return false
}
