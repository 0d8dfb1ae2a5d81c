package web

import (
	"bytes"
	"compress/gzip"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

const script = "console.log('the playground')"

func built(t *testing.T) fs.FS {
	t.Helper()
	var packed bytes.Buffer
	writer := gzip.NewWriter(&packed)
	_, err := writer.Write([]byte(script))
	require.NoError(t, err)
	require.NoError(t, writer.Close())
	return fstest.MapFS{
		"graphiql.html":           {Data: []byte(`<meta property="csp-nonce" nonce="NONCE"><script src="/assets/main-1a2b.js" nonce="NONCE"></script>`)},
		"licenses.txt":            {Data: []byte("MIT")},
		"assets/main-1a2b.js.br":  {Data: []byte("the same, by brotli")},
		"assets/main-1a2b.js.gz":  {Data: packed.Bytes()},
		"assets/icon-3c4d.svg.br": {Data: []byte("an icon")},
	}
}

func ask(pages fs.FS, method, path string, header http.Header) *httptest.ResponseRecorder {
	mux := http.NewServeMux()
	route(mux, pages)
	request := httptest.NewRequest(method, path, nil)
	request.Header = header
	recorder := httptest.NewRecorder()
	mux.ServeHTTP(recorder, request)
	return recorder
}

func TestAPageHasANonceOfItsOwnInEachAnswer(t *testing.T) {
	t.Parallel()
	pages := built(t)
	seen := map[string]bool{}
	for range 2 {
		answer := ask(pages, "GET", "/graphiql", nil)
		require.Equal(t, http.StatusOK, answer.Code)
		require.Equal(t, "no-store", answer.Header().Get("Cache-Control"))
		policy := answer.Header().Get("Content-Security-Policy")
		nonce := regexp.MustCompile(`'nonce-([A-Z2-7]{20,})'`).FindStringSubmatch(policy)
		require.NotNil(t, nonce, policy)
		require.Equal(t, 2, strings.Count(answer.Body.String(), `nonce="`+nonce[1]+`"`), answer.Body)
		require.NotContains(t, answer.Body.String(), "NONCE")
		require.False(t, seen[nonce[1]])
		seen[nonce[1]] = true
	}
}

func TestAPageRunsScriptsOfThisServerOnlyAndTalksToNobodyElse(t *testing.T) {
	t.Parallel()
	directives := map[string]string{}
	for _, directive := range strings.Split(ask(built(t), "GET", "/graphiql", nil).Header().Get("Content-Security-Policy"), "; ") {
		name, value, _ := strings.Cut(directive, " ")
		directives[name] = value
	}
	for name, want := range map[string]string{
		"default-src": "'none'", "script-src": "'self'", "worker-src": "'self'", "connect-src": "'self'", "font-src": "'self'",
		"img-src": "'self' data:", "style-src-attr": "'unsafe-inline'", "base-uri": "'none'", "form-action": "'none'", "frame-ancestors": "'none'",
	} {
		require.Equal(t, want, directives[name], name)
	}
	require.NotContains(t, directives["style-src"], "unsafe")
}

func TestAssetsAreSentAsTheClientLikesThemBestAndKeptForGood(t *testing.T) {
	t.Parallel()
	pages := built(t)
	for given, want := range map[string]string{
		"gzip, deflate, br, zstd": "br", "gzip, deflate": "gzip", "br;q=0.5, gzip;q=0.9": "gzip", "br;q=0.5, gzip; q=0.5": "br", "*": "br",
		"*;q=0.1, gzip": "gzip", "BR": "br", "br;q=0, gzip;q=0": "", "": "", "deflate": "", "identity": "", "identity, br;q=0.5": "", "br;q=much": "",
		"gzip;q=0, *": "br",
	} {
		header := http.Header{}
		if given != "" {
			header.Set("Accept-Encoding", given)
		}
		answer := ask(pages, "GET", "/assets/main-1a2b.js", header)
		require.Equal(t, http.StatusOK, answer.Code, given)
		require.Equal(t, want, answer.Header().Get("Content-Encoding"), given)
		require.Equal(t, "text/javascript; charset=utf-8", answer.Header().Get("Content-Type"))
		require.Equal(t, "public, max-age=31536000, immutable", answer.Header().Get("Cache-Control"))
		require.Equal(t, "Accept-Encoding", answer.Header().Get("Vary"))
		switch want {
		case "br":
			require.Equal(t, "the same, by brotli", answer.Body.String())
			require.Equal(t, "19", answer.Header().Get("Content-Length"))
		case "":
			require.Equal(t, script, answer.Body.String(), given)
		}
	}
	require.Equal(t, "image/svg+xml", ask(pages, "GET", "/assets/icon-3c4d.svg", http.Header{"Accept-Encoding": {"br"}}).Header().Get("Content-Type"))
}

func TestNothingButAssetsIsServed(t *testing.T) {
	t.Parallel()
	pages := built(t)
	for _, path := range []string{
		"/assets/", "/assets/gone-5e6f.js", "/assets/main-1a2b.js.br", "/assets/..%2Fgraphiql.html", "/assets/%2e%2e/graphiql.html",
		"/graphiql.html", "/graphiql/more", "/assets/a/b.js",
	} {
		answer := ask(pages, "GET", path, http.Header{"Accept-Encoding": {"br"}})
		require.NotEqual(t, http.StatusOK, answer.Code, path)
		require.Empty(t, answer.Header().Get("Cache-Control"), path)
	}
	require.Equal(t, http.StatusMethodNotAllowed, ask(pages, "POST", "/graphiql", nil).Code)
}

func TestTheLicensesOfWhatThePagesAreMadeOfAreServed(t *testing.T) {
	t.Parallel()
	answer := ask(built(t), "GET", "/graphiql/licenses", nil)
	require.Equal(t, http.StatusOK, answer.Code)
	require.Equal(t, "MIT", answer.Body.String())
	require.Equal(t, "text/plain; charset=utf-8", answer.Header().Get("Content-Type"))
}

func TestABinaryWithoutPagesSaysHowToMakeThem(t *testing.T) {
	t.Parallel()
	answer := ask(fstest.MapFS{".gitkeep": {}}, "GET", "/graphiql", nil)
	require.Equal(t, http.StatusNotFound, answer.Code)
	require.Contains(t, answer.Body.String(), "make build")
	require.Contains(t, answer.Body.String(), "npm")
	require.Equal(t, "text/html; charset=utf-8", answer.Header().Get("Content-Type"))
}
