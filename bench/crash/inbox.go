package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

const (
	roleReceive = "receive"
	// A receiver that was killed takes up to this long to listen again.
	listensWithin = time.Second
	slowBy        = 60 * time.Millisecond
	// As much as all that comes: a naive receiver writes it down when it is asked to stop.
	logBytes = 64 << 20
)

// inbox is a receiver that is a process of its own, so that it can be killed. It writes down what comes before it acknowledges.
type inbox struct {
	Name, Address string
	Log           string // the file of what has come
	Ill           string // as long as this file is there, the failing endpoints fail
	Naive         bool   // keeps in memory what it has acknowledged
	Endpoints     []endpoint
}

type endpoint struct {
	Path          string
	Types         []string // nil for every one
	Slow, Failing bool
	Secret        string
}

// save writes down what the process needs to know, and returns where.
func (in *inbox) save() (string, error) {
	text, err := json.Marshal(in)
	if err != nil {
		return "", err
	}
	path := in.Log + ".json"
	return path, os.WriteFile(path, text, 0o600)
}

// entry is a line of the log.
type entry struct {
	Path, ID, Hash, Type   string
	Subscription, Sequence int64
	Refused                bool   `json:",omitempty"`
	Wrong                  string `json:",omitempty"`
}

// receive is the role of such a process.
func receive(ctx context.Context, path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var in inbox
	if err := json.Unmarshal(text, &in); err != nil {
		return err
	}
	file, err := os.OpenFile(in.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	select {
	case <-time.After(rand.N(listensWithin)): //nolint:gosec // nobody gains by guessing it
	case <-ctx.Done():
		return nil
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", in.Address)
	if err != nil {
		return err
	}
	k := &keeper{in: in, log: bufio.NewWriterSize(file, logBytes), cut: map[string]bool{}}
	before, err := in.entries()
	if err != nil {
		return err
	}
	for _, e := range before {
		k.cut[e.Path+e.ID] = true
	}
	if _, err := k.log.WriteString("\n"); err != nil { // behind a line that was broken off
		return err
	}
	server := &http.Server{Handler: k, ReadHeaderTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return k.flush()
}

// keeper writes down what comes.
type keeper struct {
	in  inbox
	mu  sync.Mutex
	log *bufio.Writer
	cut map[string]bool // deliveries that came before, in the time of an earlier process too
}

func (k *keeper) flush() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.log.Flush()
}

func (k *keeper) write(e entry) error {
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, err := k.log.Write(append(line, '\n')); err != nil || k.in.Naive {
		return err
	}
	return k.log.Flush()
}

// ServeHTTP implements http.Handler.
func (k *keeper) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return // the sender was killed half-way
	}
	for _, e := range k.in.Endpoints {
		if e.Path == request.URL.Path {
			found := read(e, request.Header, body)
			if e.Slow {
				time.Sleep(rand.N(2 * slowBy)) //nolint:gosec // nobody gains by guessing it
			}
			if e.Failing {
				_, err := os.Stat(k.in.Ill)
				found.Refused = err == nil
			}
			switch err := k.write(found); {
			case err != nil:
				http.Error(w, "this cannot be kept", http.StatusInsufficientStorage)
			case found.Refused:
				http.Error(w, "out of order today", http.StatusInternalServerError)
			case k.drops(found):
				panic(http.ErrAbortHandler)
			}
			return
		}
	}
	http.NotFound(w, request)
}

// drops lets the answer to every fortieth event be lost, once.
func (k *keeper) drops(e entry) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	key := e.Path + e.ID
	chosen := crc32.ChecksumIEEE([]byte(key))%40 == 0 && !k.cut[key]
	k.cut[key] = true
	return chosen
}

func read(e endpoint, header http.Header, body []byte) entry {
	hash := sha256.Sum256(body)
	found := entry{Path: e.Path, ID: header.Get("webhook-id"), Hash: hex.EncodeToString(hash[:])}
	if err := verifySignatures(e.Secret, header, body); err != nil {
		found.Wrong = err.Error()
		return found
	}
	var event struct {
		Event    string
		ID       string
		Sequence int64
		Data     struct{ SubscriptionID int64 }
	}
	if err := json.Unmarshal(body, &event); err != nil || event.ID != found.ID {
		found.Wrong = fmt.Sprintf("the body is that of %q (%v)", event.ID, err)
	}
	found.Type, found.Subscription, found.Sequence = event.Event, event.Data.SubscriptionID, event.Sequence
	return found
}

// entries reads the log. A line that was broken off by a kill was not acknowledged.
func (in *inbox) entries() ([]entry, error) {
	text, err := os.ReadFile(in.Log)
	if err != nil {
		return nil, err
	}
	var all []entry
	for line := range strings.Lines(string(text)) {
		var e entry
		if json.Unmarshal([]byte(line), &e) == nil {
			all = append(all, e)
		}
	}
	return all, nil
}
