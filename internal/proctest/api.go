package proctest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// API calls GraphQL as one caller.
type API struct {
	T      *testing.T
	URL    string
	Header map[string]string
	Watch  Watcher // is shown what travels; nil for nobody
}

// Watcher is shown requests before they are sent, and their answers.
type Watcher interface {
	Request(query string, variables Object, header map[string]string)
	Answer(answer Object)
}

// With is the caller with one more header.
func (a API) With(name, value string) API {
	header := map[string]string{name: value}
	for k, v := range a.Header {
		if _, replaced := header[k]; !replaced {
			header[k] = v
		}
	}
	a.Header = header
	return a
}

// Do runs an operation and returns its data. Errors of any kind fail the test.
func (a API) Do(query string, variables Object) Object {
	a.T.Helper()
	answer := a.Post(query, variables)
	require.Nil(a.T, answer["errors"], "%s", answer)
	data := answer.Object("data")
	for field := range data {
		if userErrors, given := data.At(field + ".userErrors").([]any); given {
			require.Empty(a.T, userErrors, "%s: %v", field, userErrors)
		}
	}
	return data
}

// Post runs an operation and returns the whole answer.
func (a API) Post(query string, variables Object) Object {
	a.T.Helper()
	if a.Watch != nil {
		a.Watch.Request(query, variables, a.Header)
	}
	body, err := json.Marshal(Object{"query": query, "variables": variables})
	require.NoError(a.T, err)
	request, err := http.NewRequestWithContext(a.T.Context(), http.MethodPost, a.URL, bytes.NewReader(body))
	require.NoError(a.T, err)
	request.Header.Set("Content-Type", "application/json")
	for name, value := range a.Header {
		request.Header.Set(name, value)
	}
	answer := fetch(a.T, request)
	if a.Watch != nil {
		a.Watch.Answer(answer)
	}
	return answer
}

// Object is a part of a JSON answer.
type Object map[string]any

// At is what lies at a path of members, such as "a.b"; nil for nothing.
func (o Object) At(path string) any {
	var here any = map[string]any(o)
	for _, step := range strings.Split(path, ".") {
		m, ok := here.(map[string]any)
		if !ok {
			return nil
		}
		here = m[step]
	}
	return here
}

// Text is the string at a path.
func (o Object) Text(path string) string {
	text, _ := o.At(path).(string)
	return text
}

// Object is the object at a path.
func (o Object) Object(path string) Object {
	m, _ := o.At(path).(map[string]any)
	return m
}

// List is the objects of the array at a path.
func (o Object) List(path string) []Object {
	items, _ := o.At(path).([]any)
	list := make([]Object, len(items))
	for i, item := range items {
		m, _ := item.(map[string]any)
		list[i] = m
	}
	return list
}

// Get reads JSON from an address. An array is the member list of the answer.
func Get(t *testing.T, url string) Object {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	return fetch(t, request)
}

func fetch(t *testing.T, request *http.Request) Object {
	t.Helper()
	ctx, cancel := context.WithTimeout(request.Context(), Patience)
	defer cancel()
	response, err := http.DefaultClient.Do(request.WithContext(ctx))
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	var answer any
	require.NoError(t, json.Unmarshal(text, &answer), "%s answers %s", request.URL, text)
	if list, is := answer.([]any); is {
		return Object{"list": list}
	}
	return answer.(map[string]any)
}
