package main

import (
	"io"
	"net/http"
)

// devWebhookPath is where dev takes webhooks, for endpoints of whoever tries them out.
const devWebhookPath = "/dev/webhook"

// routeDevWebhook adds a receiver that acknowledges everything, as a product does. It looks at nothing: deliveries show what was sent.
func routeDevWebhook(mux *http.ServeMux) {
	mux.HandleFunc("POST "+devWebhookPath, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"received":true}`)
	})
}
