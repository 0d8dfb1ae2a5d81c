// Package web owns the pages that run in a browser: npm builds them into dist, this serves them out of the binary.
package web

import (
	"bytes"
	"compress/gzip"
	"crypto/rand"
	"embed"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
)

//go:embed all:dist
var dist embed.FS

// Playground is where the playground is served.
const Playground = "/graphiql"

// assets is where pages find what they are made of. Names there hold the hash of the content.
const assets = "/assets/"

// Route adds the pages and what they are made of.
func Route(mux *http.ServeMux) {
	built, err := fs.Sub(dist, "dist")
	if err != nil {
		panic(err) // the name is valid
	}
	route(mux, built)
}

func route(mux *http.ServeMux, built fs.FS) {
	mux.Handle("GET "+Playground, page(built, "graphiql.html"))
	mux.HandleFunc("GET "+Playground+"/licenses", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFileFS(w, r, built, "licenses.txt")
	})
	mux.HandleFunc("GET "+assets+"{name}", func(w http.ResponseWriter, r *http.Request) {
		serveAsset(w, r, built, r.PathValue("name"))
	})
}

// policy is what a page may do: run and load what this server has, and talk to it. Monaco writes the lines of its editors as HTML with
// style attributes, which only 'unsafe-inline' admits; elements of style need the nonce, which nonce.ts gives to those that libraries make.
const policy = "default-src 'none'; script-src 'self'; worker-src 'self'; connect-src 'self'; img-src 'self' data:; font-src 'self'; " +
	"style-src 'self' 'nonce-%s'; style-src-attr 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// placeholder stands in built pages where the nonce goes, as vite.config.ts says.
const placeholder = `"NONCE"`

// page serves a page with a nonce of its own for each answer, or says how to build the pages if they are not.
func page(built fs.FS, name string) http.Handler {
	content, err := fs.ReadFile(built, name)
	if err != nil {
		return http.HandlerFunc(unbuilt)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		nonce := rand.Text()
		header := w.Header()
		header.Set("Content-Type", "text/html; charset=utf-8")
		header.Set("Content-Security-Policy", fmt.Sprintf(policy, nonce))
		header.Set("Cache-Control", "no-store")
		_, _ = w.Write(bytes.ReplaceAll(content, []byte(placeholder), []byte(strconv.Quote(nonce))))
	})
}

func unbuilt(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusNotFound)
	_, _ = io.WriteString(w, `<!doctype html><html lang="en"><meta charset="utf-8"><title>Portico: pages not built</title>
<h1>This binary was built without its pages</h1>
<p>With Node.js 20 and npm, run <code>make build</code> (or <code>make dev</code>) in the source folder, and start Portico again.</p>
<p>The API is at <code>POST /graphql</code>, with or without them.</p></html>
`)
}

// serveAsset serves a file as the build has compressed it, straight from the binary's own memory.
func serveAsset(w http.ResponseWriter, r *http.Request, built fs.FS, name string) {
	encoding := accepted(r.Header.Values("Accept-Encoding"))
	suffix := map[string]string{"br": ".br", "gzip": ".gz", "identity": ".gz"}[encoding]
	file, err := built.Open(path.Join("assets", name+suffix))
	if err != nil {
		http.NotFound(w, r)
		return
	}
	defer func() { _ = file.Close() }()
	header := w.Header()
	header.Set("Content-Type", mediaType(name))
	header.Set("Cache-Control", "public, max-age=31536000, immutable")
	header.Set("Vary", "Accept-Encoding")
	if encoding == "identity" {
		plain, err := gzip.NewReader(file)
		if err != nil {
			panic(err) // the build wrote it
		}
		_, _ = io.Copy(w, plain) //nolint:gosec // it is as large as the build made it
		return
	}
	info, err := file.Stat()
	if err != nil {
		panic(err) // a file in memory
	}
	header.Set("Content-Encoding", encoding)
	header.Set("Content-Length", strconv.FormatInt(info.Size(), 10))
	_, _ = io.Copy(w, file)
}

// mediaType is given by the name, and not by the tables of the machine.
func mediaType(name string) string {
	switch path.Ext(name) {
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".ttf":
		return "font/ttf"
	default:
		return "application/octet-stream"
	}
}

// accepted is the encoding to answer with: of those that the client likes best, the one that is smallest. Whoever refuses all of them
// gets identity, which is better than nothing.
func accepted(headers []string) string {
	weights := map[string]float64{}
	for _, part := range strings.Split(strings.Join(headers, ","), ",") {
		coding, parameters, _ := strings.Cut(part, ";")
		weight := 1.0
		if q, given := strings.CutPrefix(strings.ReplaceAll(strings.ToLower(parameters), " ", ""), "q="); given {
			// What is no number is a client that cannot be understood: it gets the plain file.
			weight, _ = strconv.ParseFloat(q, 64)
		}
		weights[strings.ToLower(strings.TrimSpace(coding))] = weight
	}
	best, most := "identity", 0.0
	for _, coding := range []string{"br", "gzip"} {
		weight, named := weights[coding]
		if !named {
			weight = weights["*"]
		}
		if weight > most {
			best, most = coding, weight
		}
	}
	if weights["identity"] > most {
		return "identity"
	}
	return best
}
