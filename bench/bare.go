package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"portico/db"
	"portico/internal/catalog"
	"portico/internal/secret"
)

// bareHandler is what somebody would write who wants nothing but this one answer: net/http, pgx, the same SELECT in the same scope, the
// same members in the answer.
type bareHandler struct {
	db           *db.DB
	keys         *secret.Keyring
	authenticate bool // ask for the merchant of the API key, as Portico does, instead of reading it from a header
}

// bare is the role of the handler that access is compared with.
func bare(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("bare", flag.ContinueOnError)
	address := flags.String("database", "", "")
	authenticate := flags.Bool("authenticate", false, "")
	if err := flags.Parse(args); err != nil {
		return err
	}
	keys, err := benchKeyring()
	if err != nil {
		return err
	}
	pool, err := openPool(ctx, *address)
	if err != nil {
		return err
	}
	defer pool.Close()
	mux := http.NewServeMux()
	mux.Handle("POST /access", &bareHandler{db: pool, keys: keys, authenticate: *authenticate})
	return listen(ctx, mux)
}

// listen serves until the context ends, on a free port that it prints.
func listen(ctx context.Context, handler http.Handler) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	fmt.Println("listening on", listener.Addr())
	if err := server.Serve(listener); ctx.Err() == nil {
		return err
	}
	return nil
}

type bareQuestion struct {
	Customer int64  `json:"customer"`
	Product  string `json:"product"`
}

type bareAnswer struct {
	Allowed    bool           `json:"allowed"`
	Reason     string         `json:"reason"`
	Tier       *string        `json:"tier"`
	Status     *string        `json:"status"`
	Seats      *int32         `json:"seats"`
	ExpiresAt  *time.Time     `json:"expiresAt"`
	UpgradeURL string         `json:"upgradeUrl"`
	Features   map[string]any `json:"features"`
}

// ServeHTTP answers whether a customer may use a product.
func (h *bareHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer, err := h.answer(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer)
}

func (h *bareHandler) answer(r *http.Request) (*bareAnswer, error) {
	var question bareQuestion
	if err := json.NewDecoder(r.Body).Decode(&question); err != nil {
		return nil, err
	}
	merchant, err := h.merchant(r)
	if err != nil {
		return nil, err
	}
	row, err := h.db.AccessOf(r.Context(), single{h.db.Tenant(merchant), h.db.Pool(), "{" + strconv.FormatInt(merchant, 10) + "}"}, db.AccessOfParams{
		MerchantID: merchant, CustomerNumber: &question.Customer, ProductIdentifier: &question.Product, Now: time.Now(),
	})
	if err != nil {
		return nil, err
	}
	answer := &bareAnswer{Reason: "NO_SUBSCRIPTION", Status: row.Status, ExpiresAt: row.AccessUntil}
	answer.UpgradeURL = "http://127.0.0.1:8080/portal/" + row.Shop + "/" + row.Identifier
	if row.Live && row.Seated {
		features, err := catalog.ReadFeatures(row.Features)
		if err != nil {
			return nil, err
		}
		answer.Allowed, answer.Reason, answer.Tier, answer.Seats, answer.Features = true, "ALLOWED", row.Tier, row.Quantity, features.Object()
	}
	return answer, nil
}

func (h *bareHandler) merchant(r *http.Request) (int64, error) {
	if !h.authenticate {
		return strconv.ParseInt(r.Header.Get("Merchant"), 10, 64)
	}
	key, err := h.db.APIKeyByHash(r.Context(), single{h.db.System(), h.db.Pool(), "system"}, h.keys.Hash(secret.Text(r.Header.Get("X-API-Key"))))
	return key.MerchantID, err
}

// single sends a statement in its scope over a connection of its own, where Portico's own scopes let requests share round trips.
type single struct {
	db.Scope
	pool   *pgxpool.Pool
	tenant string
}

// QueryRow implements db.DBTX.
func (s single) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	batch := &pgx.Batch{}
	batch.Queue(`select set_config('portico.tenant', $1, true)`, s.tenant)
	batch.Queue(sql, args...)
	return singleRow{s.pool.SendBatch(ctx, batch)}
}

type singleRow struct{ results pgx.BatchResults }

// Scan implements pgx.Row.
func (r singleRow) Scan(dest ...any) error {
	_, err := r.results.Exec()
	if err == nil {
		err = r.results.QueryRow().Scan(dest...)
	}
	return errors.Join(err, r.results.Close())
}
