package main

import (
	"bytes"
	"embed"
	"errors"
	"html/template"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"portico/internal/mail"
)

const (
	devMailPath  = "/dev/mail"
	devMailShown = 100
)

//go:embed pages
var pages embed.FS

var (
	devMailList = template.Must(template.ParseFS(pages, "pages/base.html", "pages/mails.html"))
	devMailOne  = template.Must(template.ParseFS(pages, "pages/base.html", "pages/mail.html"))
)

// routeDevMail adds the pages that show kept mails, links with tokens included, to whoever reaches this process: for dev only.
func routeDevMail(mux *http.ServeMux, outbox *mail.Outbox, log *slog.Logger) {
	d := devMail{outbox, log}
	mux.HandleFunc("GET "+devMailPath, d.list)
	mux.HandleFunc("GET "+devMailPath+"/{id}", d.one)
	mux.HandleFunc("GET "+devMailPath+"/{id}/html", d.html)
	mux.HandleFunc("GET "+devMailPath+"/{id}/text", d.text)
}

type devMail struct {
	outbox *mail.Outbox
	log    *slog.Logger
}

func (d devMail) list(w http.ResponseWriter, r *http.Request) {
	kept, err := d.outbox.KeptMails(r.Context(), devMailShown)
	if err != nil {
		d.fail(w, r, err)
		return
	}
	d.page(w, r, devMailList, kept)
}

func (d devMail) one(w http.ResponseWriter, r *http.Request) {
	if kept, found := d.find(w, r); found {
		d.page(w, r, devMailOne, kept)
	}
}

// html shows the mail as its recipient's program would: what it holds may neither run nor load anything, and its links open outside
// the frame.
func (d devMail) html(w http.ResponseWriter, r *http.Request) {
	kept, found := d.find(w, r)
	if !found {
		return
	}
	body := strings.Replace(kept.HTML, "<head>", `<head><base target="_blank">`, 1)
	respond(w, "text/html; charset=utf-8", "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; "+
		"style-src 'unsafe-inline'; frame-ancestors 'self'", []byte(body))
}

func (d devMail) text(w http.ResponseWriter, r *http.Request) {
	if kept, found := d.find(w, r); found {
		respond(w, "text/plain; charset=utf-8", "default-src 'none'; frame-ancestors 'none'", []byte(kept.Text))
	}
}

func (d devMail) find(w http.ResponseWriter, r *http.Request) (kept mail.Kept, found bool) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err == nil {
		kept, err = d.outbox.KeptMail(r.Context(), id)
	} else {
		err = mail.ErrNotKept
	}
	switch {
	case errors.Is(err, mail.ErrNotKept):
		http.Error(w, "there is no such mail", http.StatusNotFound)
	case err != nil:
		d.fail(w, r, err)
	}
	return kept, err == nil
}

func (d devMail) page(w http.ResponseWriter, r *http.Request, page *template.Template, data any) {
	var body bytes.Buffer
	if err := page.Execute(&body, data); err != nil {
		d.fail(w, r, err)
		return
	}
	respond(w, "text/html; charset=utf-8", "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'; "+
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'", body.Bytes())
}

func (d devMail) fail(w http.ResponseWriter, r *http.Request, err error) {
	d.log.ErrorContext(r.Context(), "show mails", "error", err)
	http.Error(w, "the mails cannot be shown; see the log", http.StatusInternalServerError)
}

func respond(w http.ResponseWriter, contentType, policy string, body []byte) {
	header := w.Header()
	header.Set("Content-Type", contentType)
	header.Set("Content-Security-Policy", policy)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cache-Control", "no-store")
	_, _ = w.Write(body)
}
