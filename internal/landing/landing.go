// Package landing owns the few web pages that the links in mails to members lead to.
package landing

import (
	"embed"
	"io/fs"
	"net/http"
	"path"
)

//go:embed files
var files embed.FS

// The pages run one script of their own and talk to nobody but the API of this server. What a link carries stands behind its #, where
// it is in no request, no log and no referrer; the script takes it out of the address bar first of all.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Prefix is where the pages are served.
const Prefix = "/account/"

// Handler serves the pages: /account/verify, /account/reset and /account/invitation.
func Handler() http.Handler {
	mux := http.NewServeMux()
	for _, name := range []string{"verify.html", "reset.html", "invitation.html", "account.js", "account.css"} {
		content, err := fs.ReadFile(files, "files/"+name)
		if err != nil {
			panic(err) // it is in the binary or the binary is none
		}
		media, address := "text/html; charset=utf-8", Prefix+name[:len(name)-len(path.Ext(name))]
		switch path.Ext(name) {
		case ".js":
			media, address = "text/javascript; charset=utf-8", Prefix+name
		case ".css":
			media, address = "text/css; charset=utf-8", Prefix+name
		}
		mux.HandleFunc("GET "+address, func(w http.ResponseWriter, _ *http.Request) {
			header := w.Header()
			header.Set("Content-Type", media)
			header.Set("Content-Security-Policy", policy)
			header.Set("Referrer-Policy", "no-referrer")
			header.Set("X-Content-Type-Options", "nosniff")
			header.Set("Cross-Origin-Opener-Policy", "same-origin")
			header.Set("Cache-Control", "no-store")
			_, _ = w.Write(content)
		})
	}
	return mux
}
