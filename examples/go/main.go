// Ledger Lite keeps books, and is sold through Portico. It knows Portico by its published contract only.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync"
	"time"
)

// product is what a product would keep in its database.
type product struct {
	launch  *launcher
	portico portico
	issuer  *issuer
	secret  string // of the webhook endpoint

	mu        sync.Mutex
	sessions  map[string]user
	companies map[int64]*company
}

// company is a customer's company as the product knows it.
type company struct {
	closed    bool
	sequences map[int64]int64 // the last that was seen, by subscription
	employees []string
}

func main() {
	log := slog.New(slog.NewTextHandler(os.Stdout, nil))
	if err := run(log); err != nil {
		log.Error("ended", "error", err)
		os.Exit(1)
	}
}

func run(log *slog.Logger) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	identifier := os.Getenv("PRODUCT_IDENTIFIER")
	p := &product{
		launch: newLauncher(os.Getenv("PORTAL_JWT_SECRET"), identifier),
		portico: portico{
			url: os.Getenv("PORTICO_URL"), clientID: os.Getenv("PORTICO_CLIENT_ID"), clientSecret: os.Getenv("PORTICO_CLIENT_SECRET"),
			product: identifier, log: log,
		},
		issuer:   &issuer{portico: os.Getenv("PORTICO_URL"), name: os.Getenv("PORTICO_ISSUER"), product: identifier},
		secret:   os.Getenv("PORTAL_WEBHOOK_SECRET"),
		sessions: map[string]user{}, companies: map[int64]*company{},
	}
	if len(os.Getenv("PORTAL_JWT_SECRET")) < 32 || p.secret == "" || identifier == "" {
		return errors.New("PORTAL_JWT_SECRET, PORTAL_WEBHOOK_SECRET or PRODUCT_IDENTIFIER is not set")
	}
	server := &http.Server{Addr: "127.0.0.1:" + os.Getenv("PORT"), Handler: p.routes(), ReadHeaderTimeout: 5 * time.Second}
	go func() {
		<-ctx.Done()
		_ = server.Close()
	}()
	log.Info("Ledger Lite listens", "url", "http://"+server.Addr)
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func (p *product) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /launch", p.open)
	mux.HandleFunc("GET /{$}", p.signedIn(p.home))
	mux.HandleFunc("GET /reports", p.signedIn(p.reports))
	mux.HandleFunc("POST /employees", p.signedIn(p.addEmployee))
	mux.HandleFunc("GET /api/me", p.me)
	mux.HandleFunc("POST /webhooks", p.receive)
	return mux
}

// open is where the portal sends the customer. The token says who it is and what the subscription allows.
func (p *product) open(w http.ResponseWriter, r *http.Request) {
	u, err := p.launch.verify(r.URL.Query().Get("token"), time.Now())
	if err != nil {
		answer(w, http.StatusUnauthorized, object{"error": err.Error()})
		return
	}
	id := newSessionID()
	p.mu.Lock()
	p.sessions[id] = u
	p.mu.Unlock()
	// A real product is behind TLS, and its cookie Secure.
	http.SetCookie(w, &http.Cookie{Name: "session", Value: id, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode}) //nolint:gosec // on this machine
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// signedIn lets those in who have a session and whose company has access.
func (p *product) signedIn(next func(http.ResponseWriter, *http.Request, user)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var u user
		known, closed := false, false
		if cookie, err := r.Cookie("session"); err == nil {
			p.mu.Lock()
			u, known = p.sessions[cookie.Value]
			closed = known && p.company(u.CompanyID).closed
			p.mu.Unlock()
		}
		switch {
		case !known:
			answer(w, http.StatusUnauthorized, object{"error": "Open Ledger Lite from the portal."})
		case closed:
			answer(w, http.StatusForbidden, object{"error": fmt.Sprintf("The subscription of %s has ended.", u.CompanyName)})
		default:
			next(w, r, u)
		}
	}
}

func (p *product) home(w http.ResponseWriter, _ *http.Request, u user) {
	p.mu.Lock()
	defer p.mu.Unlock()
	answer(w, http.StatusOK, object{
		"name": u.Name, "email": u.Email, "companyId": u.CompanyID, "companyName": u.CompanyName, "tier": u.Subscription.Tier,
		"features": u.Subscription.Features, "employees": p.company(u.CompanyID).employees,
	})
}

// reports shows a gate: a boolean, where missing is false.
func (p *product) reports(w http.ResponseWriter, r *http.Request, u user) {
	allows := p.portico.allows(r.Context(), u)
	if !allows.feature("advancedReporting") {
		answer(w, http.StatusForbidden, object{"error": "Reports are not in your plan.", "upgradeUrl": allows.UpgradeURL})
		return
	}
	answer(w, http.StatusOK, object{"profit": 42})
}

// addEmployee shows a limit: a number, where missing is 0.
func (p *product) addEmployee(w http.ResponseWriter, r *http.Request, u user) {
	var in struct{ Name string }
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16)).Decode(&in); err != nil || strings.TrimSpace(in.Name) == "" {
		answer(w, http.StatusBadRequest, object{"error": "name is missing"})
		return
	}
	allows := p.portico.allows(r.Context(), u)
	limit := allows.limit("maxEmployees")
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.company(u.CompanyID)
	if current := int64(len(c.employees)); current >= limit {
		answer(w, http.StatusForbidden, object{
			"error": fmt.Sprintf("Your plan allows %d employees.", limit), "current": current, "upgradeUrl": allows.UpgradeURL,
		})
		return
	}
	c.employees = append(c.employees, strings.TrimSpace(in.Name))
	answer(w, http.StatusCreated, object{"name": strings.TrimSpace(in.Name)})
}

// me is for other programs, which come with an access token. It is verified here, without a question to Portico.
func (p *product) me(w http.ResponseWriter, r *http.Request) {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	c, err := p.issuer.verify(r.Context(), token, time.Now())
	switch {
	case err != nil:
		answer(w, http.StatusUnauthorized, object{"error": err.Error()})
	case !c.Access.Allowed:
		answer(w, http.StatusForbidden, object{"error": "There is no subscription."})
	default:
		answer(w, http.StatusOK, object{"customer": c.Subject, "claims": c.Claims})
	}
}

// company is what there is of a company, which nobody need have heard of before. The caller holds the lock.
func (p *product) company(id int64) *company {
	c := p.companies[id]
	if c == nil {
		c = &company{sequences: map[int64]int64{}, employees: []string{}}
		p.companies[id] = c
	}
	return c
}

type object map[string]any

func answer(w http.ResponseWriter, status int, body object) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client has gone away, if this fails
}
