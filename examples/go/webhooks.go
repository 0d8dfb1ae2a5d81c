package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// event is what the product reads of a webhook.
type event struct {
	Event    string `json:"event"`
	Sequence int64  `json:"sequence"`
	Data     struct {
		CompanyID      int64 `json:"companyId"`
		SubscriptionID int64 `json:"subscriptionId"`
	} `json:"data"`
}

func (p *product) receive(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if err != nil || !isSigned(p.secret, r.Header, body, time.Now()) {
		answer(w, http.StatusUnauthorized, object{"error": "invalid signature"})
		return
	}
	var e event
	if err := json.Unmarshal(body, &e); err != nil {
		answer(w, http.StatusBadRequest, object{"error": "the body is not JSON"})
		return
	}
	p.take(e)
	answer(w, http.StatusOK, object{"received": true})
}

// take closes the product to a company that has lost access, and opens it when it is back, whatever the cause.
func (p *product) take(e event) {
	closed := e.Event == "subscription.canceled"
	if !closed && e.Event != "subscription.renewed" && e.Event != "subscription.created" {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.company(e.Data.CompanyID)
	// An event may come twice, and one that failed may be overtaken by later ones.
	if e.Sequence <= c.sequences[e.Data.SubscriptionID] {
		return
	}
	c.sequences[e.Data.SubscriptionID] = e.Sequence
	c.closed = closed
}

// isSigned verifies webhook-signature, which is over the time of sending too, so that an old request is refused when it is sent again.
func isSigned(secret string, header http.Header, body []byte, now time.Time) bool {
	sent, err := strconv.ParseInt(header.Get("webhook-timestamp"), 10, 64)
	if err != nil || now.Sub(time.Unix(sent, 0)).Abs() > 5*time.Minute {
		return false
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		return false
	}
	mac := hmac.New(sha256.New, key)
	_, _ = fmt.Fprintf(mac, "%s.%d.%s", header.Get("webhook-id"), sent, body) // a hash takes everything
	expected := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	// Others beside it are of another version, or of a secret that is to come.
	for _, given := range strings.Fields(header.Get("webhook-signature")) {
		if hmac.Equal([]byte(given), []byte(expected)) {
			return true
		}
	}
	return false
}
