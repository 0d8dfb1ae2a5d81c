package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTheLoadGeneratorSendsEveryRequestAndCountsWhatIsRight(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		var in map[string]int
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil || r.Header.Get("Who") != "me" {
			http.Error(w, "no", http.StatusBadRequest)
			return
		}
		_, _ = fmt.Fprintf(w, `{"right": %d, "padding": "%s"}`, in["n"], strings.Repeat("x", in["length"]))
	}))
	defer server.Close()
	l := &lab{scratch: t.TempDir()}
	var err error
	l.self, err = os.Executable()
	require.NoError(t, err)
	var requests [][]byte
	for _, length := range []int{1, 10_000} { // the longer answer comes in chunks
		request, err := post("/", map[string]string{"Who": "me"}, map[string]int{"n": 7, "length": length})
		require.NoError(t, err)
		requests = append(requests, request)
	}
	address := server.Listener.Addr().String()
	right, err := l.newTarget(address, `"right": 7`, 3, requests)
	require.NoError(t, err)
	result, err := l.load(t.Context(), right, 100*time.Millisecond)
	require.NoError(t, err)
	require.Positive(t, result.Requests)
	require.GreaterOrEqual(t, asked.Load(), int64(result.Requests))
	require.LessOrEqual(t, result.P50, result.P99)

	wrong, err := l.newTarget(address, `"right": 8`, 3, requests)
	require.NoError(t, err)
	_, err = l.load(t.Context(), wrong, 100*time.Millisecond)
	require.ErrorContains(t, err, "unexpected answer")

	refused, err := post("/", nil, nil)
	require.NoError(t, err)
	refusing, err := l.newTarget(address, "", 1, [][]byte{refused})
	require.NoError(t, err)
	_, err = l.load(t.Context(), refusing, 100*time.Millisecond)
	require.ErrorContains(t, err, "400")
}

func TestPercentilesAreThoseOfTheSortedList(t *testing.T) {
	t.Parallel()
	var sorted []time.Duration
	for i := range 100 {
		sorted = append(sorted, time.Duration(i+1)*time.Millisecond)
	}
	require.Equal(t, 51*time.Millisecond, percentile(sorted, 50))
	require.Equal(t, 100*time.Millisecond, percentile(sorted, 99))
	require.Equal(t, time.Millisecond, percentile(sorted[:1], 99))
	require.Zero(t, percentile(nil, 99))
}
